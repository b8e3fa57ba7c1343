"""Reconstruction of a whole split: DeepSDF's table of unseen shapes (Park et al. 2019, 6.2)."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shapegan.model.generation.real_shapes import choose_real_shapes, real_surface
from shapegan.model.generation.reconstruction import (
    RECORD_NAME,
    SDF_POINTS,
    Reconstruction,
    ReconstructionError,
    ReconstructionSettings,
    chamfer_distance,
    decoder_of,
    write_reconstruction,
)
from shapegan.model.generation.source import Source
from shapegan.model.networks.generator import Generator
from shapegan.model.recipes.autodecoder import fit_latents
from shapegan.model.shapes.surface import extract
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.files import sweep, write_text, writing
from shapegan.pipeline.meshes.triangle_mesh import TriangleMesh

SHAPES_FOLDER, CONDITIONS_NAME = "shapes", "conditions.json"
SPLIT_SAMPLES = 2048
"""Points per shape and step: a quarter of those of a single mesh, so that eight shapes take about
twice the time of one."""
_NEAR, _FAR = 47 / 50, 3 / 50
"""Shares of points near the surface and of uniform ones in DeepSDF's mix."""
_MAX_NAME = 100
"""Characters of an id in the name of its folder."""


@dataclass(frozen=True)
class SplitSettings:
    """Settings of the reconstruction of a split."""

    each: ReconstructionSettings
    """Settings of each shape."""
    split: str | None = None
    """None: `test`, or all shapes of a dataset without splits."""
    batch: int = 8
    """Shapes whose latents are optimised together; it does not change the results."""


@dataclass(frozen=True)
class ReconstructedShape:
    """A shape of the split, and the folder of its reconstruction."""

    index: int
    """Row of the shape in the dataset."""
    id: str
    folder: Path
    """With latent.npy, mesh.obj and reconstruction.json, which is written last."""
    chamfer: float | None = None
    """Squared units of the generator's frame; None if the surface is empty, or not yet made."""


@dataclass(frozen=True)
class ReconstructedSplit:
    """Reconstructions of a split."""

    source: str
    data: str
    split: str
    """Empty for all shapes of a dataset without splits."""
    settings: SplitSettings
    shapes: list[ReconstructedShape]
    """All shapes of the split, in the order of the dataset."""

    @property
    def ranked(self) -> list[ReconstructedShape]:
        """The shapes from the best to the worst; empty ones are at the end."""
        return sorted(self.shapes, key=lambda shape: (shape.chamfer is None, shape.chamfer or 0.0))

    def summary(self) -> dict[str, float | int | None]:
        """Numbers of shapes and of empty ones; mean and median chamfer distance of the others."""
        distances = [shape.chamfer for shape in self.shapes if shape.chamfer is not None]
        return {
            "shapes": len(self.shapes),
            "empty": len(self.shapes) - len(distances),
            "chamfer_mean": float(np.mean(distances)) if distances else None,
            "chamfer_median": float(np.median(distances)) if distances else None,
        }


def reconstruct_split(
    source: Source,
    dataset: Dataset,
    out: Path,
    settings: SplitSettings,
    progress: Callable[[str], None] = lambda _: None,
) -> ReconstructedSplit:
    """Reconstruct the shapes of a split from their stored distances, and write each of them.

    Shapes that an earlier run has finished are not made again.

    Args:
        source: Of an autodecoder's run.
        dataset: With points, and with voxels, whose surfaces are compared.
        out: Folder; it is created if missing.
        settings: Of the split and its shapes.
        progress: Called now and then with a line of text.

    Raises:
        ReconstructionError: if the source is not an autodecoder, the dataset lacks points, or `out`
            holds reconstructions of other conditions.
        EvaluationError: if there is no such split.
        DatasetError: if the dataset cannot be read, or has no voxels.
        OutputError: if a file cannot be written.
    """
    # 1. Check everything that may be wrong before anything is written
    generator = decoder_of(source)
    split, indices = choose_real_shapes(dataset, settings.split, fewest=1)
    counts = _point_counts(dataset)
    conditions = _conditions(generator, dataset, split, settings.each, dataset.finest)
    _claim(out, conditions)
    # 2. Reconstruct the shapes that are not there yet, batch by batch
    ids = dataset.ids
    shapes = [
        ReconstructedShape(i, ids[i], out / SHAPES_FOLDER / _name(i, ids[i])) for i in indices
    ]
    missing = [shape for shape in shapes if not (shape.folder / RECORD_NAME).is_file()]
    done = len(shapes) - len(missing)
    for start in range(0, len(missing), settings.batch):
        batch = missing[start : start + settings.batch]
        place = f"shapes {done + 1} to {done + len(batch)} of {len(shapes)}"
        latents = _fit(generator, dataset, batch, counts, settings.each, _told(progress, place))
        for shape, latent in zip(batch, latents, strict=True):
            progress(f"{place}: surfaces")
            found = _compare(source, dataset, shape, latent, settings.each)
            write_reconstruction(found, shape.folder, shape.id, source, settings.each)
        done += len(batch)
    # 3. Read them back, those of earlier runs included
    read = [_read(shape) for shape in shapes]
    return ReconstructedSplit(source.name, str(dataset.path), split, settings, read)


