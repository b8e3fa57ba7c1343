"""Small PLY files for tests."""

import struct

SQUARE = [(0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (1.0, 1.0, 0.0), (0.0, 1.0, 0.0), (0.5, 0.5, 1.0)]
MIXED = [(0, 1, 2, 3), (0, 1, 4), (1, 2, 4), (0, 1), (2,), (), (2, 3, 4)]
CUT = [[0, 1, 2], [0, 2, 3], [0, 1, 4], [1, 2, 4], [2, 3, 4]]
ENCODINGS = ["ascii", "binary_little_endian", "binary_big_endian"]
CODES = {
    **{"char": "b", "uchar": "B", "short": "h", "ushort": "H", "int": "i", "uint": "I"},
    **{"int8": "b", "uint8": "B", "int16": "h", "uint16": "H", "int32": "i", "uint32": "I"},
    **{"float": "f", "double": "d", "float32": "f", "float64": "d"},
}


def write(encoding, elements, comment="comment nothing"):
    """A PLY file of elements (name, properties, rows); a list property is (length, type, name)."""
    order = ">" if encoding.endswith("big_endian") else "<"
    header, rows = ["ply", f"format {encoding} 1.0", comment], []
    for name, properties, values in elements:
        header.append(f"element {name} {len(values)}")
        for known in properties:
            header.append(" ".join(["property", *(["list"] if len(known) == 3 else []), *known]))
        for row in values:
            pairs = []
            for known, value in zip(properties, row, strict=True):
                if len(known) == 3:
                    pairs += [(known[0], len(value)), *((known[1], item) for item in value)]
                else:
                    pairs.append((known[0], value))
            if encoding == "ascii":
                rows.append(" ".join(repr(value) for _, value in pairs).encode() + b"\n")
            else:
                rows.append(b"".join(struct.pack(order + CODES[k], value) for k, value in pairs))
    return "\n".join([*header, "end_header\n"]).encode() + b"".join(rows)


def xyz(points=SQUARE, number="float"):
    return ("vertex", [(number, axis) for axis in "xyz"], points)


def indices(faces=MIXED, length="uchar", item="int", name="vertex_indices"):
    return ("face", [(length, item, name)], [(face,) for face in faces])
