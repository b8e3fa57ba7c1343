"""Procedural shapes with known solids, spoilt as real meshes are."""
