"""Generators -> shapes: surfaces by marching cubes or sphere tracing, and their pictures."""
