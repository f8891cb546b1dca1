"""
What the members of a cluster share: the cluster store and its replicas.
"""
