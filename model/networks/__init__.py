"""Generators and critics: what is trained, and the published weights."""
