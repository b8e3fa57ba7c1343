"""Exact solid of a sample: a union of analytic primitives, and its file format."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shapegan.pipeline.files import read_text
from shapegan.pipeline.meshes.triangle_mesh import TriangleMesh
from shapegan.pipeline.samples.defects import join
from shapegan.pipeline.samples.primitives import Array, Pose, Primitive, Prism, Rod, Turned
from shapegan.pipeline.samples.tessellate import tessellate

FORMAT = 1
_FAMILIES: dict[str, type[Prism] | type[Turned] | type[Rod]] = {
    "prism": Prism,
    "turned": Turned,
    "rod": Rod,
}


class SolidError(ValueError):
    """A file that does not hold a solid; the message is one line."""


@dataclass(frozen=True)
class Solid:
    """Primitives in design units, and the similarity that maps them to the mesh's coordinates."""

    primitives: tuple[Primitive, ...]
    """Primitives that enclose volume; they may overlap, and the solid is their union."""
    sheets: tuple[Primitive, ...] = ()
    """Bare sheets: part of the mesh, without an inside."""
    center: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Origin of the mesh's coordinates, in design units."""
    scale: float = 1.0
    """Mesh units per design unit."""

    def signed_distance(self, points: Array) -> Array:
        """Signed distances to the union, without the sheets.

        The sign is exact, and so is the distance outside. Inside, it is the greatest depth in any
        one primitive; where primitives overlap, the depth in the union may be greater.

        Args:
            points: (N, 3), mesh coordinates.

        Returns:
            (N,), negative inside.
        """
        return self._nearest(self.primitives, points)

    def sheet_distance(self, points: Array) -> Array:
        """Distances (N,) from points (N, 3) to the nearest sheet, infinite if there is none."""
        return self._nearest(self.sheets, points)

    def _nearest(self, primitives: tuple[Primitive, ...], points: Array) -> Array:
        design = points / self.scale + np.array(self.center)
        nearest = np.full(len(points), np.inf)
        for primitive in primitives:
            # A primitive is not nearer than its bounding ball.
            center = primitive.pose.origin
            ball = np.linalg.norm(design - center, axis=1) - primitive.bounding_radius
            near = ball < nearest
            nearest[near] = np.minimum(nearest[near], primitive.distance(design[near]))
        return nearest * self.scale

    def mesh(self, tolerance: float) -> TriangleMesh:
        """Mesh with one component per primitive, then one per sheet, in mesh coordinates.

        Args:
            tolerance: maximal distance of the mesh from the solid, in design units.
        """
        parts = [tessellate(p, tolerance) for p in (*self.primitives, *self.sheets)]
        mesh = join(parts)
        return TriangleMesh((mesh.vertices - np.array(self.center)) * self.scale, mesh.faces)

    def to_json(self) -> str:
        """Content of the file that `load_solid` reads."""
        values = {
            "format": FORMAT,
            "center": list(self.center),
            "scale": self.scale,
            "primitives": [_to_dict(p) for p in self.primitives],
            "sheets": [_to_dict(p) for p in self.sheets],
        }
        return json.dumps(values, indent=1) + "\n"


def load_solid(path: Path) -> Solid:
    """Read the file `solid.json` beside a sample.

    Raises:
        SolidError: the file cannot be read, or does not hold a solid.
    """
    try:
        values = json.loads(read_text(path))
        if values["format"] != FORMAT:
            raise ValueError(f"format {values['format']}, expected {FORMAT}")
        x, y, z = values["center"]
        return Solid(
            tuple(_from_dict(p) for p in values["primitives"]),
            tuple(_from_dict(p) for p in values["sheets"]),
            (x, y, z),
            values["scale"],
        )
    except (OSError, LookupError, TypeError, ValueError) as error:
        raise SolidError(f"{path} holds no solid: {type(error).__name__}: {error}") from error


def _to_dict(primitive: Primitive) -> dict[str, Any]:
    family = next(name for name, kind in _FAMILIES.items() if isinstance(primitive, kind))
    values = asdict(primitive) | asdict(primitive.pose)
    del values["pose"]
    return {"family": family} | {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in values.items()
    }


def _from_dict(values: dict[str, Any]) -> Primitive:
    fields: dict[str, Any] = {
        name: np.array(value, np.float64) if isinstance(value, list) else value
        for name, value in values.items()
    }
    family, rotation, origin = (fields.pop(name) for name in ("family", "rotation", "origin"))
    return _FAMILIES[family](Pose(rotation, origin), **fields)
