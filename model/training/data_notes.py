"""Notes for runs on their datasets: missing splits, and coarse grids with thickened thin parts."""

from shapegan.model.config import VOXEL_RECIPES, TrainConfig
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.schema import MAX_COARSE_RESOLUTION


def split_note(config: TrainConfig, dataset: Dataset) -> str:
    """Note for a run on a dataset without splits; empty for other runs."""
    if not config.split or dataset.splits:
        return ""
    return (
        f"{dataset.path} has no splits: training on all {len(dataset):,} shapes; `shapegan split`"
        " makes splits"
    )


def coarse_grid_note(config: TrainConfig, dataset: Dataset) -> str:
    """Note for a run that reads stored grids which keep thin parts; empty for other runs."""
    read = config.recipe in VOXEL_RECIPES and any(
        stage.grid <= MAX_COARSE_RESOLUTION for stage in config.stages
    )
    if not read or dataset.config.thin_parts == "true":
        return ""
    return (
        f"{dataset.path} keeps thin parts on grids of up to {MAX_COARSE_RESOLUTION}^3;"
        " `preprocess --thin-parts true` stores the true field"
    )
