"""Metrics: distances between sets of shapes."""
