"""Files that cannot be read: one line that names the fault."""

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
from support.mesh_files import CONTENTS, PLY, TRIANGLE, one_line, read, rejection_reason, write

from shapegan.pipeline.meshes.load import SUFFIXES, load
from shapegan.pipeline.meshes.triangle_mesh import BadMeshError

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
