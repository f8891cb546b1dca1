"""
The SIP Proxy: a stateful proxy (RFC 3261 section 16) as a chain of steps.
"""
