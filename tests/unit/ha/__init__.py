"""
Tests for C{sipcluster.ha}.
"""
