"""The training loop: stages, checkpoints, metrics, previews and the folder of a run."""
