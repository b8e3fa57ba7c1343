"""Procedural sample meshes: known solids, meshed with the defects of real meshes."""
