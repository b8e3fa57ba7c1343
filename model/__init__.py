"""Generators from shards, with torch.

- `config`, `presets`, `config_file`: what is trained. `schedule`, `distributed`: when, and where.
- `networks`: generators and critics. `streaming`: shards -> batches.
- `recipes`: losses and the training step. `training`: the loop around it.
- `shapes`: generators -> surfaces and pictures. `metrics`: scores of shapes.
- `generation`, `viewer`: uses of a trained generator.

From the pipeline, it uses the shard contract, the reader of datasets, file output and pictures.
Letters in shapes: B shapes, N points, R resolution, Z latent.
"""
