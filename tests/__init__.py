"""
Tests of sipcluster.
"""
