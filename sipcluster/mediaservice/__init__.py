"""
The media servers, as a node sees them.
"""
