import numpy as np
import pytest
from support.gltf_builder import TRIANGLE, Builder, rejection_reason


@pytest.mark.parametrize(
    ("dtype", "largest"), [("<i1", 127), ("<u1", 255), ("<i2", 32767), ("<u2", 65535)]
)
def test_normalised_integer_positions_are_divided_by_their_largest(dtype, largest):
    lowest = 0 if "u" in dtype else -largest
    stored = np.array([(0, 0, 0), (largest, 0, 0), (0, largest, lowest)], dtype)
    expected = [[[0, 0, 0], [1, 0, 0], [0, 1, lowest / largest]]]
    builder = Builder(stored, normalized=True)
    builder.tree["extensionsRequired"] = ["KHR_mesh_quantization"]
    np.testing.assert_array_equal(builder.read(), expected)
    np.testing.assert_array_equal(Builder(stored).read(), [stored])
    if lowest:
        stored[2, 2] -= 1
        np.testing.assert_array_equal(Builder(stored, normalized=True).read(), expected)


def test_strides_and_offsets():
    wide = np.zeros((3, 5), "<f4")
    wide[:, 1:4] = TRIANGLE
    builder = Builder()
    view = builder.view(wide.tobytes(), byteStride=20)
    builder.tree["accessors"][0] |= {"bufferView": view, "byteOffset": 4}
    np.testing.assert_array_equal(builder.read(), [TRIANGLE])
    builder.tree["accessors"][0]["byteOffset"] = 12
    assert "accessor ends at byte 64, its buffer view at 60" in rejection_reason(builder)


def test_accessors_without_a_view_are_zero_and_sparse_values_replace_some():
    builder = Builder()
    empty = {"componentType": 5126, "count": 3, "type": "VEC3"}
    sparse = {
        "count": 2,
        "indices": {"bufferView": builder.view(bytes([1, 2])), "componentType": 5121},
        "values": {"bufferView": builder.view(TRIANGLE[1:].tobytes())},
    }
    builder.tree["accessors"][0] = empty | {"sparse": sparse}
    np.testing.assert_array_equal(builder.read(), [TRIANGLE])
    base = builder.view(np.full((3, 3), 7, "<f4").tobytes())
    builder.tree["accessors"][0]["bufferView"] = base
    np.testing.assert_array_equal(builder.read(), [[(7, 7, 7), *TRIANGLE[1:].tolist()]])
    builder.tree["accessors"][0] = empty
    np.testing.assert_array_equal(builder.read(), np.zeros((1, 3, 3)))
    builder.tree["accessors"][0] = empty | {"count": 2, "sparse": sparse}
    assert "sparse" in rejection_reason(builder)
    builder.tree["accessors"][0] = empty | {"count": 10**9}
    assert "1000000000 elements" in rejection_reason(builder)
