import functools
import hashlib
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from support import shapes
from support.examples import examples

from shapegan.pipeline.config import PreprocessConfig
from shapegan.pipeline.files import OutputError
from shapegan.pipeline.inputs.discover import discover
from shapegan.pipeline.meshes.load import load
from shapegan.pipeline.run.process_mesh import process
from shapegan.pipeline.samples.kinds import KINDS
from shapegan.pipeline.samples.sample import TOLERANCE, make_sample, write_samples
from shapegan.pipeline.samples.solid import load_solid
from shapegan.pipeline.schema import Job, grid_points
from shapegan.pipeline.sdf.mesh_field import ROD_FACTOR, make_field

EACH = [(kind, index) for kind in KINDS for index in range(6)]
SOME = [(kind, index) for kind in KINDS for index in (0, 3)]
ROUNDING = 1e-7
"""Of coordinates."""

sample_of = functools.cache(make_sample)


@functools.cache
def solid_of(kind, seed, index):
    """The solid of a sample whose meshes are ten times coarser, so made in less time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shapegan.pipeline.samples.sample.TOLERANCE", 10 * TOLERANCE)
        return make_sample(kind, seed, index).solid


def write(kinds, count, seed, out, **options):
    return list(write_samples(kinds, count, seed, out, **options))


def digests(out):
    files = sorted(path for path in out.rglob("*") if path.is_file())
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


@pytest.mark.parametrize(("kind", "index"), EACH)
def test_intact_meshes_are_their_solids(kind, index):
    sample = sample_of(kind, 0, index)
    mesh, solid = sample.intact, sample.solid
    # 1. ShapeNet's frame, filled.
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    np.testing.assert_allclose(low + high, 0, atol=3 * ROUNDING)
    np.testing.assert_allclose(np.linalg.norm(high - low), 1, atol=3 * ROUNDING)

    # 2. A component for each primitive, closed and wound outwards, and on the primitive.
    allowed = TOLERANCE * (high - low).max() + ROUNDING
    own = mesh.vertices / solid.scale + np.array(solid.center)
    for primitive, faces in zip((*solid.primitives, *solid.sheets), components(mesh), strict=True):
        gap = np.abs(primitive.distance(own[np.unique(faces)])) * solid.scale
        assert gap.max() < 2 * ROUNDING
        middles = own[faces].mean(axis=1)
        assert np.abs(primitive.distance(middles)).max() * solid.scale < 1.02 * allowed
        edges = {tuple(edge) for k in range(3) for edge in faces[:, [k, k - 2]].tolist()}
        assert len(edges) == 3 * len(faces)
        assert ({(b, a) for a, b in edges} == edges) == (not primitive.is_sheet)
        assert primitive.is_sheet or shapes.volume(mesh.vertices, faces) > 0


def components(mesh):
    """Faces (F, 3) of each part that shares no vertex with another, in order."""
    rows, columns = mesh.faces[:, :2].ravel(), mesh.faces[:, 1:].ravel()
    graph = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(mesh.vertices),) * 2)
    label = connected_components(graph, directed=False)[1][mesh.faces[:, 0]]
    first = np.unique(label, return_index=True)[1]
    return [mesh.faces[label == label[at]] for at in np.sort(first)]


@pytest.mark.parametrize(("kind", "index"), SOME)
def test_the_solid_is_what_the_intact_mesh_encloses(kind, index):
    sample = sample_of(kind, 3, index)
    mesh, solid = sample.intact, sample.solid
    closed = np.concatenate(components(mesh)[: len(solid.primitives)])
    points = 0.5 * shapes.points_around(40, index).astype(np.float64)
    near = shapes.points_near((mesh.vertices, mesh.faces), 40, 0.01, index)
    points = np.concatenate([points, near])
    inside = shapes.winding_numbers(points, mesh.vertices, closed) > 0.5
    got = solid.signed_distance(points)
    clear = np.abs(got) > 1e-3
    np.testing.assert_array_equal(got[clear] < 0, inside[clear])
    assert 0 < inside.sum() < len(inside)
    gap = shapes.distances(points[~inside], mesh.vertices, mesh.faces)
    nearest = np.minimum(got, solid.sheet_distance(points))[~inside]
    np.testing.assert_allclose(nearest, gap, atol=1e-3)


@examples(30)
@given(st.sampled_from(EACH), st.integers(0, 2**32 - 1), st.floats(1e-3, 0.5))
def test_distances_are_1_lipschitz(which, seed, step):
    solid = sample_of(which[0], 0, which[1]).solid
    start = shapes.points_around(200, seed).astype(np.float64)
    end = start + step * shapes.points_around(200, seed + 1)
    change = np.abs(solid.signed_distance(end) - solid.signed_distance(start))
    assert (change <= np.linalg.norm(end - start, axis=1) + 1e-9).all()


@pytest.mark.parametrize("kind", KINDS)
def test_all_samples_differ(kind):
    found = [solid_of(kind, 0, index) for index in range(24)]
    found += [solid_of(kind, 1, index) for index in range(4)]
    points = shapes.points_around(400, reach=0.45).astype(np.float64)
    fields = np.stack([solid.signed_distance(points) for solid in found])
    apart = np.abs(fields[:, None] - fields).mean(axis=2)
    assert apart[~np.eye(len(found), dtype=bool)].min() > 1e-3
    assert len({len(solid.primitives) for solid in found}) >= 6


@pytest.mark.parametrize("kind", ["chairs", "tables", "planes"])
def test_a_few_have_bare_sheets_and_most_have_none(kind):
    sheets = [bool(solid_of(kind, 0, index).sheets) for index in range(24)]
    assert 2 <= sum(sheets) <= 12


def test_meshes_with_defects_have_them_and_keep_their_place():
    flipped, torn, doubled, holes = [], [], [], []
    for kind, index in EACH:
        sample = sample_of(kind, 0, index)
        mesh, intact = sample.mesh, sample.intact
        np.testing.assert_allclose(np.ptp(mesh.vertices, axis=0), np.ptp(intact.vertices, axis=0))
        used = mesh.vertices[np.unique(mesh.faces)]
        sheets = sample.solid.sheet_distance(used)
        assert np.minimum(sample.solid.signed_distance(used), sheets).max() < 1e-6
        triangles = np.sort(mesh.vertices[mesh.faces].reshape(len(mesh.faces), -1), axis=1)
        doubled.append(len(np.unique(triangles, axis=0)) < len(triangles))
        torn.append(len(mesh.vertices) > len(intact.vertices) + len(intact.faces) / 4)
        flipped.append((_corners(mesh) & _corners(intact)).total() < 0.97 * len(intact.faces))
        holes.append(len(mesh.faces) > len(intact.faces))
    for spoilt in (flipped, torn, doubled, holes):
        assert np.mean(spoilt) > 0.5


def _corners(mesh):
    """Faces by their corners' positions, winding kept, however they begin."""
    triangles = mesh.vertices[mesh.faces].tolist()
    found = (t[k:] + t[:k] for t in triangles for k in [t.index(min(t))])
    return Counter(tuple(map(tuple, triangle)) for triangle in found)


