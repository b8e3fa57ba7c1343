import struct

import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from shapegan.pipeline.meshes.formats.stl import read_stl
from shapegan.pipeline.meshes.formats.text import FormatError

BOX = trimesh.creation.box((1, 2, 3))
BINARY = BOX.export(file_type="stl")
CORNERS = BOX.triangles
WORDS = st.sampled_from(["vertex", "facet", "endsolid", "solid", "normal", "1", "a", "part 7", "Ü"])


def facet(triangle, normal="normal 0 0 1"):
    rows = "".join(f"vertex {x} {y} {z}\n" for x, y, z in triangle)
    return f"facet {normal}\nouter loop\n{rows}endloop\nendfacet\n"


def solid(name, triangles=CORNERS, end="endsolid {}\n"):
    return f"solid {name}\n" + "".join(map(facet, triangles)) + end.format(name)


def read(text, notes=None):
    vertices, faces = read_stl(text.encode() if isinstance(text, str) else text, notes)
    return vertices[faces]


def rejection_reason(text):
    with pytest.raises(FormatError) as error:
        read(text)
    assert str(error.value).isprintable()
    return str(error.value)


# --- Binary ---


@pytest.mark.parametrize("head", [b"", b"solid is what this is", b"solid facet normal".ljust(80)])
def test_a_binary_file_may_begin_as_text(head):
    notes = []
    np.testing.assert_array_equal(read(head.ljust(80, b"\0") + BINARY[80:], notes), CORNERS)
    assert notes == []


@pytest.mark.parametrize("tail", [b"\0\0", b"made by hand", bytes(50), bytes(500)])
def test_bytes_after_the_declared_triangles_are_left_out_with_a_note(tail):
    notes = []
    np.testing.assert_array_equal(read(BINARY + tail, notes), CORNERS)
    assert notes == [f"left out {len(tail)} bytes after the 12 triangles that are declared"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (BINARY[:-1], "truncated: 11 triangles, fewer than the 12 declared"),
        (
            b"solid x".ljust(80) + BINARY[80:-50],
            "truncated: 11 triangles, fewer than the 12 declared",
        ),
        (bytes(84), "no faces: the header declares none"),
        (bytes(70), "not an STL file: 70 bytes, fewer than the header's 84"),
        (b"<html>" * 50, "not an STL file: neither binary nor a text of facets"),
    ],
)
def test_a_broken_binary_file_is_refused_with_the_reason(data, reason):
    assert rejection_reason(data) == reason


def test_a_binary_file_cut_off_anywhere_is_refused():
    for length in range(len(BINARY)):
        rejection_reason(BINARY[:length])


# --- Text ---


@pytest.mark.parametrize(
    "text",
    [
        solid("box"),
        solid("box").upper(),
        solid(""),
        "\ufeff" + solid("box"),
        solid("box").replace("\n", "\r\n"),
        solid("box").replace("\n", "\r"),
        solid("box").replace("\n", " "),
        solid("my box").replace("\n", " \t "),
        solid("solid facet").replace("\n", " "),
        solid("box").replace("\n", "\n\n\t  "),
        solid("box").replace("outer loop", "outer  loop").replace("endloop", "end loop"),
        solid("box").replace("outer loop", "outer\nloop").replace("endfacet", "end\tfacet"),
        solid("box").replace(" normal 0 0 1", ""),
        solid("box").replace("normal 0 0 1", "normal"),
        solid("box").replace("normal 0 0 1", "normal nan -nan(ind) 1.#QNAN"),
        solid("box").replace("0.5", "5.0E-01").replace(" 1.5", " +.15e+1"),
        solid("box", end="end solid {}\n"),
        solid("box", end="end_solid {}\n"),
        solid("box", end="ENDSOLID\n"),
        solid("box", end="endsolid another name"),
        solid("box", end="endsolid {}\n\x1a"),
        solid("box", end="endsolid {}\n\n\n\0\0\0"),
        "made by hand\n" + solid("box") + "yours\n",
        solid("vertex 1 2 3"),
        solid("a facet normal 0 0 1"),
        solid("endsolid"),
        solid("my endsolid part solid"),
        solid("a", CORNERS[:5]) + solid("b", CORNERS[5:]),
        solid("a", CORNERS[:5]) + solid("empty", []) + solid("b", CORNERS[5:]) + solid("c", []),
        (solid("a", CORNERS[:5]) + solid("b", CORNERS[5:])).replace("\n", " "),
        (solid("a", CORNERS[:5]) + solid("solid b", CORNERS[5:])).replace("\n", " "),
        (solid("", CORNERS[:5]) + solid("", CORNERS[5:])).replace("\n", " "),
        "".join(
            solid(i, [t], "endsolid {}@").replace("\n", " ") for i, t in enumerate(CORNERS)
        ).replace("@", "\n"),
    ],
)
def test_all_spellings_give_all_triangles(text):
    notes = []
    np.testing.assert_array_equal(read(text, notes), CORNERS)
    assert notes == []


