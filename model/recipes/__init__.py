"""Recipes: losses, optimisers and the training step of each."""

from shapegan.pipeline.extras import require

require("torch")
