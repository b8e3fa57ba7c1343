import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shapegan.pipeline.meshes.formats.obj import read_obj
from shapegan.pipeline.meshes.formats.text import FormatError

TETRAHEDRON = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\n"
FACES = [[0, 1, 2], [0, 3, 1]]


def read(text):
    data = text if isinstance(text, bytes) else text.encode()
    vertices, faces = read_obj(data)
    assert vertices.dtype == np.float64
    assert faces.dtype == np.int64
    return vertices, faces.tolist()


@pytest.mark.parametrize(
    "faces",
    [
        "f 1 2 3\nf 1 4 2\n",
        "f 1 2 3\nf 1 4 2",
        "f 1/7 2/8 3/9\nf 1/7 4/7 2/7\n",
        "f 1/7/1 2/8/2 3/9/3\nf 1//5 4//5 2//5\n",
        "f 1/ 2/ 3/\nf 1// 4/2/ 2/\n",
        "f -4 -3 -2\nf -4 -1 -3\n",
        "f -4/-1/-1 -3/-1 -2\nf 1//-1 -1//-1 2\n",
        "f  1\t2 \v 3  \nf\t1 4\f2\t\n",
        "\tf 1 2 3\n   f 1 4 2\n",
        "f 1 2 3\r\nf 1 4 2\r\n",
        "f 1 2 3\rf 1 4 2\r",
        "f 1 2 \\\n3\nf 1\\\n 4 2\n",
        "f 1 2 \\\r\n3\r\nf 1 4 2\r\n",
        "f 1 2 \\ \n3\nf 1 \\\t\r\n4 \\  \n2\n",
        "usemtl C:\\wood\\ \nf 1 2 3\nf 1 4 2\n",
        "f 1 2 3 # a face\nf 1 4 2#another\n",
        "# C:\\meshes\\\nf 1 2 3\n#\n#\\\nf 1 4 2\n",
        "f +1 +2 +3\nf 01 004 2\n",
        "f 1 2\nf 3\nf\nf 1 2 3\nf 1 4 2\n",
        "s off\ng a b\nusemtl gold\nf 1 2 3\no thing\ns 1\nl 1 2 3\np 1\nf 1 4 2\nfo 1 2 3\n",
        "vn 0 0 1\nvt 0 1\nvp 1 2\nf 1 2 3\nvn\nvt 9\nf 1 4 2\n",
        "mtllib there is none.mtl\nmaplib x\nf 1 2 3\ncall evil.obj\nf 1 4 2\nfan 7 8 9\nvery\n",
    ],
)
def test_faces_in_all_manners(faces):
    vertices, found = read(TETRAHEDRON + faces)
    np.testing.assert_array_equal(vertices, [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)])
    assert found == FACES


@pytest.mark.parametrize(
    "line",
    [
        "v 1 -2.5 3e2",
        "v +1.0 -25E-1 300.",
        "v 1 -2.5 3e+2 1.0",
        "v 1 -2.5 3e2 0.5 0.5 0.5",
        "v 1 -2.5 3e2 0.5 0.5 0.5 1",
        "  v\t1  -2.5\t300 # here",
        "v 1 \\\n -2.5 3e2",
        "v 01 -02.500 300",
    ],
)
def test_vertices_in_all_manners(line):
    vertices, faces = read(f"{line}\nv 0 0 0\n{line}\nf 1 2 3\n")
    np.testing.assert_array_equal(vertices, [(1, -2.5, 300), (0, 0, 0), (1, -2.5, 300)])
    assert faces == [[0, 1, 2]]


def test_the_last_digit_counts():
    values = [0.1, 1 / 3, 5e-324, 1.7976931348623157e308]
    text = "".join(f"v {value!r} 0 0\n" for value in values)
    np.testing.assert_array_equal(read(text)[0][:, 0], values)


