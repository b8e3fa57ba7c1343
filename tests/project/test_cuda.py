"""The same on a GPU as on the CPU. Skipped without one."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from support.shapes import flip_half, open_box, torus
from support.toys import toy_run
from support.training import (
    CONFIGS,
    VOXEL,
    RecordingReporter,
    each_step,
    interrupt,
    last,
    make_solids,
    quick,
    rows,
    run,
)

from shapegan.cli import main
from shapegan.model.metrics.point_clouds import chamfer_matrix
from shapegan.model.networks.products import linear_relu
from shapegan.model.networks.voxel_critic import VoxelCriticConfig
from shapegan.model.recipes.execution import Execution
from shapegan.model.shapes.image_grid import draw_shapes
from shapegan.model.shapes.surface import extract
from shapegan.model.training import trainer
from shapegan.model.training.checkpoint import load_generator
from shapegan.model.training.trainer import TrainingError
from shapegan.pipeline.meshes.triangle_mesh import TriangleMesh
from shapegan.pipeline.sdf.mesh_field import make_field

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that CUDA can use"),
]
NUMBERS = ("critic_loss", "generator_loss", "distance", "penalty", "loss")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_solids(tmp_path_factory.mktemp("solids"))


@pytest.fixture(autouse=True)
def _frequent_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "STEPS_PER_ROW", 5)


def on_gpu(data: Path, folder: Path, **settings: Any) -> Any:
    wanted = {"precision": "fp32"} | settings
    return dataclasses.replace(quick(data, folder), device="cuda", **wanted)


def losses(folder: Path) -> np.ndarray:
    """Each row's, in the order of `NUMBERS`."""
    return np.array([[float(row[n]) for n in NUMBERS if row.get(n)] for row in rows(folder)])


@pytest.mark.parametrize("name", CONFIGS)
def test_a_run_has_the_losses_that_it_has_on_the_cpu(name: str, data: Path, tmp_path: Path) -> None:
    run(CONFIGS[name], quick(data, tmp_path / "cpu"))
    run(CONFIGS[name], on_gpu(data, tmp_path / "cuda"))
    expected = losses(tmp_path / "cpu")
    assert expected.size
    # Rounding alone; a GAN's later steps make it larger.
    np.testing.assert_allclose(losses(tmp_path / "cuda"), expected, rtol=2e-2, atol=2e-3)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", CONFIGS)
def test_graphs_have_the_losses_of_plain_steps(
    name: str, precision: str, data: Path, tmp_path: Path
) -> None:
    run(CONFIGS[name], on_gpu(data, tmp_path / "plain", precision=precision, graphs=False))
    reporter = RecordingReporter()
    settings = on_gpu(data, tmp_path / "graphs", precision=precision)
    trainer.train(CONFIGS[name], settings, reporter)
    assert not [note for note in reporter.notes if "refinement" not in note and "graph" in note]
    # Sums of gradients by atomic additions have no fixed order.
    np.testing.assert_allclose(
        losses(tmp_path / "graphs"), losses(tmp_path / "plain"), rtol=1e-2, atol=1e-3
    )


@pytest.mark.filterwarnings("ignore")  # of torch's own, while it compiles
@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("how", [{"precision": "bf16"}, {"precision": "tf32"}, {"compiled": True}])
def test_other_arithmetic_trains_to_about_the_same(
    name: str, how: dict[str, Any], data: Path, tmp_path: Path
) -> None:
    run(CONFIGS[name], on_gpu(data, tmp_path / "plain"))
    run(CONFIGS[name], on_gpu(data, tmp_path / "other", **how))
    got, expected = losses(tmp_path / "other"), losses(tmp_path / "plain")
    np.testing.assert_allclose(got, expected, rtol=0.2, atol=0.1)


