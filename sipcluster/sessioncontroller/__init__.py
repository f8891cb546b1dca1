"""
The Session Controller: calls, legs and parties; a B2BUA.
"""
