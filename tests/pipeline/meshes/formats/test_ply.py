import struct

import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st
from support.ply_builder import CUT, ENCODINGS, MIXED, SQUARE, indices, write, xyz

from shapegan.pipeline.meshes.formats.ply import read_ply
from shapegan.pipeline.meshes.formats.text import FormatError


def assert_square(data, faces=CUT):
    vertices, found = read_ply(data)
    assert vertices.dtype == np.float64
    assert found.dtype == np.int64
    np.testing.assert_array_equal(vertices, SQUARE)
    assert found.tolist() == faces


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", ["vertex_indices", "vertex_index"])
@pytest.mark.parametrize("item", ["char", "uchar", "short", "ushort", "int", "uint", "int32"])
@pytest.mark.parametrize("faces", [MIXED, CUT])
def test_faces_of_all_sorts(faces, item, name, encoding):
    assert_square(write(encoding, [xyz(), indices(faces, "uchar", item, name)]))
    assert_square(write(encoding, [xyz(number="double"), indices(faces, "uint", item, name)]))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_all_else_is_skipped(encoding):
    vertex = (
        "vertex",
        [
            *[("uchar", "red"), ("float", "z"), ("double", "y"), ("uchar", "short", "ring")],
            *[("float", "x"), ("int", "flags")],
        ],
        [(9, z, y, range(k), x, -1) for k, (x, y, z) in enumerate(SQUARE)],
    )
    face = (
        "face",
        [
            *[("uchar", "a"), ("uchar", "float", "texcoord"), ("short", "b")],
            ("uchar", "int", "vertex_indices"),
        ],
        [(1, [0.5] * 2 * len(corners), 2, corners) for corners in MIXED],
    )
    edges = ("edge", [("int", "vertex1"), ("int", "vertex2")], [(0, 1), (2, 3)])
    empty = ("nothing", [("uchar", "int", "at_all")], [])
    hollow = ("hollow", [], [(), ()])
    lists = (
        "lists",
        [("int", "double", "of"), ("uchar", "x")],
        [([1.0] * k, 0) for k in (2, 0, 3)],
    )
    assert_square(write(encoding, [hollow, edges, lists, vertex, empty, face, edges]))
    assert_square(write(encoding, [indices(), xyz()]))


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_ends_of_lines(end):
    data = write("binary_little_endian", [xyz(), indices()])
    head, mark, rows = data.partition(b"end_header\n")
    assert_square((head + mark).replace(b"\n", end) + rows)
    assert_square(write("ascii", [xyz(), indices()]).replace(b"\n", end))


def test_what_trimesh_writes_is_read():
    ball = trimesh.creation.icosphere(subdivisions=2)
    ball.visual.vertex_colors = np.arange(len(ball.vertices) * 4).reshape(-1, 4) % 255
    for encoding in ("ascii", "binary"):
        vertices, faces = read_ply(ball.export(file_type="ply", encoding=encoding))
        np.testing.assert_allclose(vertices, ball.vertices, atol=1e-7)
        np.testing.assert_array_equal(faces, ball.faces)


def test_numbers_that_are_not_finite_are_read_as_such():
    odd = [*SQUARE, (float("nan"), float("inf"), 0.0)]
    for encoding in ENCODINGS:
        np.testing.assert_array_equal(read_ply(write(encoding, [xyz(odd), indices()]))[0], odd)
    half, signalling = struct.pack("<f", 0.5), b"\x01\x00\x80\x7f"
    data = write("binary_little_endian", [xyz(), indices()]).replace(half, signalling)
    assert np.isnan(read_ply(data)[0][4, :2]).all()


