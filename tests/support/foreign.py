"""Files as other projects write them, and points as they are stored."""

from pathlib import Path

import numpy as np
from support.training import solid

from shapegan.pipeline import schema
from shapegan.pipeline.dataset.reader import Dataset


def in_order(dataset: Dataset, index: int, name: str) -> np.ndarray:
    """Points and distances as stored, in an order that does not depend on how they lie there."""
    positions = dataset.stored(index, schema.position_name(name))
    sdf = dataset.stored(index, schema.sdf_name(name)).astype(np.float64)
    rows = np.column_stack([positions, sdf])
    return rows[np.lexsort(rows.T)]


def ball_rows(radius: float, count: int, seed: int) -> np.ndarray:
    """Points near a ball of this radius, and some in the cube around, with distances."""
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=(count, 3))
    near = direction / np.linalg.norm(direction, axis=1, keepdims=True)
    near *= radius + rng.normal(scale=0.003, size=(count, 1))
    points = np.concatenate([near, rng.uniform(-1, 1, (count // 20, 3))])
    sdf = np.linalg.norm(points, axis=1) - radius
    return np.column_stack([points, sdf]).astype(np.float32)


def write_deepsdf(folder: Path, name: str, rows: np.ndarray) -> Path:
    path = folder / "SdfSamples" / f"{name}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    outside = rows[:, 3] > 0
    np.savez(path, pos=rows[outside], neg=rows[~outside])
    return path


def write_occnet(folder: Path, number: int, *, surface: bool = True) -> None:
    """A solid in OccNet's frame: half the size of ours."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(number)
    points = rng.uniform(-0.55, 0.55, (4000, 3)).astype(np.float16)
    inside = solid(number)(2 * points.astype(np.float64)) < 0
    np.savez(folder / "points.npz", points=points, occupancies=np.packbits(inside),
             loc=[4.0, 5.0, 6.0], scale=3.0)  # fmt: skip
    if surface:
        direction = rng.normal(size=(20_000, 3))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        radius = -solid(number)(np.zeros((1, 3)))[0] / 2
        np.savez(folder / "pointcloud.npz", points=(radius * direction).astype(np.float16),
                 normals=direction.astype(np.float16), loc=[4.0, 5.0, 6.0], scale=3.0)  # fmt: skip
