"""Shards -> generators -> shapes, with torch.

- `config`, `presets`, `choices`: what is trained. `schedule`, `ranks`: when, and on which devices.
- `networks`: generators and critics. `streaming`: shards -> batches.
- `recipes`: what a step of training is. `training`: the loop around it.
- `shapes`: generators -> surfaces, pictures and metrics.
- `generation`: what a trained generator is for.

Takes of the pipeline the shard contract, the reader of datasets, whole files, and pictures.
Letters in shapes: B shapes, N points, R resolution, Z latent.
"""
