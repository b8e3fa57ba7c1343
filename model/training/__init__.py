"""The loop around a recipe: stages, checkpoints, ranks, and what a run tells of itself."""
