"""
Tests for L{sipcluster.tcontroller}.
"""
