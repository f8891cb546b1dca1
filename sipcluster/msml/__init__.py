"""
The Media Server Markup Language (RFC 5707), as far as it is used here: values, what
writes them, and what reads them from anybody.
"""
