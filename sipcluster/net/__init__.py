"""
Every Twisted protocol, factory, endpoint, name look-up and HTTP resource.
"""
