"""Real meshes: Debian's furniture and aircraft in ShapeNet's axes.

As a script, writes those of a kind to a folder.

In all of them y is up. Sweet Home 3D's models face +z after the rotation in their catalogue,
FlightGear's face -x, ShapeNet's face -z.
"""

import itertools
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
from catalogue import FURNITURE, pieces
from numpy.typing import NDArray

from shapegan.pipeline.meshes.load import load
from shapegan.pipeline.meshes.triangle_mesh import TriangleMesh

AIRCRAFT = Path("/usr/share/games/flightgear/AI/Aircraft")

NAMES = {
    "chairs": r"(?<!wheel)chair(?! ottoman)|stool|seat$",
    "sofas": r"^(?!opened).*(sofa|couch)",
}
"""Regular expressions for names in the catalogues."""
NO_AIRCRAFT = re.compile(
    r"light|cone|bomb|tank|probe|refuel|wheel|ferry|balloon|alloon|SSME|OMS|exhaust|BNI|CCX|stand"
    r"|bluebird|vulcan",
    re.IGNORECASE,
)
"""Files that hold parts, ships, trains, balloons, a car, or an aircraft with a ball beside it."""
MIN_BYTES = 5_000
"""Smaller files hold parts, such as lamps."""

TO_SHAPENET = {
    "furniture": np.diag([-1.0, 1.0, -1.0]),
    "aircraft": np.array([[0, 0, -1], [0, 1, 0], [1, 0, 0.0]]),
}
"""Rotations to ShapeNet's axes, each about y."""


def write_kind(kind: str, folder: Path) -> None:
    """Write all chairs, sofas or airplanes to a folder."""
    if kind == "airplanes":
        write_aircraft(folder)
    else:
        write_furniture(kind, folder)


def write_furniture(kind: str, folder: Path) -> None:
    """Write each chair or sofa of the archives as an .obj file."""
    for archive in sorted(FURNITURE.glob("*.sh3f")):
        found = pieces(archive, NAMES[kind])
        with zipfile.ZipFile(archive) as file:
            for piece in found:
                raw = folder / f"{archive.stem}-{Path(piece.path).name}"
                raw.write_bytes(file.read(piece.path))
                mesh, rotation = load(raw), TO_SHAPENET["furniture"] @ piece.rotation
                write_obj(raw, mesh.vertices @ rotation.T, mesh.faces)


def write_aircraft(folder: Path) -> None:
    """Write each aircraft as an .obj file; of equal ones, such as liveries of a model, only one."""
    seen: set[tuple[int, int, float]] = set()
    for path in sorted(AIRCRAFT.rglob("*.ac")):
        if path.stat().st_size < MIN_BYTES or NO_AIRCRAFT.search(str(path.relative_to(AIRCRAFT))):
            continue
        mesh = read_ac3d(path)
        if len(mesh.faces) == 0:
            continue
        fingerprint = (
            len(mesh.vertices),
            len(mesh.faces),
            round(float(np.abs(mesh.vertices).sum()), 1),
        )
        if fingerprint in seen:
            continue
        seen.add(fingerprint)
        name = f"{path.relative_to(AIRCRAFT).parts[0]}-{path.stem}.obj"
        write_obj(folder / name, mesh.vertices @ TO_SHAPENET["aircraft"].T, mesh.faces)


def write_obj(path: Path, vertices: NDArray[np.floating], faces: NDArray[np.integer]) -> None:
    """Write triangles to a Wavefront file."""
    lines = [f"v {x:.6g} {y:.6g} {z:.6g}" for x, y, z in vertices.tolist()]
    lines += [f"f {a} {b} {c}" for a, b, c in (faces + 1).tolist()]
    path.write_text("\n".join(lines) + "\n", encoding="ascii")


def read_ac3d(path: Path) -> TriangleMesh:
    """Read the polygons of an AC3D file as triangles, with each object at its place.

    Lines (surfaces of type 1 and 2) are left out.
    """
    lines = iter(path.read_text(encoding="latin-1").splitlines())
    next(lines)
    vertices: list[NDArray[np.float64]] = []
    faces: list[tuple[int, int, int]] = []
    _read_object(lines, np.eye(4), vertices, faces)
    joined = np.concatenate(vertices) if vertices else np.zeros((0, 3))
    return TriangleMesh(joined, np.array(faces, np.int32).reshape(-1, 3))


def _read_object(
    lines: Iterator[str],
    place: NDArray[np.float64],
    vertices: list[NDArray[np.float64]],
    faces: list[tuple[int, int, int]],
) -> None:
    """Read one object and its children."""
    own, first = np.eye(4), sum(len(some) for some in vertices)
    for line in lines:
        key, _, rest = line.strip().partition(" ")
        if key == "kids":
            for _ in range(int(rest)):
                _read_object(lines, place @ own, vertices, faces)
            return
        if key == "numvert":
            vertices.append(_points(lines, int(rest), place @ own))
        elif key == "SURF":
            faces += _surface(lines, int(rest, 16) & 0xF, first)
        else:
            _read_property(lines, key, rest, own)


def _read_property(lines: Iterator[str], key: str, rest: str, own: NDArray[np.float64]) -> None:
    """Read a property: rotation and location go to `own`, text is skipped."""
    if key == "rot":
        own[:3, :3] = np.array(rest.split(), float).reshape(3, 3).T
    elif key == "loc":
        own[:3, 3] = np.array(rest.split(), float)
    elif key == "data":
        skipped = next(lines)
        while len(skipped) < int(rest):
            skipped += "\n" + next(lines)


def _points(lines: Iterator[str], count: int, place: NDArray[np.float64]) -> NDArray[np.float64]:
    """Read vertices (count, 3) and transform them by `place` (4, 4)."""
    rows = [[float(word) for word in _filled(lines).split()[:3]] for _ in range(count)]
    points = np.array(rows, float).reshape(-1, 3)
    return np.asarray(points @ place[:3, :3].T + place[:3, 3])


def _surface(lines: Iterator[str], kind: int, first: int) -> Iterator[tuple[int, int, int]]:
    """Read one surface as a fan of triangles."""
    for line in lines:
        key, _, rest = line.strip().partition(" ")
        if key == "refs":
            corners = [first + int(_filled(lines).split()[0]) for _ in range(int(rest))]
            if kind == 0:
                yield from ((corners[0], b, c) for b, c in itertools.pairwise(corners[1:]))
            return


def _filled(lines: Iterator[str]) -> str:
    """Next line that is not blank."""
    return next(line for line in lines if line.strip())


@click.command(help=__doc__)
@click.argument("kind", type=click.Choice([*NAMES, "airplanes"]))
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True)
def main(kind: str, out: Path) -> None:
    """Write the meshes and print their number."""
    out.mkdir(parents=True, exist_ok=True)
    write_kind(kind, out)
    click.echo(f"{len(list(out.iterdir()))} meshes in {out}")


if __name__ == "__main__":
    main()
