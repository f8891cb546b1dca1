"""
Seeded runs of whole clusters, with invariants after every step.
"""
