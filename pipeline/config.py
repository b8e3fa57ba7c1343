"""Settings of a dataset: one frozen dataclass, saved in the dataset's manifest."""

from dataclasses import dataclass
from typing import Any

from shapegan.pipeline.dataclass_json import differences, from_plain, to_plain
from shapegan.pipeline.errors import PlainError

METHODS = ("winding", "scan")
"""Ways to find the sign; `scan` is the paper's and needs OpenGL."""

SCAN_SIGNS = ("depth", "normals")
"""Signs of `scan`: by the depth buffers, or by the normals of the nearest scanned points."""

CAVITIES = ("keep", "fill")
"""Treatments of closed cavities; `keep` keeps those of consistently wound watertight meshes."""

MIXES = {
    "deepsdf": {"cloud": 500_000},
    "occnet": {"occnet": 100_000},
    "vecset": {"vecset_volume": 500_000, "vecset_near": 500_000},
}
"""Mix -> its sets, and the number of points in each by its paper: Park et al. 2019 (DeepSDF),
Mescheder et al. 2019 (Occupancy Networks), Zhang et al. 2023 (3DShape2VecSet).
`shapegan.pipeline.sdf.mixes` describes them."""

TRUNCATED_FROM = 128
"""Voxels of this resolution and above may be truncated."""

_FORMAT_2_VALUES: dict[str, Any] = {
    "mixes": (),
    "mix_points": 0,
    "on_surface_points": 0,
    "salient_points": 0,
    "sharp_angle": 15.0,
    "truncation": 0.0,
}
"""Settings that format 2 does not have -> the values that they have there."""

THIN_PARTS = ("keep", "true", "points")
"""Treatments of parts that are too thin for a coarse grid."""


CONTOURINGS = ("cubes", "dual")
"""Ways to extract a surface: marching cubes, and dual contouring, which keeps sharp edges."""

MESH_FORMATS = ("obj", "ply", "stl", "glb")
"""File formats that meshes are written in."""


def least_half_thickness(resolution: int) -> float:
    """Half the thickness of the thinnest sheet that a grid cannot miss, cube frame.

    It is a little more than half a cell, so that a sheet half-way between two layers of points
    contains both.

    Args:
        resolution: cells along the longest side, which is 2.
    """
    return 1.1 / resolution


class ConfigError(PlainError, ValueError):
    """An unusable setting; the message is one line that says what to do."""


