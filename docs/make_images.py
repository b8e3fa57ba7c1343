"""Draw the pictures of guides and datasets/README.md again, from demo meshes: two minutes.

python docs/make_images.py [NAME...]
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import trimesh
import warp as wp
from drawing import (
    Group,
    Picture,
    compress,
    draw,
    draw_field,
    draw_winding,
    plane_points,
    save,
    square,
)
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console

from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.dataset.selection import Choice
from shapegan.pipeline.inputs.discover import discover
from shapegan.pipeline.isosurface import extract_surface
from shapegan.pipeline.mesh_sdf import MeshSDF
from shapegan.pipeline.meshes.clean import clean
from shapegan.pipeline.meshes.triangle_mesh import TriangleMesh, frame_of
from shapegan.pipeline.pictures.camera import Camera
from shapegan.pipeline.pictures.contact_sheet import ContactSheetSettings, write_contact_sheet
from shapegan.pipeline.pictures.shading import CLAY, Color
from shapegan.pipeline.queries.winding import WindingField
from shapegan.pipeline.run.plan import RunSettings
from shapegan.pipeline.run.preprocess import preprocess
from shapegan.pipeline.run.progress import RunProgress
from shapegan.pipeline.samples.defects import delete_area, flip_faces, polygon_soup
from shapegan.pipeline.samples.sample import make_sample, write_samples
from shapegan.pipeline.schema import grid_points
from shapegan.pipeline.sdf.caps import find_caps
from shapegan.pipeline.sdf.flood_fill import FloodedDistance
from shapegan.pipeline.sdf.mesh_field import make_field
from shapegan.pipeline.sdf.sampling import SignedDistanceField
from shapegan.pipeline.sdf.shell_queries import ShellQueries
from shapegan.pipeline.sdf.signed_distance import SignedDistance
from shapegan.pipeline.shell.build import Shell, build_shell
from shapegan.pipeline.shell.wall_thickness import local_thickness, thicken_thin_parts

IMAGES = Path(__file__).parent / "images"
THICKNESS = PreprocessConfig().sheet_thickness

BLUE: Color = (0.47, 0.63, 0.82)
RED: Color = (0.82, 0.30, 0.24)
YELLOW: Color = (0.93, 0.76, 0.28)
VIOLET: Color = (0.58, 0.44, 0.74)


def in_cube(mesh: TriangleMesh) -> TriangleMesh:
    """A mesh in the cube frame."""
    frame = frame_of(mesh.vertices)
    return TriangleMesh((mesh.vertices - frame.center) / frame.scale_cube, mesh.faces)


def view(mesh: TriangleMesh, azimuth: float = 215.0) -> Camera:
    """Camera that sees the whole mesh."""
    return Camera(azimuth=azimuth).fitted(mesh.vertices)


def reconstruct(voxels: NDArray[np.floating], camera: Camera) -> Picture:
    """Surface of a voxel grid at level 0."""
    return draw([Group(*extract_surface(voxels), BLUE)], camera)


# --- datasets/README.md ----------------------------------------------------------------------


def dataset() -> None:
    """Four demo meshes as `shapegan inspect --picture` draws them."""
    ids = (
        "03001627/chair-0003",
        "04256520/sofa-0003",
        "02691156/airplane-0001",
        "04379243/table-0001",
    )
    with tempfile.TemporaryDirectory() as folder:
        meshes, out, file = (Path(folder) / name for name in ("meshes", "samples", "dataset.png"))
        list(write_samples(("chairs", "tables", "sofas", "planes"), 4, 0, meshes))
        config = PreprocessConfig(points=0)
        jobs = [job for job in discover(meshes, (), None, ()).jobs if job.id in ids]
        with RunProgress(len(jobs), Console(stderr=True)) as meter:
            preprocess(meshes, jobs, config, out, RunSettings(workers=0), meter)
        write_contact_sheet(
            file, Dataset(out), Choice(ids=ids), None, ContactSheetSettings(panel=240)
        )
        compress(Image.open(file).convert("RGB"), IMAGES / "dataset.png")


# --- method.md -------------------------------------------------------------------------------


def groups_of(mesh: TriangleMesh, shell: Shell) -> list[Group]:
    """Faces of a clean mesh: outer, inner, dropped, and sheets."""
    solid = shell.solid[: len(shell.solid) - shell.filled]
    kept = {tuple(row) for row in np.sort(np.concatenate([solid, shell.sheets]), axis=1)}
    lost = np.array([tuple(row) not in kept for row in np.sort(mesh.faces, axis=1)], bool)
    vertices = shell.vertices.astype(np.float64)
    return [
        Group(vertices, shell.pieces[shell.exterior], CLAY),
        Group(vertices, shell.pieces[~shell.exterior], BLUE),
        Group(mesh.vertices, mesh.faces[lost], RED),
        Group(vertices, shell.sheets, YELLOW),
    ]


def shell() -> None:
    """A sofa as it comes, its shell, and both cut open."""
    sample = make_sample("sofas", 0, 2)
    original, mesh = in_cube(sample.mesh), in_cube(clean(sample.mesh))
    camera = view(mesh, 235.0)
    found = build_shell(mesh.vertices, mesh.faces)
    groups = groups_of(mesh, found)
    rows = [
        [
            ("as it comes; backs of faces are red", _wound(original, camera)),
            ("patches turned outwards", draw(groups[:1] + groups[3:], camera, VIOLET)),
            ("cut open: what became of faces", draw([g.cut(-0.2) for g in groups], camera)),
        ]
    ]
    save(IMAGES / "shell.png", rows)


def _wound(mesh: TriangleMesh, camera: Camera) -> Picture:
    return draw([Group(mesh.vertices, mesh.faces, CLAY)], camera, RED)


def field_of(shell: Shell, thickness: float = THICKNESS) -> SignedDistance:
    """The signed distance field of a shell, without caps."""
    return SignedDistance(ShellQueries.of(shell), thickness)


def with_caps(field: SignedDistance) -> SignedDistance:
    """The field with caps over the openings that a grid of 64^3 shows."""
    queried, shape = field.queries.query(grid_points(64)), (64,) * 3
    voxels = field.evaluate(queried)[0].reshape(shape)
    caps = find_caps(voxels, queried.winding_numbers().reshape(shape))
    return SignedDistance(field.queries.with_caps(caps), field.sheet_thickness)


def winding() -> None:
    """Winding numbers of the sofa as it comes and of its shell, and the field that follows."""
    sample = make_sample("sofas", 0, 2)
    original, mesh = in_cube(sample.mesh), in_cube(clean(sample.mesh))
    found = build_shell(mesh.vertices, mesh.faces)
    points = plane_points(-0.2)
    before = WindingField(original.vertices.astype(np.float32), original.faces)
    after = found.winding.numbers(points, exact=True)
    field = with_caps(field_of(found))
    row = [
        ("winding numbers as it comes", draw_winding(square(before.numbers(points, exact=True)))),
        ("of the shell", draw_winding(square(after))),
        ("signed distances", _distances(field, points)),
    ]
    save(IMAGES / "winding.png", [row])


def sheets() -> None:
    """A plane whose propeller is a bare sheet: without thickness, and with the usual one."""
    sample = make_sample("planes", 0, 3)
    mesh = in_cube(clean(sample.mesh))
    camera, found = view(mesh), build_shell(mesh.vertices, mesh.faces)
    row = [("yellow: bare sheets", draw(groups_of(mesh, found)[::3], camera))]
    for thickness, caption in ((0.0, "64^3 without them"), (THICKNESS, "64^3 with a thickness")):
        voxels = with_caps(field_of(found, thickness)).voxels(64)
        row.append((caption, reconstruct(voxels, camera)))
    save(IMAGES / "sheets.png", [row])


def thin() -> None:
    """A shelf of boards thinner than a third of a voxel, before and after thickening."""
    boards = [((2.0, 0.009, 0.7), (0, y, 0)) for y in (-0.7, -0.2, 0.3, 0.8)]
    boards += [((0.009, 1.6, 0.7), (x, 0.0, 0)) for x in (-1.0, 0.1, 1.0)]
    parts = [trimesh.creation.box(size, trimesh.transformations.translation_matrix(at))
             for size, at in boards]  # fmt: skip
    made = trimesh.util.concatenate(parts)
    mesh = in_cube(clean(TriangleMesh(made.vertices, made.faces.astype(np.int32))))
    camera, found = view(mesh), build_shell(mesh.vertices, mesh.faces)
    field = field_of(found)
    grown = thicken_thin_parts(found, local_thickness(found), THICKNESS)
    thickened = SignedDistance(field.queries, THICKNESS, grown)
    row = [
        ("boards of 0.009", draw([Group(mesh.vertices, mesh.faces, CLAY)], camera)),
        ("64^3 as they are", reconstruct(field.voxels(64), camera)),
        ("64^3, thickened", reconstruct(thickened.voxels(64), camera)),
    ]
    save(IMAGES / "thin.png", [row])


def caps() -> None:
    """A dome of four loose pieces without a bottom: no rim says where the inside ends."""
    ball = trimesh.creation.icosphere(4)
    x, y, z = ball.triangles_center.T
    from_seam = np.abs((np.arctan2(z, x) + np.pi / 4) % (np.pi / 2) - np.pi / 4)
    faces = ball.faces[(y > -0.35) & (from_seam > 0.06)].astype(np.int32)
    mesh = in_cube(clean(TriangleMesh(ball.vertices, faces)))
    found = build_shell(mesh.vertices, mesh.faces)
    field, points = field_of(found), plane_points(0.3)
    row = [
        ("four pieces", draw([Group(mesh.vertices, mesh.faces, CLAY)], view(mesh, 235.0))),
        ("winding numbers", draw_winding(square(found.winding.numbers(points, exact=True)))),
        ("without a cap", _distances(field, points)),
    ]
    row.append(("with a cap", _distances(with_caps(field), points)))
    save(IMAGES / "caps.png", [row])


def _distances(field: SignedDistanceField, points: NDArray[np.float32]) -> Picture:
    return draw_field(square(field.signed_distances(points)[0]))


def flood() -> None:
    """An armchair as a soup with holes: by winding numbers, and by flooding."""
    rng = np.random.default_rng(1)
    whole = make_sample("sofas", 0, 2).intact
    mesh = in_cube(clean(flip_faces(polygon_soup(delete_area(whole, rng, 0.3)), rng)))
    camera, found = view(mesh, 235.0), build_shell(mesh.vertices, mesh.faces)
    fields = {
        "by winding numbers": field_of(found),
        "by flooding": FloodedDistance(mesh.vertices, mesh.faces, THICKNESS),
    }
    row = [("30 % of its area deleted", _wound(mesh, camera))]
    row += [(caption, reconstruct(field.voxels(64), camera)) for caption, field in fields.items()]
    row.append(
        ("a slice of the flooded field", _distances(fields["by flooding"], plane_points(0.0)))
    )
    save(IMAGES / "flood.png", [row])


def resolutions() -> None:
    """A chair with thin rods on grids of each size: of the true field, and as stored."""
    mesh = in_cube(clean(make_sample("chairs", 0, 5).mesh))
    camera, found = view(mesh), build_shell(mesh.vertices, mesh.faces)
    field, made = field_of(found), make_field(mesh, THICKNESS)
    true = [("mesh", draw([Group(mesh.vertices, mesh.faces, CLAY)], camera))]
    stored = [("", np.full_like(true[0][1], 255))]
    for resolution in (64, 32, 16, 8):
        true.append((f"{resolution}^3", reconstruct(field.voxels(resolution), camera)))
        picture = reconstruct(made.voxels(resolution, made.coarse_fields()), camera)
        stored.append((f"{resolution}^3, as stored", picture))
    save(IMAGES / "resolutions.png", [true, stored])


def watertight() -> None:
    """A sofa as it comes and its watertight surface, both cut open, by both contourings."""
    sample = make_sample("sofas", 0, 2)
    original, camera = in_cube(sample.mesh), view(in_cube(sample.mesh), 235.0)
    row = [("as it comes, cut open", _cut_open(original, camera))]
    field = MeshSDF(original)
    for name, contouring in (("marching cubes", "cubes"), ("dual contouring", "dual")):
        made = field.surface(40, contouring=contouring, sheet_thickness=1.1 / 40)  # type: ignore[arg-type]
        picture = draw([Group(made.vertices, made.faces, CLAY)], camera, RED)
        row.append((f"{name}, 40 cells", picture))
        if contouring == "cubes":
            row.insert(1, ("watertight, cut open", _cut_open(field.surface(128), camera)))
    save(IMAGES / "watertight.png", [row])


def _cut_open(mesh: TriangleMesh, camera: Camera) -> Picture:
    return draw([Group(mesh.vertices, mesh.faces, CLAY).cut(-0.2)], camera, RED)


PICTURES: dict[str, Callable[[], None]] = {
    "dataset": dataset,
    "shell": shell,
    "winding": winding,
    "sheets": sheets,
    "thin": thin,
    "caps": caps,
    "flood": flood,
    "resolutions": resolutions,
    "watertight": watertight,
}


def main() -> None:
    """Draw the pictures named, or all."""
    wp.config.log_level = wp.LOG_WARNING
    for name in sys.argv[1:] or PICTURES:
        print(name)
        PICTURES[name]()


if __name__ == "__main__":
    main()
