"""Uses of a trained generator: meshes, films, figures, evaluation and reconstruction."""
