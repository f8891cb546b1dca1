"""
DN and agent state, told to T-Library clients.
"""
