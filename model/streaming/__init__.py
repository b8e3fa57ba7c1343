"""Batches from shards, in an order that depends on seed and step alone."""

from shapegan.pipeline.extras import require

require("torch")
