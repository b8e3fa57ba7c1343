"""Pictures of meshes and fields, drawn without a display."""
