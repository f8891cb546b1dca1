"""
What all framed protocols of the cluster share: frames, key-value lists, who asked
for what, keep-alive.
"""
