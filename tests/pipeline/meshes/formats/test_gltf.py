import base64
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.gltf_builder import (
    BOX,
    TRIANGLE,
    Builder,
    check_line,
    glb,
    instanced,
    rejection_reason,
    skin,
    write,
)

from shapegan.pipeline.meshes.formats.gltf import read_gltf
from shapegan.pipeline.meshes.formats.text import FormatError
from shapegan.pipeline.meshes.load import load


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("here.bin", "here.bin"),
        ("my%20buffer%20%C3%A9.bin", "my buffer é.bin"),
        ("100%25.bin", "100%.bin"),
        ("100%.bin", "100%.bin"),
        ("a%20b.bin", "a%20b.bin"),
        ("./inner/../here.bin", "here.bin"),
        ("inner\\here.bin", "inner/here.bin"),
    ],
)
def test_buffer_files_beside_the_file(uri, name, tmp_path):
    builder = Builder()
    (tmp_path / "inner").mkdir()
    write(tmp_path, builder.data, name)
    tree = builder.tree | {"buffers": [{"byteLength": 36, "uri": uri}]}
    mesh = load(write(tmp_path, json.dumps(tree)))
    np.testing.assert_array_equal(mesh.vertices, TRIANGLE)


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("../secret.bin", "the buffer '../secret.bin' lies outside the glTF file's folder"),
        ("%2e%2e/secret.bin", "the buffer '%2e%2e/secret.bin' lies outside"),
        ("..\\secret.bin", "the buffer '..\\\\\\\\secret.bin' lies outside"),
        ("/etc/hostname", "the buffer '/etc/hostname' lies outside"),
        ("http://localhost:1/x", "the buffer 'http://localhost:1/x' is not a file beside"),
        ("file:///etc/hostname", "the buffer 'file:///etc/hostname' is not a file beside"),
        ("missing.bin", "the buffer file 'missing.bin' is missing or cannot be read"),
        (".", "the buffer file '.' is missing or cannot be read"),
        ("a%00b", "the buffer file 'a%00b' is missing or cannot be read"),
        ("data:;base64", "truncated: a data URI has no data"),
        ("data:;base64,A", "a data URI is not valid base64"),
    ],
)
def test_buffers_that_cannot_be_had_are_named(uri, reason, tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    write(tmp_path, TRIANGLE.tobytes(), "secret.bin")
    tree = Builder().tree | {"buffers": [{"byteLength": 36, "uri": uri}]}
    assert reason in rejection_reason(json.dumps(tree).encode(), inner).replace("\\", "\\\\")


def test_data_uris_of_all_sorts():
    text = base64.b64encode(TRIANGLE.tobytes()).decode()
    percent = "".join(f"%{byte:02x}" for byte in TRIANGLE.tobytes())
    for uri in (
        f"data:application/octet-stream;base64,{text}",
        f"DATA:;BASE64,{text}",
        f"data:;base64,{text.rstrip('=')}",
        f"data:;base64,{text.replace('/', '%2F').replace('=', '%3D')}",
        f"data:;base64,{text.replace('/', '_').replace('+', '-')}",
        f"data:,{percent}",
    ):
        tree = Builder().tree | {"buffers": [{"byteLength": 36, "uri": uri}]}
        vertices, _ = read_gltf(json.dumps(tree).encode(), Path())
        np.testing.assert_array_equal(vertices, TRIANGLE)


def test_containers_of_all_sorts(tmp_path):
    builder = Builder()
    whole = builder.glb()
    unpadded = glb(
        b"\xef\xbb\xbf" + json.dumps(builder.tree | {"buffers": [{}]}).encode(), builder.data
    )
    extra = struct.pack("<I", 4) + b"MORE" + bytes(4)
    for data in (
        whole,
        whole + b"made by hand" * 9,
        whole + bytes(3),
        unpadded,
        whole[:8] + struct.pack("<I", len(whole) + 12) + whole[12:] + extra,
        whole[:8] + bytes(4) + whole[12:],  # without a length
        whole[:8] + struct.pack("<I", len(whole) - len(builder.data) - 8) + whole[12:],
    ):
        vertices, _ = read_gltf(data, tmp_path)
        np.testing.assert_array_equal(vertices, TRIANGLE)
    text = builder.gltf().encode()
    for data in (b"\xef\xbb\xbf" + text, text + b"\n\0", b" \r\n" + text):
        assert len(read_gltf(data, tmp_path)[1]) == 1
    assert len(load(write(tmp_path, whole, "really binary.gltf")).faces) == 1
    assert len(load(write(tmp_path, text, "really text.glb")).faces) == 1


@pytest.mark.parametrize("version", ["1.0", "1"])
def test_the_first_gltf_is_named(version):
    old = {"asset": {"version": version}, "meshes": {"box": {"primitives": []}}}
    assert rejection_reason(json.dumps(old).encode()) == "glTF 1.0: save it as glTF 2.0"
    binary = b"glTF" + struct.pack("<IIII", 1, 1024, 1024, 0) + json.dumps(old).encode()
    assert rejection_reason(binary) == "glTF 1.0: save it as glTF 2.0"
    assert "version is ''" in rejection_reason(b"{}")


@pytest.mark.parametrize("kind", ["glb", "gltf"])
def test_a_file_cut_off_anywhere_is_refused(kind):
    data = getattr(Builder(BOX.vertices.astype("<f4"), BOX.faces.astype("<u2").ravel()), kind)()
    data = data if kind == "glb" else data.encode()
    for length in range(len(data)):
        rejection_reason(data[:length])


def test_a_short_buffer_is_refused(tmp_path):
    builder = Builder()
    write(tmp_path, builder.data[:-1], "short.bin")
    tree = builder.tree | {"buffers": [{"byteLength": 36, "uri": "short.bin"}]}
    reason = rejection_reason(json.dumps(tree).encode(), tmp_path)
    assert reason == "truncated: buffer view 0 ends at byte 36, its buffer at 35"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 9) | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)


@examples(400)
@given(st.data())
def test_a_tree_with_anything_in_any_place_is_read_or_refused_in_one_line(data):
    builder = instanced(TRANSLATION=[np.eye(3, dtype="<f4")])
    skin(builder.nodes(builder.node), [{"children": []}], [np.eye(4)])
    builder.node.pop("extensions")
    builder.primitive["targets"] = [{"POSITION": 0}]
    builder.mesh["weights"] = [1]
    tree = json.loads(builder.gltf())
    place = tree
    while isinstance(place, (dict, list)) and place:
        key = data.draw(
            st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place)))
        )
        if not isinstance(place[key], (dict, list)) or not place[key] or data.draw(st.booleans()):
            place[key] = data.draw(JSON)
            break
        place = place[key]
    try:
        read_gltf(json.dumps(tree).encode(), Path("/nonexistent"))
    except FormatError as error:
        check_line(error)


COORDINATES = st.floats(-1e6, 1e6, width=32)


@given(st.lists(st.tuples(*[COORDINATES] * 9), min_size=1, max_size=6))
def test_round_trips_are_exact(soup):
    triangles = np.array(soup, "<f4").reshape(-1, 3, 3)
    np.testing.assert_array_equal(Builder(triangles.reshape(-1, 3)).read(), triangles)
