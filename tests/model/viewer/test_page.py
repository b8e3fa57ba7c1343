"""The pages without a browser: the tests set the controls in its place."""

import time
import urllib.request

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from support.balls import Balls, learned_balls
from support.gallery import make_gallery
from support.training import make_solids

from shapegan.model.viewer.dataset_browser import DatasetBrowser
from shapegan.model.viewer.dataset_page import DatasetPage
from shapegan.model.viewer.generated_shapes import Controls, GeneratedShapes
from shapegan.model.viewer.generator_page import GeneratorPage
from shapegan.model.viewer.page import SLICE_ROTATION, Page, PageError, set_control
from shapegan.model.viewer.shape_controls import SEED
from shapegan.model.viewer.training_shapes import TrainingShapes
from shapegan.pipeline.dataset.reader import Dataset


@pytest.fixture
def page():
    page = Page("127.0.0.1", 0, "test")
    yield page
    page.close()


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    return make_gallery(tmp_path_factory.mktemp("gallery"))


@pytest.fixture(scope="module")
def solids(tmp_path_factory):
    return Dataset(make_solids(tmp_path_factory.mktemp("solids")))


def scene(page):
    names = ("generated", "compared", "nearest", "mesh", "voxels", "field", "points")
    kinds = ("mesh", "slice", "points")
    paths = [f"/{name}/{kind}" for name in names for kind in kinds]
    return {path for path in paths if page.server.scene.get_handle_by_name(path) is not None}


def test_the_page_is_served_on_this_machine_only(page):
    assert page.address.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(page.address, timeout=20) as answer:
        assert b"<html" in answer.read(10_000).lower()


