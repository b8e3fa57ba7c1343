"""Generators, critics, and the published weights."""

from shapegan.pipeline.extras import require

require("torch")
