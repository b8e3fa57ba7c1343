"""Make the paper's full training set of one mesh by one method: `single.py METHOD MESH OUT`.

The set is voxels of 8, 16, 32 and 64, 262,144 points in the ball and 262,144 near the surface. The
cost is written to OUT/cost.json. `preprocessing_cost.py` runs this script.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RESOLUTIONS = (8, 16, 32, 64)
POINTS = 64**3
SURFACE_NOISE = 0.0025

VOXELS = "finest.npy"
"""The finest voxels, from which errors are measured; written after the clock has stopped."""


@dataclass(frozen=True)
class Cost:
    """Cost of a mesh, imports excluded."""

    status: str
    """`ok`, or the reason why the method itself rejects the mesh."""
    faces: int
    cpu: float
    """Seconds, user and system, of this process."""
    wall: float
    bytes: int
    """On disk."""
    peak: int
    """Largest resident memory in bytes, imports included."""


def import_ours() -> None:
    """Import the modules of `ours`, as a worker does."""
    from shapegan.pipeline.run.dataset_tasks import TARGET
    from shapegan.pipeline.run.tasks import warm_up

    warm_up(TARGET)


def ours(path: Path, out: Path) -> tuple[str, int, NDArray[np.floating]]:
    """Shapegan with its default configuration, written as a shard of one."""
    from shapegan.pipeline.config import PreprocessConfig
    from shapegan.pipeline.dataset.shards import write_shard
    from shapegan.pipeline.run.process_mesh import process
    from shapegan.pipeline.schema import Job

    config = PreprocessConfig(resolutions=RESOLUTIONS, points=POINTS)
    outcome = process(Job("mesh", "", path, path.name), config)
    report = outcome.report
    if outcome.shape is None:
        return f"{report.status}: {report.reason}", report.faces or 0, np.empty((0, 0, 0))
    write_shard(out / "00000.h5", [outcome.shape], config)
    return report.status, report.faces or 0, outcome.shape.voxels[max(RESOLUTIONS)]


def import_mesh_to_sdf() -> None:
    """Import the modules of `mesh_to_sdf`."""
    os.environ.setdefault("PYOPENGL_PLATFORM", "egl")
    import mesh_to_sdf  # noqa: F401


def mesh_to_sdf(path: Path, out: Path) -> tuple[str, int, NDArray[np.floating]]:
    """The paper's preparation: one .npy for each resolution and point set, float32.

    A mesh that fails the paper's checks is completed all the same, so that all meshes are compared
    by equal work.
    """
    import mesh_to_sdf as library
    import trimesh
    from mesh_to_sdf.utils import sample_uniform_points_in_unit_sphere

    mesh = trimesh.load(path, force="mesh")
    status = "ok"
    cloud = _scan(library.scale_to_unit_cube(mesh), 3**0.5)
    for resolution in RESOLUTIONS:
        voxels = cloud.get_voxels(resolution, use_depth_buffer=True)
        np.save(out / f"voxels_{resolution}.npy", voxels)
        if not library.check_voxels(voxels):
            status = f"rejected: {resolution}^3 jumps"
    cloud = _scan(library.scale_to_unit_sphere(mesh), 1)
    uniform = sample_uniform_points_in_unit_sphere(POINTS)
    _, nearest = cloud.kd_tree.query(uniform)
    noise = np.random.default_rng(0).normal(0, SURFACE_NOISE, uniform.shape)
    surface = cloud.points[nearest[:, 0]] + noise
    for name, points in (("uniform", uniform), ("surface", surface)):
        sdf = cloud.get_sdf_in_batches(points, use_depth_buffer=True)
        np.save(out / f"{name}.npy", np.column_stack([points, sdf]).astype(np.float32))
        if name == "uniform" and (sdf < 0).mean() < 0.01:
            status = "rejected: too little inside"
    return status, len(mesh.faces), voxels


def _scan(mesh: object, radius: float) -> object:
    from mesh_to_sdf import get_surface_point_cloud

    return get_surface_point_cloud(
        mesh,
        bounding_radius=radius,
        scan_count=50,
        scan_resolution=1024,
        calculate_normals=False,
    )


Make = Callable[[Path, Path], tuple[str, int, NDArray[np.floating]]]
METHODS: dict[str, tuple[Callable[[], None], Make]] = {
    "ours": (import_ours, ours),
    "mesh-to-sdf": (import_mesh_to_sdf, mesh_to_sdf),
}
"""Name -> a function that imports modules, and one that returns status, faces, finest voxels."""


def cpu_seconds() -> float:
    """User and system time of this process and of its ended children."""
    who = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    return sum(usage.ru_utime + usage.ru_stime for usage in map(resource.getrusage, who))


def peak_bytes() -> int:
    """Largest resident memory of this process, without the process that it was forked from."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def measure(method: str, path: Path, out: Path) -> Cost:
    """Do the work and return its cost."""
    prepare, make = METHODS[method]
    prepare()
    cpu, wall = cpu_seconds(), time.perf_counter()
    status, faces, voxels = make(path, out)
    cpu, wall = cpu_seconds() - cpu, time.perf_counter() - wall
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    cost = Cost(status, faces, cpu, wall, size, peak_bytes())
    np.save(out / VOXELS, voxels)
    return cost


if __name__ == "__main__":
    cost = measure(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
    (Path(sys.argv[3]) / "cost.json").write_text(json.dumps(asdict(cost)))
