"""
What T-Library clients see, as tables: no code of a test, so that telephones in
memory, telephones of others, and the documentation can all use them.
"""
