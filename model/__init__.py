"""Shards -> generators -> shapes, with torch.

Takes of the pipeline the shard contract, the reader of datasets, whole files, and pictures.
Letters in shapes: B shapes, N points, R resolution, Z latent.
"""
