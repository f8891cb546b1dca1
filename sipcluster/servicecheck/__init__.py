"""
Which nodes and devices are in service, found by OPTIONS.
"""
