import bz2
import gzip
import io
import lzma
import zlib

import numpy as np
import pytest
import trimesh

from shapegan.pipeline.meshes import compressed
from shapegan.pipeline.meshes.load import FILE_SUFFIXES, SUFFIXES, load
from shapegan.pipeline.meshes.triangle_mesh import BadMeshError

PACK = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}
CONE = trimesh.creation.cone(0.5, 1.25)


def exported(suffix):
    if suffix == ".gltf":
        return CONE.export(file_type="gltf", merge_buffers=True, embed_buffers=True)["model.gltf"]
    data = CONE.export(file_type=suffix[1:])
    return data.encode() if isinstance(data, str) else data


def reason(folder, data, name="cone.obj.gz"):
    (folder / name).write_bytes(data)
    with pytest.raises(BadMeshError) as error:
        load(folder / name)
    line = str(error.value)
    assert line.isprintable()
    assert len(line) < 160
    return line


@pytest.mark.parametrize("packing", PACK)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_compressed_file_is_read_like_the_plain_one(tmp_path, suffix, packing):
    data = exported(suffix)
    plain, packed = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}{packing.upper()}"
    plain.write_bytes(data)
    packed.write_bytes(PACK[packing](data))
    assert f"{suffix}{packing}" in FILE_SUFFIXES
    np.testing.assert_array_equal(load(packed).vertices, load(plain).vertices)
    np.testing.assert_array_equal(load(packed).faces, load(plain).faces)


def test_buffers_beside_a_compressed_gltf_are_found(tmp_path):
    for name, data in CONE.export(file_type="gltf").items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "c.gltf.gz").write_bytes(gzip.compress((tmp_path / "model.gltf").read_bytes()))
    assert len(load(tmp_path / "c.gltf.gz").faces) == len(CONE.faces)


def test_several_compressed_parts_are_one_file(tmp_path):
    data = exported(".obj")
    (tmp_path / "a.obj.gz").write_bytes(gzip.compress(data[:500]) + gzip.compress(data[500:]))
    assert len(load(tmp_path / "a.obj.gz").faces) == len(CONE.faces)


@pytest.mark.parametrize("packing", PACK)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_file_that_is_cut_off_is_refused(tmp_path, packing, share):
    packed = PACK[packing](exported(".obj"))
    found = reason(tmp_path, packed[: int(share * len(packed))], f"a.obj{packing}")
    assert found == f"cut off: the {packing} file has no end"


@pytest.mark.parametrize("packing", PACK)
def test_other_contents_are_refused(tmp_path, packing):
    assert f"not a readable {packing} file" in reason(tmp_path, exported(".obj"), f"a.obj{packing}")


def test_a_damaged_file_is_refused(tmp_path):
    packed = bytearray(gzip.compress(exported(".obj")))
    packed[len(packed) // 2] ^= 255
    packed[-6] ^= 255
    assert "not a readable .gz file" in reason(tmp_path, bytes(packed))


def test_a_file_that_would_fill_the_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(compressed, "MAX_BYTES", 5 * 2**20)
    found = reason(tmp_path, gzip.compress(bytes(50 * 2**20)))
    assert found == "expands to more than 0.0052 GB: unpack it if that is right"


def test_no_more_than_the_limit_is_decompressed(monkeypatch):
    taken = []
    read = gzip.GzipFile.read

    def count(file, size=-1):
        taken.append(size)
        return read(file, size)

    monkeypatch.setattr(compressed, "MAX_BYTES", 2**20)
    monkeypatch.setattr(gzip.GzipFile, "read", count)
    packer = zlib.compressobj(wbits=31)
    packed = io.BytesIO()
    for _ in range(64):
        packed.write(packer.compress(bytes(2**20)))
    packed.write(packer.flush())
    with pytest.raises(BadMeshError, match="expands to more than"):
        compressed.decompress(packed.getvalue(), ".gz")
    assert len(taken) <= 3
    assert 0 < max(taken) <= 2**20


@pytest.mark.parametrize(
    "data",
    [b"", gzip.compress(b""), gzip.compress(b"\n \n")],
    ids=["no bytes", "nothing", "blanks"],
)
def test_an_empty_file_is_refused(tmp_path, data):
    assert reason(tmp_path, data) == "empty file"


def test_a_compressed_file_with_the_suffix_of_a_plain_one_says_what_to_do(tmp_path):
    found = reason(tmp_path, gzip.compress(exported(".obj")), "cone.obj")
    assert found == "compressed by gzip: append .gz to its name, or unpack it"


def test_an_unknown_format_inside_is_named(tmp_path):
    assert "unknown kind of file '.png'" in reason(tmp_path, gzip.compress(b"x"), "a.png.gz")
