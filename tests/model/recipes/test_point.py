import dataclasses

import pytest
import torch
from support.adversarial import COUNT, RADII, Spheres, sphere_batch
from torch import Tensor

from shapegan.model.config import Stage
from shapegan.model.networks.generator import Generator, GeneratorConfig
from shapegan.model.networks.point_critic import PointCritic, PointCriticConfig
from shapegan.model.recipes import point
from shapegan.model.recipes.objectives import CriticInput, StepData
from shapegan.model.recipes.point import (
    FAR_SHARE,
    NEAR_DISTANCE,
    SURFACE_NOISE,
    PointTask,
    RefinementTask,
)
from shapegan.model.recipes.step_random import CHOICE, NOISE, StepRandom
from shapegan.model.recipes.voxel import clip_distances
from shapegan.model.streaming.stream import PointBatch

STAGE = Stage(COUNT, 3, 1)


@pytest.fixture
def batch() -> PointBatch:
    return sphere_batch()


def made(norm: bool = False) -> tuple[Generator, PointCritic, Tensor]:
    torch.manual_seed(1)
    start = "published" if norm else "sphere"
    config = GeneratorConfig(4, 16, 4, norm, False, frame="sphere", initialisation=start)
    critic = PointCritic(PointCriticConfig(features=(8, 16), head=(8,)))
    return Generator(config), critic, torch.randn(3, 4)


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("clip_mode", ["soft", "none", "hard"])
@pytest.mark.parametrize("chunk", [100, 10**6])
def test_gradients_are_those_of_all_points(
    batch: PointBatch, norm: bool, clip_mode: str, chunk: int
) -> None:
    generator, critic, latents = made(norm)
    critic.requires_grad_(False)
    task = PointTask(STAGE, 0.1, clip_mode, chunk)
    judged = task.judged(generator, critic, latents, StepData(batch, StepRandom(0)))
    scores = task.scores(critic, judged)
    found = torch.autograd.grad(scores.square().sum(), [*generator.parameters()])

    points, _ = batch.points["uniform"]
    plain = critic(points, clip_distances(generator(points, latents), 0.1, clip_mode))
    torch.testing.assert_close(scores, plain)
    expected = torch.autograd.grad(plain.square().sum(), [*generator.parameters()])
    assert any(bool(one.any()) for one in expected)
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-7)


def test_real_and_fake_have_the_same_points_and_clip(batch: PointBatch) -> None:
    task = PointTask(STAGE, 0.1, "hard", 1000)
    real = task.real(StepData(batch, StepRandom(0)))
    fake = task.fake(Spheres(), RADII, StepData(batch, StepRandom(0)))
    points, sdf = batch.points["uniform"]
    assert real.points is points
    assert fake.points is points
    assert real.mask is None
    assert torch.equal(real.sdf, sdf.clamp(-0.1, 0.1))
    assert torch.equal(fake.sdf, (points.norm(dim=-1) - RADII).clamp(-0.1, 0.1))


def test_real_thin_parts_are_thickened(batch: PointBatch) -> None:
    sdf = batch.points["uniform"][1]
    thin = sdf.abs() + 0.01
    data = StepData(
        dataclasses.replace(batch, thin=thin), StepRandom(0), progress=torch.tensor(0.5)
    )
    stage = dataclasses.replace(STAGE, thin_offset=0.08, thin_offset_end=0.04)
    real = PointTask(stage, 0.1, "none", 1000).real(data)
    torch.testing.assert_close(real.sdf, torch.minimum(sdf, thin - 0.06))
    plain = PointTask(STAGE, 0.1, "none", 1000).real(data)
    assert torch.equal(plain.sdf, sdf)


