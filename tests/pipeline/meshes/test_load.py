import codecs
import gzip
import os
import stat
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from support.examples import examples
from support.folders import MESHES

from shapegan.pipeline.meshes.clean import clean
from shapegan.pipeline.meshes.load import SUFFIXES, load
from shapegan.pipeline.meshes.triangle_mesh import BadMeshError, TriangleMesh, frame_of

BOX = trimesh.creation.box((1, 2, 3))
TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"
PLY = (
    "ply\nformat {} 1.0\nelement vertex {}\nproperty float x\nproperty float y\n"
    "property float z\nelement face {}\nproperty list uchar int vertex_indices\nend_header\n"
)


def exported(suffix, mesh=BOX):
    data = mesh.export(file_type=suffix.removeprefix("."))
    if isinstance(data, dict):  # glTF: the buffers go into the file itself
        data = mesh.export(file_type="gltf", merge_buffers=True, embed_buffers=True)["model.gltf"]
    return data.encode() if isinstance(data, str) else data


CONTENTS = {suffix: exported(suffix) for suffix in SUFFIXES}
CONTENTS[".ply ascii"] = BOX.export(file_type="ply", encoding="ascii")
CONTENTS[".stl ascii"] = BOX.export(file_type="stl_ascii").encode()


def write(folder, data, name="mesh.obj"):
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def read(folder, data, name="mesh.obj"):
    """Loads what is written, with all that is promised."""
    mesh = load(write(folder, data, name))
    check(mesh)
    return mesh


def check(mesh):
    assert isinstance(mesh, TriangleMesh)
    assert mesh.vertices.dtype == np.float64
    assert mesh.faces.dtype == np.int32
    assert mesh.vertices.shape == (len(mesh.vertices), 3)
    assert mesh.faces.shape == (len(mesh.faces), 3)
    assert len(mesh.faces) > 0
    assert np.isfinite(mesh.vertices).all()
    np.testing.assert_array_equal(np.unique(mesh.faces), np.arange(len(mesh.vertices)))


def rejection_reason(folder, data, name="mesh.obj"):
    """The one line that is said of a file."""
    path = write(folder, data, name)
    with pytest.raises(BadMeshError) as error:
        load(path)
    return one_line(error.value)


def one_line(error):
    line = str(error)
    assert 0 < len(line) <= 160
    assert line.isprintable()
    return line


def triangles(vertices, faces):
    """Faces as a sorted list of corners, whatever the order of both."""
    corners = np.round(np.asarray(vertices, np.float64)[faces], 6) + 0.0
    return sorted(tuple(sorted(map(tuple, face))) for face in corners.tolist())


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


# --- What cannot ---

NOT_MESHES = {
    "nothing": b"",
    "blanks": b" \n\t\r\n ",
    "zeros": bytes(1000),
    "noise": np.random.default_rng(0).bytes(5000),
    "web page": b"<!DOCTYPE html><html><head><title>404</title></head></html>",
    "prose": b"This is not a mesh.\nIt has no vertices, and\nfaces neither.\n",
    "picture": b"\x89PNG\r\n\x1a\n" + bytes(200),
    "pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n",
    "list": b"[]",
    "object": b"{}",
    "deep list": b"[" * 100_000,
}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("what", NOT_MESHES)
def test_files_without_a_mesh_are_rejected(what, suffix, tmp_path):
    line = rejection_reason(tmp_path, NOT_MESHES[what], "mesh" + suffix)
    assert line == "empty file" if what in ("nothing", "blanks") else line != "empty file"


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("data", "words"),
    [
        (NOT_MESHES["pointer"], "git lfs pull"),
        (gzip.compress(TRIANGLE.encode()), "gzip: append .gz"),
        (b"PK\x03\x04" + bytes(100), "zip archive: unpack it"),
        (TRIANGLE.encode("utf-16"), "save it as UTF-8"),
        (codecs.BOM_UTF16_BE + TRIANGLE.encode("utf-16-be"), "save it as UTF-8"),
    ],
    ids=["pointer", "gzip", "zip", "utf-16", "utf-16 big endian"],
)
def test_files_often_found_in_place_of_meshes_get_advice(data, words, suffix, tmp_path):
    assert words in rejection_reason(tmp_path, data, "mesh" + suffix)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\n", "no faces"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2\nl 1 2 3\n", "no faces"),
        ("f 1 2 3\n", "no vertices"),
        (TRIANGLE + "f 1 2 4\n", "face 2 uses vertex 4; there are vertices 1 to 3"),
        (
            "v nan 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
            "every face has a vertex that is NaN or infinite",
        ),
        (
            "v 1 2 3\nv 1 2 3\nv 1 2 3\nf 1 2 3\n",
            "zero size: all vertices that faces use are in one place",
        ),
        ("v 1 2 3\nv 9 9 9\nf 1 1 1\n", "zero size: all vertices that faces use are in one place"),
        ("v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n", "all faces are degenerate: none has an area"),
        (
            "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 1\nf 3 3 1\n",
            "all faces are degenerate: none has an area",
        ),
        (
            "v 0 0 0\nv 1e30 0 0\nv 0 1 0\nf 1 2 3\n",
            "huge coordinates: 1e+30, expected at most 1e+18",
        ),
        (
            "v 0 0 0\nv -1e308 1e308 0\nv 0 1 1e308\nf 1 2 3\n",
            "huge coordinates: 1e+308, expected at most 1e+18",
        ),
        (
            "v 1e15 0 0\nv 1e15 1 0\nv 1e15 0 1\nf 1 2 3\n",
            "too far from the origin: 1e+15 away, but only 1 in size",
        ),
    ],
)
def test_messages_name_the_fault(data, message, tmp_path):
    assert rejection_reason(tmp_path, data) == message


