import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from shapegan.model.networks.heun import follow, shortened, undo


def turning(codes: Tensor, time: float) -> Tensor:
    """A quarter turn around the origin from time 0 to 1, faster towards the end."""
    return math.pi * time * torch.stack([-codes[:, 1], codes[:, 0]], dim=1)


def test_steps_of_second_order_follow_the_velocity() -> None:
    start = torch.tensor([[1.0, 0.0], [0.5, 2.0]]).double()
    expected = torch.stack([-start[:, 1], start[:, 0]], dim=1)
    errors = [float((follow(turning, start, steps) - expected).norm()) for steps in (20, 40)]
    assert errors[1] < 0.01
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)


@given(steps=st.integers(8, 40), seed=st.integers(0, 99))
def test_what_is_undone_comes_back(steps: int, seed: int) -> None:
    codes = torch.randn(5, 2, generator=torch.Generator().manual_seed(seed)).double()
    noise = undo(turning, codes, steps)
    torch.testing.assert_close(follow(turning, noise, steps), codes)


def test_only_longer_vectors_are_shortened() -> None:
    vectors = torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]])
    expected = torch.tensor([[1.2, 1.6], [0.3, 0.4], [0.0, 0.0]])
    torch.testing.assert_close(shortened(vectors, torch.tensor(2.0)), expected)
