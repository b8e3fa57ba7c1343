"""What a dataset is made with: one frozen dataclass, saved in its manifest."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from shapegan.pipeline.errors import PlainError

METHODS = ("winding", "scan")
"""How signs are found; `scan` is the paper's way and needs OpenGL."""


class ConfigError(PlainError, ValueError):
    """A setting that cannot be used; the message is one line with what to do."""


@dataclass(frozen=True)
class PreprocessConfig:
    """Settings that decide the bytes of a dataset.

    Two runs with equal ones, and the same meshes, give the same shards; so workers and
    scheduler are no part of it.
    """

    resolutions: tuple[int, ...] = (8, 16, 32, 64)
    """Voxel grids, ascending."""
    points: int = 262_144
    """Points in each of the sets `uniform` and `surface`; 0 leaves both out."""
    cloud: bool = False
    """Also store DeepSDF's mix, as many points again."""
    method: str = "winding"
    """One of `METHODS`."""
    sheet_thickness: float = 0.016
    """Half the thickness that bare sheets are given, cube frame; 0 leaves them out. The default
    is half a voxel of 64^3: the thinnest wall that no 64^3 grid can miss."""
    shard_size: int = 64
    """Input meshes to a shard."""
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuses what cannot work.

        Raises:
            ConfigError: with one line saying which setting and what it takes.
        """
        object.__setattr__(self, "resolutions", tuple(sorted(set(self.resolutions))))
        self._check(bool(self.resolutions), "resolutions", "at least one")
        self._check(all(2 <= r <= 1024 for r in self.resolutions), "resolutions", "2 to 1024")
        self._check(0 <= self.points <= 2**24, "points", "0 to 16777216")
        self._check(self.points > 0 or not self.cloud, "cloud", "points above 0")
        self._check(self.method in METHODS, "method", " or ".join(METHODS))
        self._check(0 <= self.sheet_thickness <= 0.2, "sheet_thickness", "0 to 0.2")
        self._check(1 <= self.shard_size <= 4096, "shard_size", "1 to 4096")
        self._check(0 <= self.seed < 2**63, "seed", "0 to 2^63 - 1")

    def _check(self, holds: bool, name: str, takes: str) -> None:
        if not holds:
            raise ConfigError(f"{name}: got {getattr(self, name)}, takes {takes}")

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        return dataclasses.asdict(self) | {"resolutions": list(self.resolutions)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "PreprocessConfig":
        """Inverse of `to_dict`.

        Raises:
            ConfigError: for an unknown or unusable setting.
        """
        known = {f.name for f in dataclasses.fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ConfigError(f"unknown settings: {', '.join(unknown)}")
        return cls(**(values | {"resolutions": tuple(values.get("resolutions", (8, 16, 32, 64)))}))

    def difference(self, other: "PreprocessConfig") -> list[str]:
        """One line for each setting in which `other` differs: `name: mine -> theirs`."""
        mine, theirs = self.to_dict(), other.to_dict()
        return [f"{k}: {mine[k]} -> {theirs[k]}" for k in mine if mine[k] != theirs[k]]
