"""
The steps of the SIP Proxy's chain, one in each module.
"""
