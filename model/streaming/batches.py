"""What a stream of batches is asked for, and what a batch holds."""

from dataclasses import dataclass

from torch import Tensor

from shapegan.pipeline.dataset.manifest import DatasetError
from shapegan.pipeline.schema import POINT_SETS

KINDS = ("voxels", "points")
BALANCED = "balanced"
"""Name of the points that are drawn half inside, half outside."""


class StreamError(DatasetError):
    """A dataset that cannot be streamed as asked; the message is one line with what to do."""


@dataclass(frozen=True)
class StreamConfig:
    """Settings that decide which numbers each step's batch holds.

    Devices, workers and where the dataset is kept have no part in that.
    """

    kind: str
    """One of `KINDS`."""
    size: int
    """Resolution R of the voxels, or points N to a shape."""
    batch: int
    """Shapes to a step, over all ranks together."""
    seed: int = 0
    split: str = "train"
    """Its shapes are taken; all where this is empty, or where the dataset has no splits."""
    sets: tuple[str, ...] = ("uniform",)
    """Point sets; kind `points` alone."""
    balanced: bool = False
    """Draw N points out of all `sets`, half of them inside, instead of N out of each (DeepSDF,
    section 4); kind `points` alone."""

    def __post_init__(self) -> None:
        """Refuses what cannot work.

        Raises:
            StreamError: with one line saying which setting and what it takes.
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

    def _check(self, holds: bool, name: str, takes: str) -> None:
        if not holds:
            raise StreamError(f"stream's {name}: got {getattr(self, name)}, takes {takes}")


@dataclass(frozen=True)
class VoxelBatch:
    """Shapes on a grid."""

    indices: Tensor
    """(B,) int64, positions in the split."""
    voxels: Tensor
    """(B, R, R, R) float32, signed distances, cube frame, index order x, y, z."""


@dataclass(frozen=True)
class PointBatch:
    """Shapes at points."""

    indices: Tensor
    """(B,) int64, positions in the split."""
    points: dict[str, tuple[Tensor, Tensor]]
    """Point set -> positions (B, N, 3) and signed distances (B, N), float32, sphere frame. Row i
    of all sets is the same row of the dataset, so `surface` lies next to `uniform`. Of balanced
    points there is one entry, `BALANCED`; its first N // 2 rows lie inside."""

    @property
    def balanced(self) -> tuple[Tensor, Tensor]:
        """The balanced points: positions (B, N, 3) and signed distances (B, N)."""
        return self.points[BALANCED]
