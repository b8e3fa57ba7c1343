"""Generators -> shapes: surfaces, pictures, and how good they are."""
