"""Accessors of glTF 2.0: typed arrays in buffer views, sparse ones included.

Source: the Khronos glTF 2.0 specification, section 3.6.2, and `KHR_mesh_quantization`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shapegan.pipeline.meshes.formats.gltf_document import (
    Document,
    Json,
    printable_text,
    whole,
)
from shapegan.pipeline.meshes.formats.text import FormatError

MAX_COUNT = 100_000_000
"""Limit of the elements of an accessor; those without a buffer view cost no bytes in the file."""

_DTYPES = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_COMPONENTS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


def read_floats(document: Document, index: Any, components: int) -> NDArray[np.float64]:
    """Values (N, components) of an accessor; normalised integers become numbers up to 1.

    Raises:
        FormatError: the accessor is of another type, or its data are missing.
    """
    values = _values(document, index, components)
    return scaled(values, document.item("accessors", index))


def read_integers(document: Document, index: Any, components: int) -> NDArray[np.int64]:
    """Values (N, components) of an accessor of unsigned integers.

    Raises:
        FormatError: the accessor is of another type, or its data are missing.
    """
    values = _values(document, index, components)
    if values.dtype.kind != "u":
        raise FormatError(f"accessor {index} holds {values.dtype.name}, expected unsigned integers")
    return values.astype(np.int64)


def count_of(document: Document, index: Any) -> int:
    """Number of elements of an accessor, of which at most `MAX_COUNT` are allowed."""
    count = whole(document.item("accessors", index), "count")
    if count > MAX_COUNT:
        raise FormatError(f"an accessor has {count} elements, more than {MAX_COUNT}")
    return count


def scaled(values: NDArray[Any], accessor: Json) -> NDArray[np.float64]:
    """Stored values as float64, divided by the largest integer of their type if normalised."""
    with np.errstate(invalid="ignore"):  # casting a signalling NaN
        numbers = values.astype(np.float64)
    if accessor.get("normalized") is True and values.dtype.kind in "iu":
        numbers = np.maximum(numbers / np.iinfo(values.dtype).max, -1.0)
    return numbers


def _values(document: Document, index: Any, components: int) -> NDArray[Any]:
    """Values (N, components) as they are stored."""
    accessor = document.item("accessors", index)
    kind = accessor.get("type")
    if _COMPONENTS.get(str(kind)) != components:
        raise FormatError(
            f"an accessor is of type {printable_text(kind)}, expected {components} components"
        )
    count, dtype = count_of(document, index), _dtype(accessor)
    if "bufferView" in accessor:
        values = _stored(document, accessor, dtype, count, components)
    else:
        values = np.zeros((count, components), dtype)
    return _with_sparse(document, accessor, values) if "sparse" in accessor else values


def _dtype(item: Json) -> np.dtype[Any]:
    code = item.get("componentType")
    if not isinstance(code, int) or code not in _DTYPES:
        raise FormatError(f"an accessor has the component type {printable_text(code)}")
    return np.dtype(_DTYPES[code])


def _stored(
    document: Document, item: Json, dtype: np.dtype[Any], count: int, components: int
) -> NDArray[Any]:
    """Values (N, components) in the buffer view of an accessor, or of one of its sparse parts."""
    data = document.view(item["bufferView"])
    start, size = whole(item, "byteOffset", 0), components * dtype.itemsize
    stride = whole(document.item("bufferViews", item["bufferView"]), "byteStride", 0) or size
    if count == 0:
        return np.empty((0, components), dtype)
    end = start + stride * (count - 1) + size
    if end > len(data):
        raise FormatError(f"an accessor ends at byte {end}, its buffer view at {len(data)}")
    shape, strides = (count, components), (stride, dtype.itemsize)
    return np.ndarray(shape, dtype, data, start, strides)


def _with_sparse(document: Document, accessor: Json, values: NDArray[Any]) -> NDArray[Any]:
    """A copy of the values with those of the sparse accessor put in."""
    sparse = accessor["sparse"]
    count = whole(sparse, "count")
    indices = sparse["indices"]
    rows = _stored(document, indices, _dtype(indices), count, 1)[:, 0]
    if rows.dtype.kind != "u" or np.any(rows >= len(values)):
        raise FormatError("a sparse accessor replaces values that it does not have")
    replaced = values.copy()
    replaced[rows] = _stored(document, sparse["values"], values.dtype, count, values.shape[1])
    return replaced
