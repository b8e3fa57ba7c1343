"""Settings of a stream of batches, and the batches."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from shapegan.pipeline.dataset.manifest import DatasetError
from shapegan.pipeline.schema import POINT_SETS

KINDS = ("voxels", "points")
BALANCED = "balanced"
"""Key of points drawn half inside and half outside."""


class StreamError(DatasetError):
    """A dataset without the wanted batches; the message is one line that says what to do."""


@dataclass(frozen=True)
class StreamConfig:
    """Settings that decide the content of each step's batch.

    Devices, workers and the place where shapes are kept do not change it.
    """

    kind: str
    """One of `KINDS`."""
    size: int
    """Resolution R of the voxels, or points N per shape."""
    batch: int
    """Shapes per step, over all ranks together."""
    seed: int = 0
    split: str = "train"
    """Split whose shapes are read; all shapes if empty, or if the dataset has no splits."""
    sets: tuple[str, ...] = ("uniform",)
    """Point sets, for kind `points`."""
    balanced: bool = False
    """Draw N points from all `sets` together, half of them inside, instead of N from each, as in
    DeepSDF's code; for kind `points`."""
    thin_parts: bool = False
    """Give the distances to thin parts as well: at the voxels, or at the uniform points."""

    def __post_init__(self) -> None:
        """Check all settings.

        Raises:
            StreamError: one line that names the setting and the values it takes.
        """
        object.__setattr__(self, "sets", tuple(self.sets))
        self._check(self.kind in KINDS, "kind", " or ".join(KINDS))
        self._check(self.size >= 1, "size", "1 or more")
        self._check(self.batch >= 1, "batch", "1 or more")
        self._check(0 <= self.seed < 2**63, "seed", "0 to 2^63 - 1")
        known = bool(self.sets) and set(self.sets) <= set(POINT_SETS)
        unique = len(set(self.sets)) == len(self.sets)
        self._check(known and unique, "sets", f"some of {', '.join(POINT_SETS)}")
        self._check(not self.balanced or self.kind == "points", "balanced", "kind points")
        self._check(not self.balanced or self.size >= 2, "size", "2 or more, balanced")
        plain = self.kind == "voxels" or (self.sets == ("uniform",) and not self.balanced)
        self._check(not self.thin_parts or plain, "thin_parts", "voxels or uniform points")

    @property
    def where(self) -> str:
        """The split, or the dataset if all its shapes are read, in words."""
        return f"split {self.split}" if self.split else "the dataset"

    def _check(self, holds: bool, name: str, takes: str) -> None:
        if not holds:
            raise StreamError(f"stream's {name}: got {getattr(self, name)}, takes {takes}")


@dataclass(frozen=True)
class VoxelBatch:
    """Shapes as voxel grids."""

    indices: Tensor
    """(B,) int64, positions in the split."""
    voxels: Tensor
    """(B, R, R, R) float32, signed distances, cube frame, index order x, y, z."""
    thin: Tensor | None = None
    """(B, R, R, R) float32, distances to thin parts; see `thin_parts`. None unless configured."""

    @property
    def tensors(self) -> list[Tensor]:
        """All tensors, in a fixed order."""
        return [self.indices, self.voxels, *([] if self.thin is None else [self.thin])]

    def mapped(self, change: Callable[[Tensor], Tensor]) -> "VoxelBatch":
        """The batch with every tensor changed."""
        thin = None if self.thin is None else change(self.thin)
        return VoxelBatch(change(self.indices), change(self.voxels), thin)


@dataclass(frozen=True)
class PointBatch:
    """Shapes as points with distances."""

    indices: Tensor
    """(B,) int64, positions in the split."""
    points: dict[str, tuple[Tensor, Tensor]]
    """Point set -> positions (B, N, 3) and signed distances (B, N), float32, sphere frame. Row i of
    all sets is the same row of the dataset, so `surface` is paired with `uniform`. Balanced points
    are the only entry, `BALANCED`; their first N // 2 rows lie inside."""
    thin: Tensor | None = None
    """(B, N) float32, distances to thin parts at the uniform points, sphere frame; see
    `thin_parts`. None unless configured."""

    @property
    def balanced(self) -> tuple[Tensor, Tensor]:
        """The balanced points: positions (B, N, 3) and signed distances (B, N)."""
        return self.points[BALANCED]

    @property
    def tensors(self) -> list[Tensor]:
        """All tensors, in a fixed order."""
        points = [values for pair in self.points.values() for values in pair]
        return [self.indices, *points, *([] if self.thin is None else [self.thin])]

    def mapped(self, change: Callable[[Tensor], Tensor]) -> "PointBatch":
        """The batch with every tensor changed."""
        points = {name: (change(at), change(sdf)) for name, (at, sdf) in self.points.items()}
        thin = None if self.thin is None else change(self.thin)
        return PointBatch(change(self.indices), points, thin)