def ply(vertices, faces, declared=None):
    """A binary PLY file, which may declare other numbers than it has."""
    header = PLY.format("binary_little_endian", *(declared or (len(vertices), len(faces))))
    rows = b"".join(struct.pack("<B3i", 3, *face) for face in faces)
    return header.encode() + np.array(vertices, "<f4").tobytes() + rows


CORNERS = [(0, 0, 0), (1, 0, 0), (0, 1, 0)]


def off(vertices, faces):
    rows = [" ".join(map(str, row)) for row in [*vertices, *((3, *face) for face in faces)]]
    return "\n".join([f"OFF\n{len(vertices)} {len(faces)} 0", *rows]) + "\n"


@pytest.mark.parametrize(("build", "suffix"), [(ply, ".ply"), (off, ".off")])
@pytest.mark.parametrize("index", [3, -1, 2**31 - 1, -(2**31)])
def test_other_formats_indices_out_of_range(build, suffix, index, tmp_path):
    line = rejection_reason(tmp_path, build(CORNERS, [(0, 1, 2), (0, 1, index)]), "mesh" + suffix)
    assert "vertex" in line or "vertices" in line
    assert len(read(tmp_path, build(CORNERS, [(0, 1, 2)]), "good" + suffix).faces) == 1


@pytest.mark.parametrize(("build", "suffix"), [(ply, ".ply"), (off, ".off")])
def test_other_formats_numbers_that_are_not_finite(build, suffix, tmp_path):
    odd = [*CORNERS, (np.nan, np.inf, 0)]
    assert len(read(tmp_path, build(odd, [(0, 1, 2), (0, 1, 3)]), "mesh" + suffix).faces) == 1
    line = rejection_reason(tmp_path, build(odd, [(0, 1, 3)]), "mesh" + suffix)
    assert line == "every face has a vertex that is NaN or infinite"


@pytest.mark.parametrize(("build", "suffix"), [(ply, ".ply"), (off, ".off")])
def test_other_formats_without_faces(build, suffix, tmp_path):
    assert "no " in rejection_reason(tmp_path, build(CORNERS, []), "mesh" + suffix)
    assert "no " in rejection_reason(tmp_path, build([], []), "mesh" + suffix)


@pytest.mark.parametrize("kind", [kind for kind in CONTENTS if kind != ".obj"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.9])
def test_truncated_files_are_rejected(kind, share, tmp_path):
    data = CONTENTS[kind]
    rejection_reason(tmp_path, data[: int(len(data) * share)], "mesh" + kind.split()[0])


@pytest.mark.parametrize("suffix", ["", ".txt", ".mtl", ".dae", ".obj.zst", ".zip", ".3dxml"])
def test_unknown_suffixes_are_rejected(suffix, tmp_path):
    line = rejection_reason(tmp_path, TRIANGLE, "mesh" + suffix)
    assert all(known in line for known in SUFFIXES)


def test_a_very_long_suffix_still_gives_one_short_line(tmp_path):
    rejection_reason(tmp_path, TRIANGLE, "mesh." + "x" * 200)
    rejection_reason(tmp_path, TRIANGLE, "mesh.o\nb\x1bj")