def test_the_same_bytes_whatever_the_count(tmp_path):
    write(("chairs", "planes"), 2, 5, tmp_path / "two")
    write(("planes",), 5, 5, tmp_path / "five")
    two, five = digests(tmp_path / "two"), digests(tmp_path / "five")
    assert len(two) == 8
    assert len(five) == 10
    both = two.keys() & five.keys()
    assert len(both) == 4
    assert all(two[name] == five[name] for name in both)
    write(("planes",), 1, 6, tmp_path / "other")
    other = digests(tmp_path / "other")
    assert all(other[name] != five[name] for name in other)


def test_written_samples_are_discovered_and_loaded(tmp_path):
    paths = write(tuple(KINDS), 2, 0, tmp_path)
    jobs = discover(tmp_path).jobs
    assert sorted(job.path for job in jobs) == sorted(paths)
    assert {job.category for job in jobs} == {kind.synset for kind in KINDS.values()}
    assert tmp_path / "03001627/chair-0001/models/model_normalized.obj" in paths
    sample = sample_of("sofas", 0, 1)
    mesh = load(sample.path(tmp_path))
    np.testing.assert_array_equal(mesh.faces.shape, sample.mesh.faces.shape)
    np.testing.assert_array_equal(
        mesh.vertices[mesh.faces], sample.mesh.vertices[sample.mesh.faces]
    )
    solid = load_solid(sample.path(tmp_path).with_name("solid.json"))
    points = shapes.points_around(100).astype(np.float64)
    np.testing.assert_array_equal(
        solid.signed_distance(points), sample.solid.signed_distance(points)
    )


def test_intact_meshes_are_written_on_request(tmp_path):
    (path,) = write(("tables",), 1, 0, tmp_path, intact=True)
    intact = sample_of("tables", 0, 0).intact
    mesh = load(path)
    np.testing.assert_array_equal(mesh.vertices[mesh.faces], intact.vertices[intact.faces])


def test_adds_to_a_folder_and_never_replaces(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    write(("chairs",), 1, 0, tmp_path)
    before = digests(tmp_path)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.obj")}
    write(("chairs",), 2, 0, tmp_path)
    assert digests(tmp_path).items() > before.items()
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())
    before = digests(tmp_path)
    with pytest.raises(OutputError, match="another model already; choose another --out"):
        write(("chairs",), 1, 1, tmp_path)
    assert digests(tmp_path) == before


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*: Not a directory") as caught:
        write(("chairs",), 1, 0, tmp_path / "file")
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_preprocessing_comes_back_to_the_exact_solid(kind, tmp_path):
    """Close to it only where nothing is thickened, beyond what thickening does in any case."""
    config = PreprocessConfig(resolutions=(64,), points=0)
    write((kind,), 8, 0, tmp_path)
    for job in discover(tmp_path).jobs:
        exact = make_field(load(job.path), sheet_thickness=0.0)
        scale = exact.frame.scale_cube
        assert wrong_share(job, exact.field.voxels(64), exact.frame.center, scale) <= 0.005, job.id
        shape = process(job, config).shape
        assert shape is not None, job.id
        thick = ROD_FACTOR * config.sheet_thickness
        share = wrong_share(job, shape.voxels[64], shape.center, shape.scale_cube, thick)
        assert share <= 0.005, job.id


def wrong_share(job: Job, voxels, center, scale: float, thick: float = 0.0) -> float:
    """Wrong signs as a share of the inside, without what may have been thickened by so much."""
    solid = load_solid(job.path.with_name("solid.json"))
    points = center.astype(np.float64) + scale * grid_points(64)
    truth = solid.signed_distance(points) / scale
    # The cube is 2 wide, so the mesh itself may be 2 * TOLERANCE beside the solid.
    clear = solid.sheet_distance(points) > scale * (thick + 1e-3)
    clear &= np.abs(truth) > thick + 2 * TOLERANCE
    wrong = (voxels.ravel() < 0) != (truth < 0)
    return float((wrong & clear).sum() / (truth < 0).sum())
