"""Pictures of meshes and fields; they need no display."""
