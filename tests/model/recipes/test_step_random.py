import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from shapegan.model.recipes.step_random import LATENTS, MIXING, WEIGHTS, StepRandom, seeded

places = st.lists(st.integers(0, 2**40), max_size=4)
seeds = st.integers(0, 2**63 - 1)


@given(seeds, places)
@examples(50)
def test_numbers_are_functions_of_seed_and_place(seed: int, place: list[int]) -> None:
    one, other = StepRandom(seed, *place), StepRandom(seed, *place)
    before = torch.get_rng_state()
    other.normal(MIXING, 7)
    assert torch.equal(one.normal(LATENTS, 3, 4), other.normal(LATENTS, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)


@given(seeds, places, st.sampled_from([1, 2, 3, 4]))
@examples(50)
def test_ranks_share_the_numbers_of_one(seed: int, place: list[int], world: int) -> None:
    whole = StepRandom(seed, *place)
    parts = [StepRandom(seed, *place, rank=rank, world=world) for rank in range(world)]
    rows = 12 // world
    for kind in ("normal", "uniform"):
        shared = [getattr(part, kind)(LATENTS, rows, 5) for part in parts]
        assert torch.equal(torch.cat(shared), getattr(whole, kind)(LATENTS, 12, 5))


def test_every_place_has_numbers_of_its_own() -> None:
    """Also those that differ by zeros alone."""
    keys = [key for length in range(4) for key in itertools.product(range(4), repeat=length + 1)]
    drawn = {tuple(StepRandom(*key).uniform(kind, 2).tolist()) for key in keys for kind in range(4)}
    assert len(drawn) == 4 * len(keys)


def test_numbers_have_the_distribution_they_should() -> None:
    draws = StepRandom(3, 1)
    normal, uniform = draws.normal(LATENTS, 20_000), draws.uniform(LATENTS, 20_000)
    assert abs(normal.mean()) < 0.03
    assert abs(normal.std() - 1) < 0.03
    assert abs(uniform.mean() - 0.5) < 0.01
    assert 0 <= uniform.min() < 0.001
    assert 0.999 < uniform.max() < 1


def test_seeded_draws_the_same_weights_and_leaves_the_global_source_alone() -> None:
    def weight(*key: int) -> torch.Tensor:
        with seeded(*key):
            return torch.nn.Linear(5, 5).weight

    before = torch.get_rng_state()
    assert torch.equal(weight(1, WEIGHTS), weight(1, WEIGHTS))
    found = [weight(*key) for key in [(1, WEIGHTS), (1, WEIGHTS, 0), (1, WEIGHTS, 1), (2, WEIGHTS)]]
    for one, other in itertools.combinations(found, 2):
        assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_seeded_gives_the_source_back_after_an_error() -> None:
    before = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError), seeded(1):
        torch.rand(int(torch.rand(1)) // 0)
    assert torch.equal(torch.get_rng_state(), before)
