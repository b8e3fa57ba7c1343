"""The truth behind a sample: a union of analytic primitives, and its file."""

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
    """A file that holds no solid; the message is one line."""


@dataclass(frozen=True)
class Solid:
    """Primitives in units of their own, and the similarity that takes them to the mesh's."""

    primitives: tuple[Primitive, ...]
    """What encloses volume; they overlap, and the solid is their union."""
    sheets: tuple[Primitive, ...] = ()
    """Bare sheets: part of the mesh, with no inside."""
    center: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """The point of the primitives' units that is the mesh's origin."""
    scale: float = 1.0
    """Mesh units to one unit of the primitives."""

    def signed_distance(self, points: Array) -> Array:
        """Signed distances to the union, sheets left out.

        The sign is exact, and so is the distance outside. Inside, it is the depth in whichever
        primitive the point is deepest in; where primitives overlap, the union's may be more.

        Args:
            points: (N, 3), the mesh's coordinates.

        Returns:
            (N,), negative inside.
        """
        return self._nearest(self.primitives, points)

    def sheet_distance(self, points: Array) -> Array:
        """Distances (N,) to the nearest sheet, infinite without any; `points` as above."""
        return self._nearest(self.sheets, points)

    def _nearest(self, primitives: tuple[Primitive, ...], points: Array) -> Array:
        own = points / self.scale + np.array(self.center)
        nearest = np.full(len(points), np.inf)
        for primitive in primitives:
            # No primitive is nearer than the ball that holds it.
            ball = np.linalg.norm(own - primitive.pose.origin, axis=1) - primitive.bounding_radius
            near = ball < nearest
            nearest[near] = np.minimum(nearest[near], primitive.distance(own[near]))
        return nearest * self.scale

    def mesh(self, tolerance: float) -> TriangleMesh:
        """A component for each primitive, then for each sheet, in the mesh's coordinates.

        Args:
            tolerance: how far the mesh may be from the solid, in the primitives' units.
        """
        parts = [tessellate(p, tolerance) for p in (*self.primitives, *self.sheets)]
        mesh = join(parts)
        return TriangleMesh((mesh.vertices - np.array(self.center)) * self.scale, mesh.faces)

    def to_json(self) -> str:
        """The file that `load_solid` reads."""
        values = {
            "format": FORMAT,
            "center": list(self.center),
            "scale": self.scale,
            "primitives": [_to_dict(p) for p in self.primitives],
            "sheets": [_to_dict(p) for p in self.sheets],
        }
        return json.dumps(values, indent=1) + "\n"


def load_solid(path: Path) -> Solid:
    """Reads the `solid.json` beside a sample.

    Raises:
        SolidError: if it is none.
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
