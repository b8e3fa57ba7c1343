"""Metrics between sets of shapes: point clouds, their distances, and scores."""
