"""
What decides between the two members of a pair.
"""
