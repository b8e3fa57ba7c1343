"""Recipes: losses, optimisers and the training step of each."""
