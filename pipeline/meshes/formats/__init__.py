"""Readers of mesh files: bytes -> vertices and triangles."""
