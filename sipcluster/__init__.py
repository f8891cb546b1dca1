"""
Many SIP servers that act as one: a SIP cluster for contact centres.
"""

__version__ = "0.1.0.dev0"
