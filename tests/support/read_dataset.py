"""A dataset of fakes that the tests of the reader share."""

from shapegan.pipeline.config import PreprocessConfig

CONFIG = PreprocessConfig(resolutions=(4, 8), points=10_000, shard_size=3)
BEHAVIOURS = ["ok", "reject", "ok", "reject", "reject", "reject", "ok", "ok"]
IDS = ["mesh000", "mesh002", "mesh006", "mesh007"]