def test_faces_may_come_before_and_among_vertices():
    corners = ["v 0 0 0\n", "v 1 0 0\n", "v 0 1 0\n", "v 0 0 1\n"]
    assert read("f 1 2 3\n" + "".join(corners) + "f 1 4 2\n")[1] == FACES
    mixed = "".join(corners[:3]) + "f -3 -2 -1\n" + corners[3] + "f -4 -1 -3\n"
    assert read(mixed)[1] == FACES


def test_polygons_are_cut():
    square = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n"
    assert read(square + "f 1 2 3 4\nf 4/1 3/1 2/1\n")[1] == [[0, 1, 2], [0, 2, 3], [3, 2, 1]]
    dart = "v 0 2 0\nv 0.2 0 0\nv 0 -2 0\nv 1 0 0\n"
    assert read(dart + "f 1 2 3 4\n")[1] == [[3, 0, 1], [1, 2, 3]]


@pytest.mark.parametrize("name", ["caf\xe9", "\xff\xfe\x80", "\u6905\u5b50", "a \x00 b", "# \\ /"])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16-le"])
def test_names_may_be_anything(name, encoding):
    raw = name.encode(encoding, "ignore").replace(b"\n", b"")
    data = b"o " + raw + b"\n" + TETRAHEDRON.encode() + b"g " + raw + b"\nf 1 2 3\nf 1 4 2\n"
    assert read(data)[1] == FACES


def test_a_byte_order_mark_is_skipped():
    assert read(b"\xef\xbb\xbf" + TETRAHEDRON.encode() + b"f 1 4 2\n")[1] == FACES[1:]


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("nan", math.nan),
        ("-NaN", math.nan),
        ("-nan(ind)", math.nan),
        ("1.#QNAN", math.nan),
        ("-1.#IND00", math.nan),
        ("inf", math.inf),
        ("-Infinity", -math.inf),
        ("1e999", math.inf),
    ],
)
def test_numbers_that_are_not_finite_are_read_as_such(word, value):
    vertices, faces = read(f"{TETRAHEDRON}v 1 {word} 2\nf 1 2 3\nf 1 4 2\n")
    np.testing.assert_array_equal(vertices[4, ::2], [1, 2])
    if math.isinf(value):
        assert vertices[4, 1] == value
    else:
        assert math.isnan(vertices[4, 1])
    assert faces == FACES


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no vertices"),
        ("f 1 2 3\n", "no vertices"),
        ("<html><body>v 1 2 3</body></html>\n", "no vertices"),
        ("v 1 2\n", "vertex 1 has 2 numbers, expected 3"),
        ("v 1 2 3\nv\nv 1\n", "vertex 2 has 0 numbers, expected 3"),
        ("v 1 2 x3\n", "a vertex has 'x3' where a number should be"),
        ("v 1,0 2,0 3,0\n", "a vertex has '1,0' where a number should be"),
        ("v 1 2 \x1b[31m\n", r"a vertex has '\x1b[31m' where a number should be"),
        (TETRAHEDRON + "f 1 2 5\n", "face 1 uses vertex 5; there are vertices 1 to 4"),
        (TETRAHEDRON + "f 1 2 3\nf 1 2 0\n", "face 2 uses vertex 0; there are vertices 1 to 4"),
        (TETRAHEDRON + "f -1 -2 -5\n", "face 1 uses vertex -5; there are vertices 1 to 4"),
        (
            TETRAHEDRON + "f 1 2 99999999999999999999999\n",
            "face 1 uses vertex 9223372036854775807; there are vertices 1 to 4",
        ),
        ("v 0 0 0\nf -1 -2 1\nv 1 1 1\n", "face 1 uses vertex -2; there are vertices 1 to 2"),
        (TETRAHEDRON + "f 1 2 3.5\n", "a face has '3.5' where an index should be"),
        (TETRAHEDRON + "f 1/1/1 2/x/1 3\n", "a face has '2/x/1' where an index should be"),
        (TETRAHEDRON + "f 1 2 /3\n", "a face has '/3' where an index should be"),
        (TETRAHEDRON + "f 1 2 3 -\n", "face 1 uses vertex 0; there are vertices 1 to 4"),
        (TETRAHEDRON + "f 1 2 nan\n", "a face has 'nan' where an index should be"),
        (TETRAHEDRON + "f one\n", "a face has 'one' where an index should be"),
    ],
)
def test_messages_name_the_fault(text, message):
    with pytest.raises(FormatError) as error:
        read_obj(text.encode())
    assert str(error.value) == message


