"""
A whole cluster, its telephones and T-Library clients in one process on one clock,
driven by a seed; the same seed gives the same run, byte for byte.
"""