def test_folders_pipes_and_missing_files_are_rejected(tmp_path):
    folder, pipe, loop = tmp_path / "a.obj", tmp_path / "b.obj", tmp_path / "c.obj"
    folder.mkdir()
    os.mkfifo(pipe)
    loop.symlink_to(loop)
    messages = {
        folder: "a folder, not a file",
        pipe: "not a regular file",
        loop: "cannot be read: Too many levels of symbolic links",
        tmp_path / "d.obj": "cannot be read: No such file or directory",
        tmp_path / ("x" * 300 + ".obj"): "cannot be read: File name too long",
        write(tmp_path, b"", "e") / "f.obj": "cannot be read: Not a directory",
    }
    for path, message in messages.items():
        with pytest.raises(BadMeshError) as error:
            load(path)
        assert one_line(error.value) == message


def test_a_file_that_may_not_be_read(tmp_path):
    path = write(tmp_path, TRIANGLE)
    path.chmod(stat.S_IWUSR)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(BadMeshError, match=r"^cannot be read: Permission denied$"):
        load(path)


def test_disk_errors_are_reported(tmp_path, monkeypatch):
    def fail(path):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(BadMeshError, match=r"^cannot be read: Input/output error$"):
        load(write(tmp_path, TRIANGLE))


# --- Headers that promise too much ---


@pytest.mark.parametrize("declared", [(10**9, 1), (3, 10**9), (10**18, 10**18), (-1, -1)])
@pytest.mark.parametrize("encoding", ["binary_little_endian", "binary_big_endian", "ascii"])
def test_ply_headers_that_promise_too_much(declared, encoding, tmp_path):
    rejection_reason(tmp_path, PLY.format(encoding, *declared) + "0 0 0\n" * 20, "mesh.ply")
    rejection_reason(tmp_path, ply(CORNERS, [(0, 1, 2)], declared), "mesh.ply")


def test_nothing_but_the_reason_is_printed(tmp_path):
    path = write(tmp_path, CONTENTS[".stl ascii"].replace(b"normal 0", b"normal x", 1), "mesh.stl")
    code = (
        "import sys, pathlib, shapegan.pipeline.meshes.load as m; m.load(pathlib.Path(sys.argv[1]))"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, check=True)
    assert done.stdout + done.stderr == b""


def test_other_headers_that_promise_too_much(tmp_path):
    rejection_reason(tmp_path, bytes(80) + struct.pack("<I", 2**32 - 1) + bytes(50), "mesh.stl")
    rejection_reason(tmp_path, "OFF\n1000000000 1000000000 0\n0 0 0\n", "mesh.off")
    rejection_reason(
        tmp_path, struct.pack("<5I", 0x46546C67, 2, 2**32 - 1, 2**32 - 1, 0x4E4F534A), "m.glb"
    )


# --- Frames ---


def test_the_frame_of_a_box():
    frame = frame_of(BOX.vertices + np.array([5, 6, 7]))
    np.testing.assert_allclose(frame.center, (5, 6, 7))
    assert frame.scale_cube == 1.5
    assert frame.scale_sphere == pytest.approx(np.sqrt(1 + 4 + 9) / 2)
    assert isinstance(frame.scale_cube, float)
    assert isinstance(frame.scale_sphere, float)


@given(st.lists(st.tuples(*[st.floats(-1e9, 1e9)] * 3), min_size=1))
def test_frames_put_vertices_into_the_cube_and_the_ball(points):
    vertices = np.array(points)
    try:
        frame = frame_of(vertices)
    except BadMeshError:
        assert np.ptp(vertices, axis=0).max() <= 1e-18
        return
    cube = (vertices - frame.center) / frame.scale_cube
    assert np.abs(cube).max() == pytest.approx(1)
    assert np.ptp(cube, axis=0).max() == pytest.approx(2)
    ball = np.linalg.norm((vertices - frame.center) / frame.scale_sphere, axis=1)
    assert ball.max() == pytest.approx(1)


def test_no_vertices_and_no_size_have_no_frame():
    with pytest.raises(BadMeshError, match="no faces are left"):
        frame_of(np.empty((0, 3)))
    for size in (0.0, 5e-324, 1e-200, 1e-18):  # from 1e-162 on, squares vanish
        with pytest.raises(BadMeshError, match="zero size"):
            frame_of(np.eye(3) * size)


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
