"""
Bindings of addresses-of-record (RFC 3261 section 10) and where they are kept.
"""
