"""
The flows of a contact centre, each from its beginning to its end, for people to watch.
"""
