"""Generators, critics, and the published weights."""