GOOD = write("ascii", [xyz(), indices()])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a PLY file: no header from 'ply' to 'end_header'"),
        (b"ply\nend_head", "not a PLY file: no header from 'ply' to 'end_header'"),
        (GOOD.replace(b"ascii", b"zip"), "PLY of an unknown format: 'zip'"),
        (GOOD.replace(b"format ascii 1.0", b""), "PLY of an unknown format: ''"),
        (GOOD.replace(b"float", b"quad"), "PLY of an unknown type of numbers: 'quad'"),
        (GOOD.replace(b"vertex 5", b"vertex five"), "the PLY header is invalid"),
        (GOOD.replace(b"element vertex 5", b"a"), "the PLY header is invalid"),
        (
            GOOD.replace(b"float x", b"float u"),
            "no vertices: the header declares none with x, y and z",
        ),
        (
            GOOD.replace(b"indices", b"dices"),
            "no faces: the header declares none with vertex indices",
        ),
        (
            GOOD.replace(b"vertex 5", b"vertex 999"),
            "truncated: fewer rows of 'vertex' than the 999 declared",
        ),
        (GOOD.replace(b"face 7", b"face 8"), "truncated: fewer rows of 'face' than the 8 declared"),
        (
            GOOD.replace(b"face 7", b"face -1"),
            "truncated: fewer rows of 'face' than the -1 declared",
        ),
        (GOOD[:-3], "truncated: fewer rows of 'face' than the 7 declared"),
        (GOOD.replace(b"3 2 3 4", b"3 2 3 5"), "face 6 uses vertex 5; there are vertices 0 to 4"),
        (GOOD.replace(b"3 2 3 4", b"3 2 -3 4"), "face 6 uses vertex -3; there are vertices 0 to 4"),
        (GOOD.replace(b"3 2 3 4", b"3 2 3 .5"), "a face has '0.5' where an index should be"),
        (GOOD.replace(b"3 2 3 4", b"3 2 nan 4"), "a face has 'nan' where an index should be"),
        (GOOD.replace(b"3 2 3 4", b"3 2 x 4"), "a PLY file has 'x' where a number should be"),
        (
            GOOD.replace(b"3 2 3 4", b"2.5 2 3 4"),
            "a list of the PLY element 'face' has a length of 2.5",
        ),
        (
            GOOD.replace(b"3 2 3 4", b"-3 2 3 4"),
            "a list of the PLY element 'face' has a length of -3",
        ),
    ],
)
def test_messages_name_the_fault(data, message):
    with pytest.raises(FormatError) as error:
        read_ply(data)
    assert str(error.value) == message


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_truncation_is_noticed(encoding):
    data = write(encoding, [xyz(), indices()])
    for length in range(len(data) - (2 if encoding == "ascii" else 0)):
        with pytest.raises(FormatError):
            read_ply(data[:length])


@given(
    st.lists(st.tuples(*[st.floats(width=32)] * 3), min_size=1, max_size=9),
    st.data(),
    st.sampled_from(ENCODINGS),
)
def test_what_is_written_is_read(points, data, encoding):
    corner = st.integers(0, len(points) - 1)
    faces = data.draw(st.lists(st.lists(corner, max_size=3), max_size=9))
    vertices, found = read_ply(write(encoding, [xyz(points), indices(faces)]))
    np.testing.assert_array_equal(vertices, points)
    assert found.tolist() == [face for face in faces if len(face) == 3]


# --- Triangle strips ---


def strips(rows, item="int"):
    return ("tristrips", [("int", item, "vertex_indices")], [(row,) for row in rows])


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("item", ["int", "short", "float"])
def test_strips_are_wound_as_their_first_triangle(encoding, item):
    rows = [[0, 1, 2, 3, 4, -1, 1, 2, 3, -1, 0, 1, -1, -1, 4, 3, 2, 1], [], [2, 3, 4, 0]]
    data = write(
        encoding,
        [
            xyz(),
            strips([[float(i) for i in row] if item == "float" else row for row in rows], item),
        ],
    )
    first = [[0, 1, 2], [1, 3, 2], [2, 3, 4], [1, 2, 3], [4, 3, 2], [3, 1, 2]]
    assert_square(data, [*first, [2, 3, 4], [3, 0, 4]])


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(("item", "largest"), [("ushort", 2**16 - 1), ("uint", 2**32 - 1)])
def test_strips_of_unsigned_integers_end_with_the_largest(item, largest, encoding):
    data = write(encoding, [xyz(), strips([[0, 1, 2, largest, 1, 2, 3]], item)])
    assert_square(data, [[0, 1, 2], [1, 2, 3]])


def test_the_largest_unsigned_integer_may_be_a_vertex():
    points = np.zeros((2**16, 3))
    points[[1, -1]] = (1, 0, 0), (0, 1, 0)
    data = write("binary_little_endian", [xyz(points), strips([[0, 1, 2**16 - 1]], "ushort")])
    assert read_ply(data)[1].tolist() == [[0, 1, 2**16 - 1]]


def test_strips_beside_faces():
    assert_square(
        write("ascii", [xyz(), strips([[0, 1, 2, 3]]), indices()]), [*CUT, [0, 1, 2], [1, 3, 2]]
    )


@pytest.mark.parametrize("bad", [5, -2])
def test_strips_with_vertices_that_do_not_exist_are_refused(bad):
    with pytest.raises(FormatError, match=f"uses vertex {bad}; there are vertices 0 to 4"):
        read_ply(write("ascii", [xyz(), strips([[0, 1, 2, bad]])]))


@given(st.lists(st.integers(-1, 4), max_size=12))
def test_strips_are_cut_as_by_a_loop(corners):
    expected, strip = [], []
    for corner in corners:
        strip = [] if corner == -1 else [*strip, corner]
        if len(strip) >= 3:
            a, b, c = strip[-3:]
            expected.append([a, b, c] if len(strip) % 2 else [a, c, b])
    assert_square(write("ascii", [xyz(), strips([corners])]), expected)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("elements", [[xyz(), indices()], [xyz(), strips([[0, 1, 2, 3]])]])
def test_a_file_cut_off_anywhere_is_refused(encoding, elements):
    data = write(encoding, elements).rstrip(b"\n")
    for length in range(len(data)):
        with pytest.raises(FormatError):
            read_ply(data[:length])
