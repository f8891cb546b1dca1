"""
Who of the two members of a pair serves, and until when.
"""
