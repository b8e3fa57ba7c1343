"""Discovery of input meshes: a ShapeNet tree or any folder, and split lists -> ordered jobs."""
