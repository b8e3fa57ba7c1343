"""What a trained generator is for: meshes, paths between shapes, scores, reconstructions."""
