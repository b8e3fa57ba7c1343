"""Point sets of the cube frame: the mixes of OccNet and 3DShape2VecSet, and points with normals.

- `occnet`: uniform in a cube whose sides are those of the mesh's bounding cube plus 10 %, as in
  Occupancy Networks (Mescheder et al. 2019) and its `sample_mesh.py`: 100,000 points.
- `vecset_volume`: uniform in [-1, 1]^3, and `vecset_near`: near the surface, 500,000 points each,
  as in 3DShape2VecSet (Zhang et al. 2023). The paper gives no noise. Ours has standard deviations
  of 0.005 and 0.05, half of the points each, as in the scripts of Hunyuan3D-2.1.
- `on_surface` and `salient`: see `shapegan.pipeline.sdf.surface_sets`.

Each set has a random generator of its own, so no set changes the points of another one. DeepSDF's
mix is in `shapegan.pipeline.sdf.sampling`.
"""

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline import schema
from shapegan.pipeline.meshes.triangle_mesh import BadMeshError
from shapegan.pipeline.schema import OrientedPoints, Points
from shapegan.pipeline.sdf.sampling import SignedDistanceField, evaluate_rounded, random_generator
from shapegan.pipeline.sdf.surface_sets import (
    OrientedField,
    Samples,
    salient_samples,
    surface_samples,
)

OCCNET_HALF_SIDE = 1.1
"""Half the side of OccNet's cube, cube frame: the bounding cube and its padding of 0.1."""

NEAR_SIGMAS = (0.005, 0.05)
"""Standard deviations of the noise of every second point of `vecset_near`, cube frame."""


def cube_sets(
    field: SignedDistanceField, counts: dict[str, int], seed: int, mesh_id: str
) -> dict[str, Points]:
    """Sample the point sets with distances in the cube frame.

    Args:
        field: the field of the shape, cube frame.
        counts: point set -> number of points; other sets are ignored.
        seed: of the dataset.
        mesh_id: id of the mesh.
    """
    found = {}
    for name in ("occnet", "vecset_volume", "vecset_near"):
        if counts.get(name):
            points = _positions(field, name, counts[name], random_generator(seed, mesh_id, name))
            found[name], _ = evaluate_rounded(field, points, schema.WIDE_BOUND)
    return found


def _positions(
    field: SignedDistanceField, name: str, count: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Positions (count, 3) of a set, in random order."""
    if name == "vecset_near":
        noise = rng.standard_normal((count, 3), dtype=np.float32)
        sigma = np.asarray(NEAR_SIGMAS, np.float32)[np.arange(count) % len(NEAR_SIGMAS)]
        return field.surface_points(count, rng) + sigma[:, None] * noise
    half_side = OCCNET_HALF_SIDE if name == "occnet" else 1.0
    return rng.uniform(-half_side, half_side, (count, 3)).astype(np.float32)


def oriented_sets(
    field: OrientedField, counts: dict[str, int], angle: float, seed: int, mesh_id: str
) -> dict[str, OrientedPoints]:
    """Sample the point sets with normals.

    Args:
        field: the field of the shape, cube frame.
        counts: point set -> number of points; other sets are ignored.
        angle: angle from which an edge is sharp, degrees.
        seed: of the dataset.
        mesh_id: id of the mesh.

    Raises:
        BadMeshError: hardly any face bounds the solid, so too few points on it were found.
    """
    found = {}
    if count := counts.get("on_surface"):
        rng = random_generator(seed, mesh_id, "on_surface")
        samples = surface_samples(field, count, rng)
        if len(samples[0]) < count:
            raise BadMeshError(f"lost surface: found {len(samples[0]):,} points on it of {count:,}")
        found["on_surface"] = _stored(samples, count)
    if count := counts.get("salient"):
        rng = random_generator(seed, mesh_id, "salient")
        found["salient"] = _stored(salient_samples(field, count, angle, rng), count)
    return found


def _stored(samples: Samples, count: int) -> OrientedPoints:
    """Samples as a shard stores them, in `count` rows."""
    points, normals = samples
    position, normal = np.zeros((count, 3), np.int16), np.zeros((count, 3), np.int16)
    position[: len(points)] = schema.encode_positions(points, schema.WIDE_BOUND)
    normal[: len(points)] = schema.encode_positions(normals)
    return OrientedPoints(position, normal, len(points))
