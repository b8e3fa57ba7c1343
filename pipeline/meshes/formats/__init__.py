"""Readers of mesh files: bytes -> vertices and triangles, one module per format."""