LINE = st.sampled_from(
    (
        *("v 1 2 3", "v 4 5 6 7", "v nan 0 1", "v 1 2", "v -", "v", "vn 1 2 3", "\\", "#"),
        *("f 1 2 3", "f 1 2 3 4 5", "f -1 -2 -3", "f 1/1 2/2 3//3", "f 1//", "f 1/2", "f"),
        *("f 9 9 9", "f 1 2 x", "f 1 2 -"),
    )
)


@given(st.lists(LINE), st.sampled_from(["\n", "\r\n", " \n", "\\\n", "\n\n", "\r"]))
def test_any_lines_give_faces_in_range_or_a_reason(lines, end):
    try:
        vertices, faces = read_obj(end.join(lines).encode())
    except FormatError:
        return
    assert vertices.shape == (len(vertices), 3)
    assert faces.shape == (len(faces), 3)
    assert not faces.size or 0 <= faces.min() <= faces.max() < len(vertices)


def lines_one_by_one(text):
    """What the format says, said slowly."""
    vertices, faces = [], []
    for line in text.replace("\\\n", " ").split("\n"):
        keyword, *words = line.split("#")[0].split() or [""]
        if keyword == "v":
            vertices.append([float(word) for word in words[:3]])
        if keyword == "f":
            corners = [int(word.split("/")[0]) for word in words]
            corners = [k - 1 if k > 0 else len(vertices) + k for k in corners]
            faces += [[corners[0], *corners[k : k + 2]] for k in range(1, len(corners) - 1)]
    return vertices, faces


@st.composite
def noisy_files(draw):
    """Random meshes, written in as many manners as the format has."""
    blank = st.sampled_from([" ", " ", "  ", "\t", " \\\n "])
    number = st.floats(-1e6, 1e6) | st.integers(-99, 99) | st.floats(-1e-300, 1e-300)
    noise = st.sampled_from(
        [
            "",
            "# v 1 2 3",
            "g one two",
            "usemtl gold",
            "vn 0 0 1",
            "vt 0 0",
            "o f 1 2 3",
            "s 1",
            "   ",
        ]
    )
    lines, count = [], 0
    for kind in draw(st.lists(st.sampled_from("vvvf"), max_size=40)):
        words = [kind]
        if kind == "v" or count < 3:
            words = ["v"] + [repr(draw(number)) for _ in range(draw(st.sampled_from([3, 3, 4, 6])))]
            count += 1
        else:
            for _ in range(draw(st.sampled_from([3, 3, 3, 1, 2]))):
                index = draw(st.integers(1, count))
                index = index - count - 1 if draw(st.booleans()) else index
                words.append(f"{index}{draw(st.sampled_from(['', '/1', '//2', '/1/2', '/-1']))}")
        lines.append(draw(st.sampled_from(["", "", " ", "\t"])) + draw(blank).join(words))
        lines[-1] += draw(st.sampled_from(["", "", " ", " # end", "\t"]))
        lines.append(draw(noise))
    return "\n".join(lines) + draw(st.sampled_from(["", "\n"]))


@given(noisy_files(), st.sampled_from(["\n", "\r\n"]))
def test_reading_at_once_equals_reading_line_by_line(text, end):
    vertices, faces = lines_one_by_one(text)
    if not vertices:
        return
    found_vertices, found_faces = read(text.replace("\n", end))
    np.testing.assert_array_equal(found_vertices, vertices)
    assert found_faces == faces
