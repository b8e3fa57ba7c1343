"""Uses of a trained generator: meshes, films, figures, evaluation and reconstruction."""

from shapegan.pipeline.extras import require

require("torch")