def test_a_run_goes_on_where_it_stopped_and_on_another_device(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(VOXEL, on_gpu(data, tmp_path / "alone"))
    each_step(monkeypatch, lambda step: interrupt() if step in (7, 12) else None)
    parts = on_gpu(data, tmp_path / "parts")
    assert run(VOXEL, parts).position.total == 7
    assert run(VOXEL, quick(data, parts.run)).position.total == 12
    assert run(VOXEL, parts).position.total == 20
    np.testing.assert_allclose(losses(parts.run), losses(tmp_path / "alone"), rtol=2e-2, atol=2e-3)


def test_data_are_kept_on_the_gpu(data: Path, tmp_path: Path) -> None:
    for pin in ("device", "ram", "none"):
        run(VOXEL, on_gpu(data, tmp_path / pin, pin=pin))
    np.testing.assert_allclose(
        losses(tmp_path / "device"), losses(tmp_path / "none"), rtol=2e-2, atol=2e-3
    )
    run(VOXEL, on_gpu(data, tmp_path / "workers", pin="none", workers=2))
    assert last(tmp_path / "workers").position.total == 20


def test_a_lack_of_memory_is_one_line(data: Path, tmp_path: Path) -> None:
    wide = dataclasses.replace(VOXEL, critic=VoxelCriticConfig(width=1.0))
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(20e6 / total)
    try:
        with pytest.raises(TrainingError, match=r"out of memory at size 8 .*: lower --chunk"):
            run(wide, on_gpu(data, tmp_path / "run"))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def test_only_tf32_rounds_products() -> None:
    torch.manual_seed(0)
    grids, kernel = torch.randn(1, 8, 16, 16, 16), torch.randn(8, 8, 4, 4, 4)
    exact = torch.nn.functional.conv3d(grids.double(), kernel.double())
    errors = {}
    for precision in ("tf32", "fp32"):
        Execution(torch.device("cuda"), precision).allow_rounding()
        got = torch.nn.functional.conv3d(grids.cuda(), kernel.cuda()).cpu().double()
        errors[precision] = float((got - exact).abs().max() / exact.abs().max())
    assert errors["fp32"] < 1e-5


def test_surfaces_are_those_of_the_cpu(tmp_path: Path) -> None:
    path = next((toy_run(tmp_path) / "checkpoints").glob("*.pt"))
    generator = load_generator(path)
    latent = torch.randn(generator.config.latent)
    ours = extract(generator.cuda(), latent.cuda(), 64)
    expected = extract(generator.cpu(), latent, 64)
    assert len(expected.faces)
    assert len(ours.faces) == pytest.approx(len(expected.faces), rel=1e-3)
    lowest, highest = (
        [getattr(surface.vertices, side)(axis=0) for surface in (ours, expected)]
        for side in ("min", "max")
    )
    np.testing.assert_allclose(lowest[0], lowest[1], atol=1e-4)
    np.testing.assert_allclose(highest[0], highest[1], atol=1e-4)


def test_clouds_are_as_far_apart_as_on_the_cpu() -> None:
    source = np.random.default_rng(0)
    first, second = (source.normal(size=(s, 512, 3)).astype(np.float32) for s in (70, 3))
    expected = chamfer_matrix(first, second)
    np.testing.assert_allclose(chamfer_matrix(first, second, "cuda:0"), expected, rtol=1e-4)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.bfloat16, 3e-2)])
def test_a_layer_and_its_relu_have_the_derivatives_of_the_cpu(dtype, tolerance) -> None:
    Execution(torch.device("cuda")).allow_rounding()
    inputs = [torch.randn(shape) for shape in ((300, 64), (128, 64), (128,))]

    def derivatives(dtype: torch.dtype, device: str) -> list[torch.Tensor]:
        here = [one.to(device, dtype).requires_grad_() for one in inputs]
        result = linear_relu(*here)
        assert (result.grad_fn.name() == "_LinearReluBackward") == (device == "cuda")
        found = [result, *torch.autograd.grad(result.square().mean(), here)]
        return [one.detach().cpu().double() for one in found]

    exact = derivatives(torch.float64, "cpu")
    for got, expected in zip(derivatives(dtype, "cuda"), exact, strict=True):
        assert (got - expected).norm() <= tolerance * expected.norm()


@pytest.mark.parametrize("mesh", [torus(), flip_half(torus()), open_box()])
def test_distances_of_meshes_are_those_of_the_cpu(mesh: Any) -> None:
    loaded = TriangleMesh(*mesh)
    got, expected = (make_field(loaded, 0.016, device=device) for device in ("cuda", "cpu"))
    assert got.method == expected.method
    np.testing.assert_allclose(got.field.voxels(16), expected.field.voxels(16), atol=1e-4)


def test_commands_take_the_gpu(tmp_path: Path, data: Path) -> None:
    folder = str(toy_run(tmp_path / "run"))
    for words in (
        ["generate", folder, "--count", "2", "--resolution", "32", "--out", tmp_path / "out"],
        ["evaluate", folder, "--data", data, "--split", "val", "--out", tmp_path / "scores"],
    ):
        done = CliRunner().invoke(main, [*map(str, words), "--device", "cuda"])
        assert done.exit_code == 0, done.output


def test_pictures_are_those_of_the_cpu() -> None:
    mesh = TriangleMesh(*torus())
    got, expected = (draw_shapes([mesh], 1, 64, device=device) for device in ("cuda", "cpu"))
    assert expected.std() > 0
    # Edges may fall on the other side of a pixel.
    assert np.abs(got.astype(int) - expected).mean() < 0.5