@pytest.mark.parametrize("kind", [PointTask, RefinementTask])
@pytest.mark.parametrize("pooled", [True, False])
def test_half_shapes_have_half_of_the_points_on_one_side(
    batch: PointBatch, kind: type[PointTask], pooled: bool
) -> None:
    data = StepData(batch, StepRandom(5))
    folded = PointBatch(
        batch.indices,
        {
            name: (mirrored(points)[:, : COUNT // 2], sdf[:, : COUNT // 2])
            for name, (points, sdf) in batch.points.items()
        },
    )
    half = kind(STAGE, 0.1, "soft", 1000, True, pooled)
    whole = kind(STAGE, 0.1, "soft", 1000, False, pooled)
    of_folded = StepData(folded, StepRandom(5))
    for mine, theirs in (
        (half.real(data), whole.real(of_folded)),
        (half.fake(Spheres(), RADII, data), whole.fake(Spheres(), RADII, of_folded)),
    ):
        for row in range(3):
            assert torch.equal(seen(mine, row), seen(theirs, row))
        if mine.penalised:
            assert mine.penalised.points is not None
            assert mine.penalised.mask is None
            assert torch.equal(mine.penalised.points, folded.points["uniform"][0])


def test_half_shapes_have_the_scores_of_their_points_alone(batch: PointBatch) -> None:
    generator, critic, latents = made()
    data = StepData(batch, StepRandom(0))
    points = mirrored(batch.points["uniform"][0])[:, : COUNT // 2]
    task = PointTask(STAGE, 0.1, "soft", 1000, half=True)
    scores = task.scores(critic, task.judged(generator, critic, latents, data))
    sdf = torch.tanh(generator(points, latents) / 0.1)
    torch.testing.assert_close(scores, critic(points, sdf))


def mirrored(points: Tensor) -> Tensor:
    """Points (..., 3) moved to x >= 0."""
    return torch.cat([points[..., :1].abs(), points[..., 1:]], dim=-1)


def twin(points: Tensor, sdf: Tensor, radius: float, row: int, random: StepRandom) -> Tensor:
    """The points that count of one generated sphere, one after the other: (n, 4)."""
    others = random.uniform(CHOICE, 3, COUNT)[row]
    noise = SURFACE_NOISE * random.normal(NOISE, 3, COUNT, 3)[row]
    kept, moved = [], []
    for place, distance, other in zip(points, sdf, others, strict=True):
        if abs(distance) < NEAR_DISTANCE or other < FAR_SHARE:
            if abs(distance) < NEAR_DISTANCE:
                target = place - distance * place / place.norm() + noise[len(kept)]
                moved.append(torch.cat([target, (target.norm() - radius)[None]]))
            kept.append(torch.cat([place, distance[None]]))
    return torch.stack(kept + moved)


def seen(critic_input: CriticInput, row: int) -> Tensor:
    """The points that count of one shape: (n, 4)."""
    assert critic_input.points is not None
    mask = slice(None) if critic_input.mask is None else critic_input.mask[row]
    points, sdf = critic_input.points[row][mask], critic_input.sdf[row][mask]
    return torch.cat([points, sdf[:, None]], dim=1)


@pytest.mark.parametrize("chunk", [77, 10**6])
def test_refinement_has_the_points_of_a_plain_loop(batch: PointBatch, chunk: int) -> None:
    task, random = RefinementTask(STAGE, 0.1, "none", chunk), StepRandom(5)
    fake = task.fake(Spheres(), RADII, StepData(batch, random))
    points, _ = batch.points["uniform"]
    counts = set()
    for row, radius in enumerate(RADII[:, 0].tolist()):
        sdf = points[row].norm(dim=-1) - radius
        expected = twin(points[row], sdf, radius, row, random)
        torch.testing.assert_close(seen(fake, row), expected.detach(), rtol=1e-5, atol=1e-6)
        counts.add(len(expected))
    assert len(counts) == 3  # so that masks matter
    assert fake.mask is not None
    assert fake.mask.shape == fake.sdf.shape == fake.points.shape[:2]


def test_moved_points_lie_on_the_surface(
    batch: PointBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = RefinementTask(STAGE, 0.1, "none", 1000)

    def distances() -> list[Tensor]:
        fake = task.fake(Spheres(), RADII, StepData(batch, StepRandom(5)))
        found = []
        for row in range(3):
            near = batch.points["uniform"][0][row].norm(dim=-1) - RADII[row]
            found.append(seen(fake, row)[-int((near.abs() < NEAR_DISTANCE).sum()) :, 3])
        return found

    noisy = torch.cat(distances())
    assert 0.7 * SURFACE_NOISE < noisy.std() < 1.3 * SURFACE_NOISE
    monkeypatch.setattr(point, "SURFACE_NOISE", 0.0)
    assert torch.cat(distances()).abs().max() < 1e-6


def test_refinement_keeps_real_points_by_the_same_rule(batch: PointBatch) -> None:
    random = StepRandom(5)
    real = RefinementTask(STAGE, 0.1, "none", 1000).real(StepData(batch, random))
    (points, sdf), (surface, its) = batch.points["uniform"], batch.points["surface"]
    others = random.uniform(CHOICE, 3, COUNT)
    for row in range(3):
        near = sdf[row].abs() < NEAR_DISTANCE
        kept = near | (others[row] < FAR_SHARE)
        assert 0.05 < (kept & ~near).sum() / (~near).sum() < 0.25
        expected = torch.cat(
            [
                torch.cat([points[row][kept], sdf[row][kept][:, None]], dim=1),
                torch.cat([surface[row][near], its[row][near][:, None]], dim=1),
            ]
        )
        assert torch.equal(seen(real, row), expected)
    assert real.penalised is not None
    assert torch.equal(real.penalised.sdf, sdf)
    assert real.penalised.mask is None


def test_the_penalty_is_on_uniform_points_alone(batch: PointBatch) -> None:
    fake = RefinementTask(STAGE, 0.1, "soft", 1000).fake(
        Spheres(), RADII, StepData(batch, StepRandom(5))
    )
    assert fake.penalised is not None
    points = batch.points["uniform"][0]
    assert fake.penalised.points is points
    assert torch.equal(fake.penalised.sdf, torch.tanh((points.norm(dim=-1) - RADII) / 0.1))


def test_gradients_of_refinement_are_those_of_a_plain_loop(batch: PointBatch) -> None:
    """The slope of the move is constant, its length is not."""
    generator, critic, latents = made()
    task, random = RefinementTask(STAGE, 0.1, "soft", 100), StepRandom(5)
    critic.requires_grad_(False)
    judged = task.judged(generator, critic, latents, StepData(batch, random))
    scores = task.scores(critic, judged)
    found = torch.autograd.grad(scores.sum(), [*generator.parameters()])

    points, _ = batch.points["uniform"]
    others, total = random.uniform(CHOICE, 3, COUNT), torch.zeros(())
    noise = SURFACE_NOISE * random.normal(NOISE, 3, COUNT, 3)
    for row in range(3):
        latent, places = latents[row : row + 1], points[row].clone().requires_grad_()
        sdf = generator(places, latent)[0]
        (slope,) = torch.autograd.grad(sdf.sum(), places, retain_graph=True)
        near = sdf.abs() < NEAR_DISTANCE
        kept = near | (others[row] < FAR_SHARE)
        its_noise = torch.zeros(COUNT, 3)
        its_noise[kept] = noise[row, : int(kept.sum())]
        moved = (points[row] - sdf[:, None] * slope + its_noise)[near]
        everything = torch.cat([points[row][kept], moved])
        distances = torch.cat([sdf[kept], generator(moved, latent)[0]])
        total = total + critic(everything[None], torch.tanh(distances / 0.1)[None])[0]
    torch.testing.assert_close(scores.sum(), total)
    expected = torch.autograd.grad(total, [*generator.parameters()])
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-6)


def test_the_critics_step_has_no_gradients_of_the_generator(batch: PointBatch) -> None:
    generator, _, latents = made()
    with torch.no_grad():
        fake = RefinementTask(STAGE, 0.1, "soft", 100).fake(
            generator, latents, StepData(batch, StepRandom(5))
        )
    for one in (fake.sdf, fake.points, fake.penalised and fake.penalised.sdf):
        assert one is not None
        assert not one.requires_grad
    assert all(weights.grad is None for weights in generator.parameters())


def test_shapes_far_from_all_points_have_scores(batch: PointBatch) -> None:
    """No point is near their surface, so none is moved."""
    _, critic, _ = made()
    task = RefinementTask(STAGE, 0.1, "soft", 1000)
    for radius in (-5.0, 5.0):
        fake = task.fake(Spheres(), torch.full((3, 1), radius), StepData(batch, StepRandom(5)))
        assert torch.isfinite(task.scores(critic, fake)).all()
        assert fake.mask is not None
        assert fake.mask.sum() == (StepRandom(5).uniform(CHOICE, 3, COUNT) < FAR_SHARE).sum()


def test_masked_points_do_not_count(batch: PointBatch) -> None:
    _, critic, _ = made()
    task = RefinementTask(STAGE, 0.1, "soft", 1000)
    fake = task.fake(Spheres(), RADII, StepData(batch, StepRandom(5)))
    assert fake.points is not None
    assert fake.mask is not None
    torn = dataclasses.replace(fake, points=torch.where(fake.mask[..., None], fake.points, 1e3))
    assert torch.equal(task.scores(critic, fake), task.scores(critic, torn))
