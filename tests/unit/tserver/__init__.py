"""
Tests of sipcluster.tserver.
"""
