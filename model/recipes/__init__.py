"""Ways to train: what a step of each is, with its losses and optimisers."""
