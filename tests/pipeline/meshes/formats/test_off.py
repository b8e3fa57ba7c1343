import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st

from shapegan.pipeline.meshes.formats.off import read_off
from shapegan.pipeline.meshes.formats.text import FormatError

VERTICES = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]
BODY = "0 0 0\n1 0 0\n1 1 0\n0 1 0\n3 0 1 2\n4 3 2 1 0\n"
FACES = [[0, 1, 2], [3, 2, 1], [3, 1, 0]]


@pytest.mark.parametrize(
    "text",
    [
        "OFF\n4 2 0\n" + BODY,
        "OFF 4 2 0\n" + BODY,
        "OFF4 2 0\n" + BODY,
        "OFF\n4 2\n" + BODY,
        "off\n4 2 0\n" + BODY,
        "\n# made by hand\nOFF # really\n\n4 2 0\n# corners\n" + BODY.replace("\n", " # x\n\n"),
        "OFF\n4 2 0\n" + BODY.replace("\n", "\r\n"),
        "OFF\n4 2 0\n" + BODY.replace(" ", "\t "),
        "OFF\n4 2 0\n" + BODY.rstrip(),
        "OFF\n4 2 0\n" + BODY + "7 7 7\n",
        "OFF\n4 2 0\n" + BODY.replace("3 0 1 2", "3 0 1 2 255 0.5 0"),
        "COFF\n4 2 0\n" + BODY.replace(" 0\n1", " 0 255 0 0 255\n1"),
        "STCNOFF\n4 2 0\n" + BODY.replace(" 0\n1", " 0 0 0 1 0.5 0.5\n1"),
        "OFF\n4 4 0\n" + BODY.replace("3 0", "2 0 1\n1 0\n3 0"),
    ],
)
def test_files_of_all_sorts(text):
    vertices, faces = read_off(text.encode())
    assert vertices.tolist() == VERTICES
    assert faces.tolist() == FACES


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not an OFF file: it does not begin with 'OFF'"),
        ("4 2 0\n" + BODY, "not an OFF file: it does not begin with 'OFF'"),
        ("OFF BINARY\n", "binary OFF and vertices of other than 3 coordinates are not supported"),
        ("4OFF\n1 0 0\n", "binary OFF and vertices of other than 3 coordinates are not supported"),
        ("OFF\n", "the counts of vertices and faces are missing"),
        ("OFF\n4\n", "the counts of vertices and faces are missing"),
        (
            "OFF\n4 3 0\n" + BODY,
            "truncated: the header declares 4 vertices and 3 faces, but 6 lines follow",
        ),
        (
            "OFF\n-4 3 0\n" + BODY,
            "truncated: the header declares -4 vertices and 3 faces, but 6 lines follow",
        ),
        ("OFF\n4.5 3 0\n" + BODY, "a face has '4.5' where an index should be"),
        ("OFF\n4 2 0\n" + BODY.replace("1 1 0", "1 1"), "a vertex has fewer than 3 numbers"),
        ("OFF\n4 2 0\n" + BODY.replace("4 3", "5 3"), "a face has fewer corners than it declares"),
        ("OFF\n4 2 0\n" + BODY.replace("4 3", "-4 3"), "a face has fewer corners than it declares"),
        (
            "OFF\n4 2 0\n" + BODY.replace("0 1 2", "0 1 4"),
            "face 0 uses vertex 4; there are vertices 0 to 3",
        ),
        (
            "OFF\n4 2 0\n" + BODY.replace("0 1 2", "0 1 x"),
            "an OFF file has 'x' where a number should be",
        ),
        (
            "OFF\n4 2 0\n" + BODY.replace("0 1 2", "0 1 nan"),
            "a face has 'nan' where an index should be",
        ),
    ],
)
def test_messages_name_the_fault(text, message):
    with pytest.raises(FormatError) as error:
        read_off(text.encode())
    assert str(error.value) == message


