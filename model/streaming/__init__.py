"""Batches from shards, in an order that depends on seed and step alone."""
