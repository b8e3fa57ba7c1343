"""PLY files with more, or longer, rows than their headers declare."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.ply_builder import CUT, ENCODINGS, SQUARE, indices, write, xyz

from shapegan.pipeline.meshes.formats.ply import read_ply


def longer(data, tail):
    head, body = data.split(b"end_header\n")
    return head + b"end_header\n" + b"".join(line + tail + b"\n" for line in body.splitlines())


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_values_that_are_not_declared_are_left_out_with_a_note(line_end):
    notes = []
    data = longer(write("ascii", [xyz(), indices()]), b" 255 128 0.5").replace(b"\n", line_end)
    vertices, faces = read_ply(data, notes)
    np.testing.assert_array_equal(vertices, SQUARE)
    assert faces.tolist() == CUT
    assert notes == ["left out values of 12 rows that are longer than the header declares"]


def test_only_some_rows_may_be_longer():
    notes = []
    data = write("ascii", [xyz(), indices()]).replace(b"0.5 0.5 1.0\n", b"0.5 0.5 1.0 7 8\n")
    vertices, faces = read_ply(data, notes)
    np.testing.assert_array_equal(vertices, SQUARE)
    assert faces.tolist() == CUT
    assert notes == ["left out values of 1 rows that are longer than the header declares"]


@given(st.randoms(use_true_random=False))
def test_line_ends_anywhere_give_the_same_mesh(random):
    head, body = write("ascii", [xyz(), indices()]).split(b"end_header\n")
    body = b"".join(word + random.choice([b" ", b"\n", b"\r\n", b"\t"]) for word in body.split())
    notes = []
    vertices, faces = read_ply(head + b"end_header\n" + body, notes)
    np.testing.assert_array_equal(vertices, SQUARE)
    assert faces.tolist() == CUT
    assert notes == []


def fewer(encoding, faces):
    """A file of which the header declares fewer faces than there are."""
    return write(encoding, [xyz(), indices()]).replace(b"face 7", b"face %d" % faces)


@pytest.mark.parametrize(
    ("encoding", "left_out"),
    [
        ("ascii", "left out 5 numbers"),
        ("binary_little_endian", "left out 14 bytes"),
        ("binary_big_endian", "left out 14 bytes"),
    ],
)
def test_rows_that_are_not_declared_are_left_out_with_a_note(encoding, left_out):
    notes = []
    _, faces = read_ply(fewer(encoding, 5), notes)
    assert faces.tolist() == CUT[:-1]
    assert notes == [f"{left_out} after the rows that the header declares"]


def test_rows_that_are_longer_and_more_are_left_out_with_two_notes():
    notes = []
    _, faces = read_ply(longer(fewer("ascii", 4), b" 9"), notes)
    assert faces.tolist() == CUT[:-1]
    assert notes == [
        "left out values of 9 rows that are longer than the header declares",
        "left out 10 numbers after the rows that the header declares",
    ]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_blanks_after_the_rows_mean_nothing(encoding):
    notes = []
    _, faces = read_ply(write(encoding, [xyz(), indices()]) + b"\n \r\n", notes)
    assert faces.tolist() == CUT
    assert notes == []
