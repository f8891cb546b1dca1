"""
What a member of a pair looks at to know whether it can serve, and alarms.
"""
