"""
T-Library requests and events as values, their encoding, and a client.
"""
