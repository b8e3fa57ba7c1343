"""Files that can be read, and any bytes at all."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import trimesh
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from support.examples import examples
from support.folders import MESHES
from support.mesh_files import (
    BOX,
    CONTENTS,
    PLY,
    TRIANGLE,
    check,
    one_line,
    read,
    triangles,
    write,
)

from shapegan.pipeline.meshes.clean import clean
from shapegan.pipeline.meshes.from_object import triangles_of
from shapegan.pipeline.meshes.load import SUFFIXES, load
from shapegan.pipeline.meshes.triangle_mesh import BadMeshError, frame_of

# --- What can be read ---


@pytest.mark.parametrize("kind", CONTENTS)
@pytest.mark.parametrize("upper", [False, True])
def test_every_format_gives_the_same_mesh(kind, upper, tmp_path):
    suffix = kind.split()[0]
    mesh = read(tmp_path, CONTENTS[kind], "box" + (suffix.upper() if upper else suffix))
    assert triangles(mesh.vertices, mesh.faces) == triangles(BOX.vertices, BOX.faces)


def test_importing_does_not_import_trimesh():
    code = (
        "import sys, shapegan.pipeline.meshes.load;"
        "sys.exit(any(name in sys.modules for name in ('trimesh', 'scipy', 'warp', 'torch')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("kind", CONTENTS)
def test_a_path_may_be_a_string(kind, tmp_path):
    path = write(tmp_path, CONTENTS[kind], "box" + kind.split()[0])
    assert len(load(str(path)).faces) == 12


@pytest.mark.parametrize("kind", CONTENTS)
def test_every_format_is_read_without_trimesh(kind, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "trimesh", None)
    assert len(read(tmp_path, CONTENTS[kind], "box" + kind.split()[0]).faces) == 12


def test_an_obj_file_is_read_without_its_materials(tmp_path):
    (tmp_path / "evil.mtl").mkdir()
    assert len(read(tmp_path, "mtllib evil.mtl\nusemtl red\n" + TRIANGLE).faces) == 1


@pytest.mark.parametrize(
    ("name", "data", "note"),
    [
        ("a.stl", CONTENTS[".stl"] + bytes(9), "left out 9 bytes after the 12 triangles"),
        ("a.stl", CONTENTS[".stl ascii"].split(b"endsolid")[0], "the file may be cut off"),
        ("a.ply", CONTENTS[".ply ascii"].replace(b"\n3 ", b" 7\n3 "), "left out values of 12 rows"),
        ("a.obj", TRIANGLE, ""),
    ],
)
def test_a_mesh_has_notes_of_what_was_left_out(name, data, note, tmp_path):
    notes = read(tmp_path, data, name).notes
    assert len(notes) == bool(note)
    assert all(note in line for line in notes)


def test_vertices_no_face_uses_are_dropped(tmp_path):
    mesh = read(tmp_path, "v nan inf 1e300\nv 9 9 9\n" + TRIANGLE.replace("f 1 2 3", "f 5 3 4"))
    assert mesh.vertices.tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0]]
    assert mesh.faces.tolist() == [[2, 0, 1]]


@pytest.mark.parametrize("odd", ["nan", "inf", "-inf", "1e999", "-nan(ind)", "1.#QNAN"])
def test_faces_with_vertices_that_are_not_finite_are_dropped(odd, tmp_path):
    mesh = read(tmp_path, TRIANGLE + f"v 0 {odd} 1\nf 1 2 4\nf 4 3 2\n")
    assert mesh.faces.tolist() == [[0, 1, 2]]
    assert len(mesh.vertices) == 3


ODD = st.dictionaries(
    st.integers(0, len(BOX.vertices) - 1), st.sampled_from([np.nan, np.inf, -np.inf]), max_size=6
)


def contents(suffix, vertices, faces):
    """A file of a mesh whose vertices need not be finite, which trimesh does not write."""
    if suffix == ".stl":
        facets = np.zeros(len(faces), [("", "<f4", 3), ("corners", "<f4", (3, 3)), ("", "<u2")])
        facets["corners"] = vertices[faces]
        return bytes(80) + len(faces).to_bytes(4, "little") + facets.tobytes()
    if suffix == ".obj":
        return "".join(
            f"{letter} {a} {b} {c}\n"
            for letter, rows in (("v", vertices), ("f", faces + 1))
            for a, b, c in rows.tolist()
        )
    head = f"OFF\n{len(vertices)} {len(faces)} 0\n"
    if suffix == ".ply":
        head = PLY.format("ascii", len(vertices), len(faces))
    rows = [*vertices.tolist(), *([3, *face] for face in faces.tolist())]
    return head + "".join(" ".join(map(str, row)) + "\n" for row in rows)


@pytest.mark.parametrize("kind", ["object", ".obj", ".off", ".ply", ".stl"])
@given(odd=ODD)
@examples(40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_faces_with_vertices_that_are_not_finite_are_noted(kind, odd, tmp_path):
    vertices = BOX.vertices.copy()
    for row, value in odd.items():
        vertices[row, row % 3] = value
    faces = BOX.faces
    if kind == "object":
        mesh, read_mesh = SimpleNamespace(vertices=vertices, faces=faces), triangles_of
    else:
        mesh = write(tmp_path, contents(kind, vertices, faces), "mesh" + kind)
        read_mesh = load
    lost = int(np.isin(faces, list(odd)).any(axis=1).sum())
    if lost == len(faces):
        with pytest.raises(BadMeshError, match="every face has a vertex that is NaN or infinite"):
            read_mesh(mesh)
        return
    made = read_mesh(mesh)
    assert len(made.faces) == len(faces) - lost
    note = f"left out {lost} face{'s' * (lost != 1)} with NaN or infinite vertices"
    assert made.notes == ((note,) if lost else ())


def test_notes_of_the_format_come_before_that_on_vertices(tmp_path):
    text = "OFF\n4 2 0\n0 0 0\n1 0 0\n0 1 0\nnan 0 0\n3 0 1 2\n3 0 1 3\n3 0 1 2\n"
    assert read(tmp_path, text, "mesh.off").notes == (
        "left out 1 lines after those that the header declares",
        "left out 1 face with NaN or infinite vertices",
    )


def test_degenerate_and_repeated_faces_stay(tmp_path):
    assert len(read(tmp_path, TRIANGLE + "f 1 2 3\nf 1 1 2\nf 3 2 1\n").faces) == 4


def test_one_triangle_is_a_mesh(tmp_path):
    mesh = read(tmp_path, TRIANGLE)
    assert mesh.vertices.tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0]]
    cleaned = clean(mesh)
    assert len(cleaned.faces) == 1
    frame_of(cleaned.vertices)


@pytest.mark.parametrize("scale", [1e-17, 1e-6, 1.0, 1e6, 4e17])
def test_meshes_of_any_size_are_read(scale, tmp_path):
    text = "".join(f"v {x * scale} {y * scale} {z * scale}\n" for x, y, z in BOX.vertices)
    text += "".join(f"f {a + 1} {b + 1} {c + 1}\n" for a, b, c in BOX.faces)
    with np.errstate(all="raise"):
        mesh = read(tmp_path, text)
        cleaned = clean(mesh)
        frame = frame_of(cleaned.vertices)
    assert len(cleaned.faces) == 12
    assert frame.scale_cube == pytest.approx(1.5 * scale)


@pytest.mark.parametrize(
    "path", sorted(MESHES.glob("*/*/models/*.obj")), ids=lambda path: path.parts[-3]
)
def test_real_meshes_are_read_as_trimesh_reads_them(path):
    ours = load(path)
    check(ours)
    theirs = trimesh.load_mesh(path, process=False, skip_materials=True)
    mine, other = (set(triangles(mesh.vertices, mesh.faces)) for mesh in (ours, theirs))
    assert len(ours.faces) == len(theirs.faces)
    # Polygons that are not convex are cut differently, for a reason.
    assert len(mine ^ other) <= 0.3 * len(mine)
    assert ours.vertices.min(axis=0).tolist() == theirs.triangles.min(axis=(0, 1)).tolist()


# --- Anything at all ---


def loads_or_says_why(path):
    try:
        mesh = load(path)
        check(mesh)
        frame_of(clean(mesh).vertices)
    except BadMeshError as error:
        one_line(error)


FUZZ = examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(st.sampled_from(SUFFIXES), st.binary(max_size=300))
def test_noise(tmp_path, suffix, data):
    loads_or_says_why(write(tmp_path, data, "mesh" + suffix))


@st.composite
def spoilt_files(draw):
    """A good file with some bytes replaced, taken out or put in."""
    kind = draw(st.sampled_from(sorted(CONTENTS)))
    data = bytearray(CONTENTS[kind])
    token = st.sampled_from([b"-1", b"nan", b"1e400", b"99999999999", b"\n", b" ", b"/", b"\\\n"])
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(data)))
        length = draw(st.sampled_from([0, 0, 1, 1, 2, 4, 9, len(data)]))
        data[start : start + length] = draw(token | st.binary(max_size=4))
    return kind.split()[0], bytes(data)


@examples(300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spoilt_files())
def test_spoilt_files(tmp_path, spoilt):
    suffix, data = spoilt
    loads_or_says_why(write(tmp_path, data, "mesh" + suffix))