def test_lines_that_are_not_declared_are_left_out_with_a_note():
    notes = []
    _, faces = read_off(("OFF\n4 1 0\n" + BODY + "\n3 2 1 0\n").encode(), notes)
    assert faces.tolist() == FACES[:1]
    assert notes == ["left out 2 lines after those that the header declares"]
    read_off(("OFF\n4 2 0\n" + BODY + "\n# made by hand\n").encode(), notes)
    assert len(notes) == 1


def test_what_trimesh_writes_is_read():
    ball = trimesh.creation.icosphere(subdivisions=2)
    vertices, faces = read_off(ball.export(file_type="off").encode())
    np.testing.assert_allclose(vertices, ball.vertices, atol=1e-9)
    np.testing.assert_array_equal(faces, ball.faces)


@given(st.lists(st.tuples(*[st.floats()] * 3), min_size=1, max_size=9), st.data())
def test_what_is_written_is_read(points, data):
    corner = st.integers(0, len(points) - 1)
    faces = data.draw(st.lists(st.lists(corner, max_size=3), max_size=9))
    rows = [*points, *((len(face), *face) for face in faces)]
    body = "\n".join(" ".join(map(repr, row)) for row in rows)
    vertices, found = read_off(f"OFF\n{len(points)} {len(faces)} 0\n{body}".encode())
    np.testing.assert_array_equal(vertices, points)
    assert found.tolist() == [face for face in faces if len(face) == 3]


STREAM = "OFF 4 2 0 0 0 0 1 0 0 1 1 0 0 1 0 3 0 1 2 4 3 2 1 0"


@pytest.mark.parametrize(
    "text",
    [
        STREAM,
        STREAM.replace(" ", "\n"),
        STREAM.replace(" ", "\t\v\f\r"),
        STREAM.replace("OFF ", "OFF\n"),
        STREAM.replace("4 2 0 0", "4 2 # counts\n0 0", 1).replace("# counts\n0 0", "\n0", 1),
        STREAM.replace(" 3 0 1", "\n# faces\n3 0 1"),
        STREAM.replace("1 0 0 1", "1 0\n0 1"),
        "COFF 4 2 0"
        + " 255 0 0 1".join(["", " 0 0 0", " 1 0 0", " 1 1 0", " 0 1 0"])[10:]
        + " 255 0 0 1 3 0 1 2 4 3 2 1 0",
        "NOFF 4 2 0"
        + "".join(f" {x} {y} {z} 0 0 1" for x, y, z in VERTICES)
        + " 3 0 1 2 4 3 2 1 0",
    ],
)
def test_numbers_may_be_a_stream(text):
    vertices, faces = read_off(text.encode())
    assert vertices.tolist() == VERTICES
    assert faces.tolist() == FACES


def test_a_stream_must_use_all_numbers_and_existing_vertices():
    for text in (
        STREAM + " 7",
        STREAM + " 3 0 1 2",
        STREAM[:-2],
        STREAM.replace("3 2 1 0", "3 2 1 4"),
    ):
        with pytest.raises(FormatError, match="truncated"):
            read_off(text.encode())


@pytest.mark.parametrize("text", [STREAM, "OFF\n4 2 0\n" + BODY])
def test_a_file_cut_off_anywhere_is_refused(text):
    for length in range(len(text.rstrip())):
        with pytest.raises(FormatError):
            read_off(text[:length].encode())


BOX = trimesh.creation.box()


@given(st.randoms(use_true_random=False), st.sampled_from([" ", "\n", "\r\n", "\t", "  \n "]))
def test_blanks_of_any_kind_give_the_same_mesh(random, blank):
    words = BOX.export(file_type="off").split()
    text = "".join(word + random.choice([blank, " "]) for word in words)
    vertices, faces = read_off(text.encode())
    np.testing.assert_allclose(vertices, BOX.vertices)
    np.testing.assert_array_equal(faces, BOX.faces)
