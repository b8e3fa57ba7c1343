import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.gallery import CENTER, SCALE, make_gallery

from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.dataset.selection import Choice, ChoiceError
from shapegan.pipeline.files import OutputError
from shapegan.pipeline.pictures.contact_sheet import (
    ContactSheetSettings,
    draw_contact_sheet,
    write_contact_sheet,
)

SMALL = ContactSheetSettings(panel=64)
MARGIN, GAP, TOP, CAPTION = 28, 6, 101, 26


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_gallery(tmp_path_factory.mktemp("gallery"))


@pytest.fixture
def dataset(gallery: Path) -> Dataset:
    return Dataset(gallery)


def panels(image: Image.Image, shapes: int, size: int = 64) -> list[list[np.ndarray]]:
    """Crop the four pictures of each shape."""
    pixels = np.asarray(image).astype(int)
    columns = 2 if shapes > 4 else 1
    block = 4 * (size + GAP) - GAP + 2 * MARGIN
    found = []
    for place in range(shapes):
        left = MARGIN + place % columns * block
        top = TOP + place // columns * (CAPTION + size + 18) + CAPTION
        row = pixels[top : top + size]
        found.append([row[:, x : x + size] for x in (left + k * (size + GAP) for k in range(4))])
    return found


def covered(panel: np.ndarray) -> np.ndarray:
    """Mask of coloured pixels: neither white nor the floor's shadow, which is grey."""
    return np.ptp(panel, axis=-1) > 6


def is_note(panel: np.ndarray) -> bool:
    """Return whether a panel shows a note instead of a picture."""
    empty = (panel == (246, 246, 247)).all(axis=-1).mean()
    return bool(0.5 < empty < 0.99 and panel.min() < 160)


@pytest.mark.parametrize(("shapes", "columns"), [(1, 1), (4, 1), (5, 2), (6, 2)])
def test_a_sheet_has_the_size_of_its_shapes(dataset: Dataset, shapes: int, columns: int) -> None:
    image = draw_contact_sheet(dataset, range(shapes), Path(dataset.manifest.input), "title", SMALL)
    width = columns * (4 * (64 + GAP) - GAP + 2 * MARGIN)
    rows = -(-shapes // columns)
    assert image.size == (width, TOP + rows * (CAPTION + 64 + 18) + MARGIN - 18)
    for row in panels(image, shapes):
        assert all(panel.std() > 5 for panel in row)


def test_mesh_and_voxels_cover_the_same_pixels(dataset: Dataset) -> None:
    image = draw_contact_sheet(
        dataset, [2], Path(dataset.manifest.input), "", ContactSheetSettings(panel=128)
    )
    mesh, coarse, fine, _ = (covered(panel) for panel in panels(image, 1, 128)[0])
    assert mesh.mean() == pytest.approx(np.pi / 4 * 0.88**2, abs=0.06)
    assert (mesh ^ fine).mean() < 0.03
    assert (mesh ^ coarse).mean() < 0.06
    assert (mesh & fine).mean() > 0.5


def test_meshes_and_voxels_have_their_colours(dataset: Dataset) -> None:
    mesh, coarse, fine, field = panels(
        draw_contact_sheet(dataset, [0], Path(dataset.manifest.input), "", SMALL), 1
    )[0]
    assert mesh[32, 32, 0] > mesh[32, 32, 2]
    for panel in (coarse, fine, field):
        assert panel[32, 32, 2] > panel[32, 32, 0] + 30
    assert field[2, 2, 0] > field[2, 2, 2] + 30


def test_meshes_may_have_moved(dataset: Dataset, tmp_path: Path) -> None:
    here = draw_contact_sheet(dataset, [3], Path(dataset.manifest.input), "", SMALL)
    moved = Path(shutil.copytree(dataset.manifest.input, tmp_path / "moved"))
    assert np.array_equal(here, draw_contact_sheet(dataset, [3], moved, "", SMALL))


def test_a_note_replaces_a_missing_or_broken_mesh(dataset: Dataset, tmp_path: Path) -> None:
    gone = panels(draw_contact_sheet(dataset, [0], tmp_path, "", SMALL), 1)[0]
    (tmp_path / "ball0.obj").write_text("nonsense")
    broken = panels(draw_contact_sheet(dataset, [0], tmp_path, "", SMALL), 1)[0]
    assert is_note(gone[0])
    assert is_note(broken[0])
    assert not np.array_equal(gone[0], broken[0])
    for panel in gone[1:3]:
        assert covered(panel).mean() > 0.4
        assert not is_note(panel)


def test_a_note_replaces_voxels_without_a_surface(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "voxels", lambda _, r: np.ones((r, r, r), np.float32))
    row = panels(draw_contact_sheet(dataset, [0], Path(dataset.manifest.input), "", SMALL), 1)[0]
    assert [is_note(panel) for panel in row] == [False, True, True, False]


def test_poor_recall_is_red(dataset: Dataset) -> None:
    def red(index: int) -> int:
        image = draw_contact_sheet(
            dataset, [index], Path(dataset.manifest.input), "", ContactSheetSettings()
        )
        caption = np.asarray(image).astype(int)[TOP + 2 : TOP + CAPTION]
        return int((caption[..., 0] > caption[..., 1] + 80).sum())

    assert red(1) > 20
    assert red(2) == 0


def test_long_and_unprintable_names_fit(dataset: Dataset) -> None:
    title = "\udcff\u4e2d" * 300
    dataset.accepted[0] = dataclasses.replace(dataset.accepted[0], id=title, category=title)
    settings = ContactSheetSettings(panel=128)
    image = draw_contact_sheet(dataset, [0], Path(dataset.manifest.input), title, settings)
    pixels = np.asarray(image)
    assert (pixels[:TOP] < 100).any()
    assert (pixels[:, -MARGIN // 2 :] == 255).all()


def test_the_chosen_shapes_are_written_as_png(dataset: Dataset, tmp_path: Path) -> None:
    first, again = tmp_path / "a.png", tmp_path / "b.png"
    assert write_contact_sheet(first, dataset, Choice(worst=2), settings=SMALL) == 2
    assert write_contact_sheet(again, dataset, Choice(worst=2), settings=SMALL) == 2
    assert first.read_bytes() == again.read_bytes()
    with Image.open(first) as image:
        assert image.format == "PNG"
        assert len(panels(image, 2)) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]


def test_unwritable_files_and_unknown_shapes_are_reported(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        write_contact_sheet(tmp_path / "no" / "a.png", dataset, Choice(count=1), settings=SMALL)
    with pytest.raises(ChoiceError, match="no mesh x"):
        write_contact_sheet(tmp_path / "a.png", dataset, Choice(ids=("x",)), settings=SMALL)
    assert list(tmp_path.iterdir()) == []


def test_the_gallery_has_its_frame(dataset: Dataset) -> None:
    frame = dataset.frame(0)
    assert np.allclose(frame.center, CENTER)
    assert frame.scale_cube == SCALE
