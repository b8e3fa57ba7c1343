"""Figure of the same latents after each stage of a run."""

from collections.abc import Sequence
from pathlib import Path

import torch

from shapegan.model.config import VOXEL_RECIPES, Stage
from shapegan.model.generation.figures import captioned
from shapegan.model.generation.source import Source, SourceError, open_source
from shapegan.model.shapes.image_grid import arrange, camera_of
from shapegan.model.shapes.surface import extract
from shapegan.model.training.checkpoint import load_checkpoint, stage_checkpoints
from shapegan.pipeline.pictures.panel import Picture


def draw_stages(
    run: Path,
    seeds: Sequence[int],
    resolution: int,
    level: float,
    panel: int,
    device: torch.device,
) -> Picture:
    """Draw the shapes of the same latents at the end of each stage that has ended, a row each.

    The last two rows of the published point recipe are the paper's picture of refinement
    (Kleineberg et al. 2020, section 3.3): before it, and after.

    Args:
        run: Folder of a run.
        seeds: Seeds of the shapes, a column each.
        resolution: Grid points along each axis.
        level: Value of the field at the surfaces, frame units.
        panel: Height and width of each picture, pixels.
        device: Device of the generators.

    Returns:
        (H, W, 3) uint8.

    Raises:
        SourceError: no stage of the run has ended.
    """
    paths = stage_checkpoints(run / "checkpoints")
    if not paths:
        raise SourceError(f"{run} has no checkpoint of the end of a stage: expected a run's folder")
    config = load_checkpoint(paths[0]).config
    rows: list[tuple[Source, str]] = []
    for path in paths:
        number = int(path.stem.removeprefix("stage-"))
        voxels = config.recipe in VOXEL_RECIPES
        rows.append(
            (open_source(path, device), stage_name(number, config.stages[number - 1], voxels))
        )
    surfaces = [
        [
            extract(source.generator, latent, resolution, level)
            for latent in source.latents(seeds).to(device)
        ]
        for source, _ in rows
    ]
    camera = camera_of([surface for row in surfaces for surface in row])
    pictures = [
        captioned(source, surface, name, camera, panel)
        for (source, name), row in zip(rows, surfaces, strict=True)
        for surface in row
    ]
    return arrange(pictures, len(seeds))


def stage_name(number: int, stage: Stage, voxels: bool) -> str:
    """Caption of a stage, by its number from 1: `stage 2: 16^3`, `stage 3: 4,096 points`."""
    size = f"{stage.size}^3" if voxels else f"{stage.size:,} points"
    if stage.prior:
        size = "prior"
    return f"stage {number}: {size}" + (", refined" if stage.refine else "")
