"""File formats of generated meshes; imports nothing, so commands list them without delay."""

MESH_FORMATS = ("obj", "ply", "stl", "glb")