def test_a_slice_stands_with_z_to_the_right_and_y_up():
    turned = Rotation.from_quat(SLICE_ROTATION, scalar_first=True)
    np.testing.assert_allclose(turned.apply([1, 0, 0]), [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(turned.apply([0, 1, 0]), [0, -1, 0], atol=1e-12)


def test_no_client_can_have_the_page_shared_with_the_world(page):
    assert page.server.request_share_url() is None
    assert page.server._share_tunnel is None


def test_a_port_in_use_is_an_error(page):
    port = page.server.get_port()
    with pytest.raises(PageError, match=f"port {port} of 127.0.0.1 is in use"):
        Page("127.0.0.1", port, "test")


def test_an_address_of_another_machine_is_refused():
    with pytest.raises(PageError, match=r"cannot listen at 192\.0\.2\.1"):
        Page("192.0.2.1", 0, "test")


def test_sliders_change_the_mesh(page):
    shown = GeneratorPage(page, GeneratedShapes(Balls()), Controls(resolution=16))
    assert shown.wait_until_drawn(60)
    before = shown.surface
    assert scene(page) == {"/generated/mesh"}
    for control, value in (
        (shown.controls.blend, 0.5),
        (shown.controls.directions[0], 2.0),
        (shown.controls.level, 0.05),
        (shown.controls.resolution, "32"),
        (shown.controls.truncation, 0.5),
        (shown.controls.seeds[0], 9),
    ):
        set_control(control, value)
        wait_until(lambda before=before: shown.surface is not before)
        assert shown.wait_until_drawn(60)
        assert shown.surface.vertices.shape != before.vertices.shape or (
            (shown.surface.vertices != before.vertices).any()
        )
        before = shown.surface
    shown.close()


def test_a_level_without_a_surface_is_reported_and_nothing_is_shown(page):
    shown = GeneratorPage(page, GeneratedShapes(Balls()), Controls(resolution=16, level=-1.0))
    assert shown.wait_until_drawn(60)
    assert scene(page) == set()
    assert "Empty at level -1" in shown.summary.content
    shown.close()


def test_a_walk_moves_the_sliders(page):
    shown = GeneratorPage(page, GeneratedShapes(Balls()), Controls(resolution=8))
    set_control(shown.controls.speed, 1.0)
    set_control(shown.controls.play, True)
    wait_until(lambda: shown.controls.seeds[0].value >= 1)
    set_control(shown.controls.play, False)
    assert shown.wait_until_drawn(60)
    # A step that had begun may still be moving them, one after the other.
    seeds = shown.controls.seeds
    wait_until(lambda: seeds[1].value == seeds[0].value + 1)
    shown.close()


def test_the_nearest_training_shape_stands_beside(page, solids):
    shown = GeneratorPage(
        page, GeneratedShapes(Balls()), Controls(resolution=16), TrainingShapes(solids)
    )
    assert shown.wait_until_drawn(60)
    assert scene(page) == {"/generated/mesh", "/nearest/mesh"}
    assert shown.nearest.id == solids.ids[shown.nearest.index]
    assert f"`{shown.nearest.id}`" in shown.summary.content
    shown.close()


def test_two_generators_show_the_same_latents_side_by_side(page, solids):
    first = GeneratedShapes(Balls("one"), learned=learned_balls(4))
    second = GeneratedShapes(Balls("two"), learned=learned_balls(3), directions=first.directions)
    controls = Controls(first="lamps/ball1", second=5, resolution=16)
    shown = GeneratorPage(page, first, controls, TrainingShapes(solids), second)
    assert shown.wait_until_drawn(60)
    assert page.columns == 3
    assert scene(page) == {"/generated/mesh", "/compared/mesh", "/nearest/mesh"}
    assert shown.controls.read().choices == ("lamps/ball1", 5)
    one, two = shown.surfaces
    np.testing.assert_array_equal(one.vertices, two.vertices)
    assert "one: " in shown.summary.content
    assert "two: " in shown.summary.content
    set_control(shown.controls.learned[0], "lamps/ball3")
    wait_until(lambda: shown.surfaces[1] is None)
    assert scene(page) == {"/generated/mesh", "/nearest/mesh"}
    label = page.server.scene.get_handle_by_name("/compared/caption")
    assert label.text == "two has not learned lamps/ball3"
    shown.close()


def test_learned_shapes_are_chosen_in_place_of_seeds(page):
    learned = learned_balls(3)
    shapes = GeneratedShapes(Balls(), learned=learned)
    shown = GeneratorPage(page, shapes, Controls(resolution=8))
    controls = shown.controls
    assert controls.learned[0].options == (SEED, *(one.id for one in learned))
    controls.pick(learned[1].id, 0)
    assert controls.read().choices == (learned[1].id, 1)
    np.testing.assert_array_equal(shapes.latent(controls.read()), learned[1].latent)
    controls.pick(learned[2].id, 1)
    assert (controls.read().choices, controls.read().blend) == ((learned[1].id, learned[2].id), 1)
    assert controls.read().file_name == "lamps-ball1-03001627-ball2-100"
    controls.move(controls.read().walked(1.25, [one.id for one in learned]))
    assert (controls.read().choices, controls.read().blend) == (
        (learned[0].id, learned[1].id),
        0.25,
    )
    set_control(controls.seeds[0], 12)
    assert controls.read().choices == (12, learned[1].id)
    shown.close()


def test_a_dataset_is_browsed(page, gallery):
    shown = DatasetPage(page, DatasetBrowser(Dataset(gallery)))
    assert shown.wait_until_drawn(60)
    everything = {"/mesh/mesh", "/voxels/mesh", "/field/mesh", "/field/slice"}
    assert scene(page) == everything
    assert "ball0" in shown.summary.content
    set_control(shown.id, "ball7")
    wait_until(lambda: shown.view.entry.report.id == "ball7")
    assert scene(page) == {"/mesh/mesh"}
    assert "empty file" in shown.summary.content
    set_control(shown.status, "ok")
    wait_until(lambda: shown.view.entry.report.id == "ball0")
    assert scene(page) == everything
    set_control(shown.category, "lamps")
    set_control(shown.status, "failed")
    wait_until(lambda: shown.view.entry is None)
    assert scene(page) == set()
    shown.close()


def test_resolution_and_level_change_the_reconstruction(page, solids):
    shown = DatasetPage(page, DatasetBrowser(solids))
    assert shown.wait_until_drawn(60)
    assert "/points/points" in scene(page)
    faces = shown.faces
    set_control(shown.resolution, "8")
    wait_until(lambda: shown.view.resolution == 8)
    assert 0 < shown.faces < faces
    set_control(shown.level, 0.1)
    wait_until(lambda: shown.view.level == 0.1)
    set_control(shown.x, 0.5)
    wait_until(lambda: shown.view.x == 0.5)
    shown.close()


def wait_until(holds, seconds=60):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)
