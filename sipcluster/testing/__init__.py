"""
A test kit for users of the package: clock, memory network, scripted peers.
"""