def fitting_points(
    dataset: Dataset, index: int, counts: dict[str, int], frame: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Points (P, 3) and distances (P,) of a shape, in a frame: `cube` or `sphere`."""
    read = [dataset.points(index, name, 0, count) for name, count in counts.items()]
    points, sdf = (np.concatenate(parts) for parts in zip(*read, strict=True))
    if frame == "cube":
        scales = dataset.frame(index)
        factor = np.float32(scales.scale_sphere / scales.scale_cube)
        points, sdf = points * factor, sdf * factor
    return points, sdf


def _point_counts(dataset: Dataset) -> dict[str, int]:
    """Point set -> number of points that are fitted: DeepSDF's mix, as far as it is stored."""
    stored = dataset.point_counts
    if "cloud" in dataset.point_sets:
        return {"cloud": min(stored["cloud"], SDF_POINTS)}
    if not {"surface", "uniform"} <= set(dataset.point_sets):
        raise ReconstructionError(
            f"{dataset.path} has neither the points `cloud` nor both `surface` and `uniform`:"
            " `shapegan preprocess` stores them"
        )
    total = min(SDF_POINTS, stored["surface"] / _NEAR, stored["uniform"] / _FAR)
    return {"surface": int(total * _NEAR), "uniform": int(total * _FAR)}


def _fit(
    generator: Generator,
    dataset: Dataset,
    shapes: Sequence[ReconstructedShape],
    counts: dict[str, int],
    settings: ReconstructionSettings,
    progress: Callable[[int], None],
) -> Tensor:
    """Latents (B, Z) of shapes."""
    frame = generator.config.frame
    read = [fitting_points(dataset, shape.index, counts, frame) for shape in shapes]
    points, sdf = (torch.from_numpy(np.stack(parts)) for parts in zip(*read, strict=True))
    return fit_latents(
        generator,
        points.to(generator.device),
        sdf.to(generator.device),
        steps=settings.steps,
        samples=settings.samples,
        seed=settings.seed,
        progress=lambda step: progress(100 * step // settings.steps),
    )


def _compare(
    source: Source,
    dataset: Dataset,
    shape: ReconstructedShape,
    latent: Tensor,
    settings: ReconstructionSettings,
) -> Reconstruction:
    """Surface of a latent, in the mesh's coordinates, and its distance from the real shape."""
    frame = source.generator.config.frame
    level = source.level if settings.level is None else settings.level
    surface = extract(source.generator, latent, settings.resolution, level)
    real = real_surface(dataset, shape.index, frame)
    scales = dataset.frame(shape.index)
    scale = scales.scale_cube if frame == "cube" else scales.scale_sphere
    placed = scales.center + scale * surface.vertices.astype(np.float64)
    chamfer = chamfer_distance(surface, real, settings.seed)
    return Reconstruction(latent.cpu().numpy(), TriangleMesh(placed, surface.faces), chamfer)


def _read(shape: ReconstructedShape) -> ReconstructedShape:
    path = shape.folder / RECORD_NAME
    try:
        chamfer = json.loads(path.read_bytes())["chamfer"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReconstructionError(
            f"cannot read {path}: delete it, and the same command makes it again"
        ) from error
    return ReconstructedShape(shape.index, shape.id, shape.folder, chamfer)


def _name(index: int, shape: str) -> str:
    """Name of a shape's folder: unique by the index, and without slashes."""
    return f"{index:05d}-{shape.replace('/', '-')[-_MAX_NAME:]}"


def _told(progress: Callable[[str], None], place: str) -> Callable[[int], None]:
    return lambda share: progress(f"{place}: {share} % of the steps")


def _conditions(
    generator: Generator,
    dataset: Dataset,
    split: str,
    settings: ReconstructionSettings,
    finest: int,
) -> dict[str, Any]:
    """Everything that a result depends on, as JSON: a resumed run must have the same."""
    weights, shards = hashlib.sha256(), hashlib.sha256()
    for name, value in sorted(generator.state_dict().items()):
        weights.update(name.encode() + value.detach().cpu().numpy().tobytes())
    for shard in dataset.manifest.shards:
        shards.update(shard.sha256.encode())
    return {
        "weights": weights.hexdigest(),
        "shards": shards.hexdigest(),
        "split": split,
        "voxels": finest,
        **asdict(settings),
    }


def _claim(out: Path, conditions: dict[str, Any]) -> None:
    """Create the folder, or check that what it holds was made under the same conditions."""
    path = out / CONDITIONS_NAME
    with writing(out):
        (out / SHAPES_FOLDER).mkdir(parents=True, exist_ok=True)
        sweep(out)
    if not path.exists():
        write_text(path, json.dumps(conditions, indent=2) + "\n")
        return
    try:
        before = json.loads(path.read_bytes())
        other = [name for name, value in conditions.items() if before.get(name) != value]
    except (OSError, ValueError, AttributeError) as error:
        raise ReconstructionError(f"cannot read {path}: name another folder") from error
    if other:
        raise ReconstructionError(
            f"{out} holds reconstructions with other {', '.join(other)}: name another folder, or"
            " delete that one"
        )
