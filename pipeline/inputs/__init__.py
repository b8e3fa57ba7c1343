"""Input meshes: a ShapeNet tree or any folder, with split lists, becomes ordered jobs."""