@dataclass(frozen=True)
class PreprocessConfig:
    """Settings that decide the bytes of a dataset.

    Two runs with equal settings and the same meshes give the same shards. Workers and scheduler
    change no byte, so they are not among these settings.
    """

    resolutions: tuple[int, ...] = (8, 16, 32, 64)
    """Points along each side of the voxel grids, ascending."""
    points: int = 262_144
    """Points in each of the sets `uniform` and `surface`; 0 leaves both out."""
    mixes: tuple[str, ...] = ()
    """Further point sets with distances, by the name of the paper's mix: keys of
    `MIXES`."""
    mix_points: int = 0
    """Points in each set of the mixes; 0 for as many as the paper has."""
    on_surface_points: int = 0
    """Points in the set `on_surface`, which lie on the surface, with normals."""
    salient_points: int = 0
    """Points in the set `salient`, which lie on sharp edges, with normals."""
    sharp_angle: float = 15.0
    """Angle between the normals at an edge from which it is sharp, degrees (the default of Dora's
    code)."""
    truncation: float = 0.1
    """Largest distance that voxels of 128^3 and finer store, cube frame; larger ones are clipped to
    it. 0 stores all distances. Becomes 0 if all grids are coarser."""
    method: str = "winding"
    """One of `METHODS`."""
    signs: str = "depth"
    """One of `SCAN_SIGNS`; `depth` with other methods, where it has no effect."""
    sheet_thickness: float = 0.016
    """Half the thickness given to bare sheets, cube frame. With 0 their distance is unsigned. The
    default is half a voxel of 64^3: the thinnest wall that no 64^3 grid can miss."""
    cavities: str = "keep"
    """One of `CAVITIES`, for closed cavities, which no light reaches. In a watertight mesh with
    consistent windings a cavity is certain, and `keep` keeps it. In all others it is filled, since
    their hidden faces are wound at random. `fill` fills every closed cavity."""
    thin_parts: str = "keep"
    """One of `THIN_PARTS`. `keep`: a grid of up to 32^3 is that of the solid whose thin parts are
    as thick as the grid can show (`shapegan.pipeline.sdf.coarse_field`); finer grids and points are
    of the true field. `true`: all are of the true field. `points`: as `keep`, and points are of the
    same field as a grid of 32^3. Fields of `scan` and of a flood fill are always true."""
    shard_size: int = 64
    """Input meshes per shard."""
    seed: int = 0

    def __post_init__(self) -> None:
        """Sort the resolutions, and check all settings.

        Raises:
            ConfigError: one line that names the setting and the values it takes.
        """
        object.__setattr__(self, "resolutions", tuple(sorted(set(self.resolutions))))
        imported = isinstance(self, ImportConfig)
        if imported or max(self.resolutions, default=0) < TRUNCATED_FROM:
            object.__setattr__(self, "truncation", 0.0)
        mixes = tuple(name for name in MIXES if name in self.mixes)
        self._check(set(mixes) == set(self.mixes), "mixes", f"some of {', '.join(MIXES)}")
        object.__setattr__(self, "mixes", mixes)
        self._check(bool(self.resolutions) or imported, "resolutions", "at least one")
        self._check(all(2 <= r <= 1024 for r in self.resolutions), "resolutions", "2 to 1024")
        self._check(0 <= self.points <= 2**24, "points", "0 to 16777216")
        self._check_further_points()
        self._check(self.method in METHODS, "method", " or ".join(METHODS))
        self._check(self.signs in SCAN_SIGNS, "signs", " or ".join(SCAN_SIGNS))
        scans = self.method == "scan" or self.signs == "depth"
        self._check(scans, "signs", "depth without the method scan")
        self._check(0 <= self.sheet_thickness <= 0.2, "sheet_thickness", "0 to 0.2")
        self._check(self.cavities in CAVITIES, "cavities", " or ".join(CAVITIES))
        self._check(self.thin_parts in THIN_PARTS, "thin_parts", " or ".join(THIN_PARTS))
        self._check(1 <= self.shard_size <= 4096, "shard_size", "1 to 4096")
        self._check(0 <= self.seed < 2**63, "seed", "0 to 2^63 - 1")

    def _check_further_points(self) -> None:
        self._check(0 <= self.mix_points <= 2**24, "mix_points", "0 to 16777216")
        self._check(bool(self.mixes) or not self.mix_points, "mix_points", "0 without a mix")
        for name in ("on_surface_points", "salient_points"):
            self._check(0 <= getattr(self, name) <= 2**24, name, "0 to 16777216")
        oriented = self.on_surface_points or self.salient_points
        self._check(
            self.method != "scan" or not oriented, "method", "winding, for points with normals"
        )
        self._check(1 <= self.sharp_angle <= 179, "sharp_angle", "1 to 179")
        truncates = 0.02 <= self.truncation <= 2
        self._check(truncates or self.truncation == 0, "truncation", "0, or 0.02 to 2")

    def _check(self, holds: bool, name: str, takes: str) -> None:
        if not holds:
            raise ConfigError(f"{name}: got {getattr(self, name)}, takes {takes}")

    @property
    def format_version(self) -> int:
        """Version of the shard format that these settings need: 2 if they existed then, else 3."""
        return 3 if self._since_format_3() else 2

    def _since_format_3(self) -> set[str]:
        """Settings that differ from what format 2 stores."""
        return {name for name, value in _FORMAT_2_VALUES.items() if getattr(self, name) != value}

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON has them.

        Settings of format 3 are left out where format 2 suffices, and `cloud` is added, so that
        the shards of old settings keep their bytes and older versions can read them. So is `signs`
        where it is `depth`, as it always was.
        """
        values = to_plain(self)
        if self.signs == "depth":
            del values["signs"]
        if self._since_format_3():
            return values
        old = {k: v for k, v in values.items() if k not in _FORMAT_2_VALUES}
        return old | {"cloud": False}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "PreprocessConfig":
        """Build the settings from what `to_dict` gives, in this version or an older one.

        Raises:
            ConfigError: a setting is unknown, has the wrong type or cannot be used.
        """
        # Datasets from before these settings have true fields, and no truncated voxels.
        known = {"thin_parts": "true"} | values
        if "cloud" in known:
            known["truncation"] = 0.0
            if known.pop("cloud"):
                known |= {"mixes": ["deepsdf"], "mix_points": known.get("points", cls.points)}
        return from_plain(ImportConfig if "imported" in known else cls, known, ConfigError)

    def difference(self, other: "PreprocessConfig") -> list[str]:
        """List the settings in which `other` differs, one line each: `name: mine -> theirs`."""
        return differences(self, other)


@dataclass(frozen=True)
class ImportConfig(PreprocessConfig):
    """Settings of a dataset that `shapegan import` made; those of signs and sheets do not count.

    Such a dataset may have no voxels, and any point sets.
    """

    imported: str = ""
    """Format that was read: one of `shapegan.pipeline.exchange.kinds.IMPORTS`."""
    sets: tuple[str, ...] = ()
    """Point sets, each of `points` points."""

    def __post_init__(self) -> None:
        """Check all settings.

        Raises:
            ConfigError: one line that names the setting and the values it takes.
        """
        from shapegan.pipeline.schema import POINT_SETS  # numpy, which `--help` does without

        super().__post_init__()
        known = set(self.sets) <= set(POINT_SETS)
        self._check(known, "sets", f"some of {', '.join(POINT_SETS)}")
        self._check(bool(self.sets) == bool(self.points), "points", "0 without sets, or more")
        self._check(bool(self.sets or self.resolutions), "sets", "at least one, without voxels")


@dataclass(frozen=True)
class WatertightConfig:
    """Settings that decide the bytes of watertight meshes."""

    resolution: int = 256
    """Cells of the grid along the longest side of a mesh."""
    format: str = "obj"
    """One of `MESH_FORMATS`."""
    contouring: str = "cubes"
    """One of `CONTOURINGS`."""
    sheet_thickness: float | None = None
    """Half the thickness given to bare sheets, cube frame; thin parts get as much, or up to the
    diagonal of a cell. With 0, sheets are left out. None is `least_half_thickness`."""
    cavities: str = "keep"
    """One of `CAVITIES`, see `PreprocessConfig.cavities`."""

    def __post_init__(self) -> None:
        """Check all settings.

        Raises:
            ConfigError: one line that names the setting and the values it takes.
        """
        self._check(8 <= self.resolution <= 2048, "resolution", "8 to 2048")
        self._check(self.format in MESH_FORMATS, "format", " or ".join(MESH_FORMATS))
        self._check(self.contouring in CONTOURINGS, "contouring", " or ".join(CONTOURINGS))
        self._check(0 <= self.half_thickness <= 0.2, "sheet_thickness", "0 to 0.2")
        self._check(self.cavities in CAVITIES, "cavities", " or ".join(CAVITIES))

    def _check(self, holds: bool, name: str, takes: str) -> None:
        if not holds:
            raise ConfigError(f"{name}: got {getattr(self, name)}, takes {takes}")

    @property
    def half_thickness(self) -> float:
        """Half the thickness of sheets, cube frame."""
        if self.sheet_thickness is None:
            return least_half_thickness(self.resolution)
        return self.sheet_thickness

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON has them."""
        return to_plain(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "WatertightConfig":
        """Build the settings from what `to_dict` gives.

        Raises:
            ConfigError: a setting is unknown, has the wrong type or cannot be used.
        """
        return from_plain(cls, values, ConfigError)

    def difference(self, other: "WatertightConfig") -> list[str]:
        """List the settings in which `other` differs, one line each: `name: mine -> theirs`."""
        return differences(self, other)