@pytest.mark.parametrize("end", ["", "\n\n"])
def test_a_solid_without_an_end_is_read_with_a_note(end):
    for text in (solid("box", end=end), solid("a", CORNERS[:5], "") + solid("b", CORNERS[5:], end)):
        notes = []
        np.testing.assert_array_equal(read(text, notes), CORNERS)
        assert notes == ["the solid has no endsolid: the file may be cut off"]


@given(st.lists(WORDS, max_size=4), st.lists(WORDS, max_size=4), st.sampled_from("\n\r"))
def test_names_may_be_any_words(first, second, line_end):
    text = solid(" ".join(first), CORNERS[:4]) + solid(" ".join(second), CORNERS[4:])
    np.testing.assert_array_equal(read(text.replace("\n", line_end)), CORNERS)


@pytest.mark.parametrize("line_end", ["\n", " "])
@pytest.mark.parametrize("names", [("a", "b"), ("my part", "facet 2"), ("", "")])
def test_a_text_cut_off_anywhere_is_refused_or_whole(line_end, names):
    first, second = solid(names[0], CORNERS[:2]), solid(names[1], CORNERS[2:4])
    text = (first + second).replace("\n", line_end)
    first_end = len(solid(names[0], CORNERS[:2], "endsolid"))
    for length in range(1, len(text)):
        notes = []
        try:
            found = len(read(text[:length], notes))
        except FormatError:
            continue
        # At the end of a solid nothing shows that more should follow.
        whole = 4 if length > len(first) else 2
        assert found == whole or notes, text[:length][-60:]
        if length > len(first):
            assert not notes
        else:
            assert length >= first_end or notes


@pytest.mark.parametrize("count", [2, 12])
def test_zeros_may_pad_a_text(count):
    notes = []
    text = solid("a", CORNERS[:count]) + "\0" * 64
    np.testing.assert_array_equal(read(text, notes), CORNERS[:count])
    assert notes == []


def test_an_incomplete_facet_is_named():
    text = solid("a").replace("vertex", "vertx", 5).replace("vertx", "vertex", 4)
    assert rejection_reason(text) == "truncated: facet 2 is incomplete at 'facet normal 0 0 1'"
    assert "facet 2" in rejection_reason(text.replace("\n", " "))
    assert "facet 13" in rejection_reason(solid("a", end="facet\n"))
    assert "facet 13" in rejection_reason(solid("a", end="end of file\n"))
    for missing in ("endloop\n", "endfacet\n", "outer loop\n"):
        assert "facet 1 " in rejection_reason(solid("a").replace(missing, "", 1))
    assert "facet 1 " in rejection_reason(solid("a").replace("\nvertex ", "\nvertex vertex", 1))
    assert "where a number should be" in rejection_reason(solid("a").replace("0.5", "half"))


@pytest.mark.parametrize("end", ["", "end", "endsol", "endsolid a\nsolid", "endsolid a\nsolid b\n"])
def test_the_last_of_several_solids_must_end(end):
    assert "truncated" in rejection_reason(solid("a") + solid("b", end="") + end)


def test_texts_without_facets_have_no_faces():
    assert rejection_reason("solid x\nendsolid x\n") == "no faces: the file has no facets"
    assert "truncated" in rejection_reason("solid x\n")
    assert "truncated" in rejection_reason("solid x\nfacet nor")


def test_facets_of_more_corners_are_cut():
    square = facet([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)])
    triangles = read(f"solid x\n{square}endsolid x\n")
    assert triangles.tolist() == [
        [[0, 0, 0], [1, 0, 0], [1, 1, 0]],
        [[0, 0, 0], [1, 1, 0], [0, 1, 0]],
    ]


FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
SOUPS = st.lists(st.tuples(*[st.tuples(FLOATS, FLOATS, FLOATS)] * 3), min_size=1, max_size=8)


@given(SOUPS)
def test_round_trips_are_exact(soup):
    expected = np.array(soup)
    np.testing.assert_array_equal(read(solid("x", soup)), expected)
    rows = b"".join(struct.pack("<12fH", 0, 0, 1, *row.ravel(), 0) for row in expected)
    data = bytes(80) + struct.pack("<I", len(soup)) + rows
    np.testing.assert_array_equal(read(data), expected)


@examples(200)
@given(st.binary(max_size=40), st.integers(0, 2000))
def test_random_bytes_in_a_text_never_lose_a_facet_in_silence(noise, place):
    data = solid("a", CORNERS[:4]).encode() + solid("b", CORNERS[4:8]).encode()
    notes = []
    try:
        found = read(data[:place] + noise + data[place:], notes)
    except FormatError:
        return
    assert len(found) == 8 or notes
