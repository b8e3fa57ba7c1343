import pytest
import torch
from support import twins
from support.folders import SHARED, needs_shared

from shapegan.model.networks.published import WeightsError, load_published

NAMES = (
    "gan_generator_voxels_airplanes.to",
    "gan_generator_voxels_chairs.to",
    "gan_generator_voxels_sofas.to",
    "point_generator_airplanes.pt",
    "point_generator_airplanes_refined.pt",
    "point_generator_chairs_refined.pt",
    "point_generator_sofas.pt",
)
FILES = [SHARED / "weights" / name for name in NAMES]


def read(path):
    return torch.load(path, map_location="cpu", weights_only=True)


def twin_of(path):
    return twins.voxel_generator if "voxels" in path.name else twins.point_generator


def drawn(dtype):
    torch.manual_seed(0)
    points = torch.rand(3, 40, 3, dtype=dtype) * 2 - 1
    return points, torch.randn(3, 128, dtype=dtype)


@needs_shared
def test_all_seven_published_files_are_found():
    assert sorted((SHARED / "weights").glob("*")) == FILES


@needs_shared
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_gives_the_distances_of_a_plain_network(path):
    points, latents = drawn(torch.float32)
    distances = load_published(path)(points, latents)
    torch.testing.assert_close(
        distances, twin_of(path)(read(path), points, latents), rtol=0, atol=1e-5
    )
    assert distances.std() > 0.01


@needs_shared
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_gives_the_gradients_of_a_plain_network(path):
    weights = {name: value.double().requires_grad_() for name, value in read(path).items()}
    points, latents = (each.requires_grad_() for each in drawn(torch.float64))
    generator = load_published(path).double()
    twin_of(path)(weights, points, latents).square().sum().backward()
    expected = [points.grad, latents.grad]
    points.grad = latents.grad = None
    generator(points, latents).square().sum().backward()
    first, middle, last = (
        ("layers1.0", "layers2.0", "layers2.6")
        if "layers1.0.weight" in weights
        else ("lins.0", "lins.4", "lins.7")
    )
    expected += [
        weights[f"{first}.weight"].grad[:, :3],
        weights[f"{first}.bias"].grad,
        weights[f"{middle}.weight"].grad[:, :256],
        weights[f"{middle}.weight"].grad[:, 256:259],
        weights[f"{last}.weight"].grad,
    ]
    got = [
        points.grad,
        latents.grad,
        generator.layers[0].weight.grad,
        generator.layers[0].bias.grad,
        generator.layers[4].weight.grad,
        generator.points_again.weight.grad,
        generator.layers[7].weight.grad,
    ]
    for ours, twin in zip(got, expected, strict=True):
        # The point generator's biases are added up in float32.
        torch.testing.assert_close(ours, twin, rtol=1e-5, atol=1e-7)


@needs_shared
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_knows_its_frame(path):
    config = load_published(path).config
    voxels = "voxels" in path.name
    assert config.frame == ("cube" if voxels else "sphere")
    assert (config.norm, config.bounded) == ((False, True) if voxels else (True, False))


def test_names_a_file_that_is_not_there(tmp_path):
    with pytest.raises(WeightsError, match=r"cannot read .*none\.to: No such file"):
        load_published(tmp_path / "none.to")


@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04 torn"])
def test_files_without_weights_are_refused(tmp_path, content):
    path = tmp_path / "weights.to"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="is not a file of weights, or damaged"):
        load_published(path)


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}, {1: torch.zeros(1)}])
def test_files_without_named_tensors_are_refused(tmp_path, content):
    torch.save(content, tmp_path / "weights.to")
    with pytest.raises(WeightsError, match="expected tensors by name"):
        load_published(tmp_path / "weights.to")


def test_refuses_another_network(tmp_path):
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "weights.to")
    with pytest.raises(WeightsError, match="no published generator: expected layers1"):
        load_published(tmp_path / "weights.to")


@needs_shared
@pytest.mark.parametrize("name", [name for name in NAMES if "chairs" in name])
@pytest.mark.parametrize("part", ["bias", "weight"])
def test_refuses_weights_that_miss_a_layer(tmp_path, name, part):
    weights = read(SHARED / "weights" / name)
    del weights[f"layers1.2.{part}" if "voxels" in name else f"lins.2.{part}"]
    torch.save(weights, tmp_path / name)
    with pytest.raises(WeightsError, match="no complete published generator") as caught:
        load_published(tmp_path / name)
    assert "\n" not in str(caught.value)
