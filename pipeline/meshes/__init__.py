"""Triangle meshes: file formats, cleaning, frames."""
