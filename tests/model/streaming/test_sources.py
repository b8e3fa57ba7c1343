import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shapegan.model.streaming.sources import balanced_rows


@st.composite
def sides(draw):
    """Which rows of a few shapes lie inside, and where the search begins."""
    rows = draw(st.integers(1, 30))
    mixed = st.lists(st.booleans(), min_size=rows, max_size=rows)
    one_sided = st.sampled_from([[False] * rows, [True] * rows])
    inside = draw(st.lists(mixed | one_sided, min_size=1))
    turns = [draw(st.integers(0, rows - 1)) for _ in inside]
    return torch.tensor(inside), torch.tensor(turns), draw(st.integers(2, 40))


def twin(inside, turn, count):
    """The rows of one shape, one after the other."""
    places = np.roll(np.arange(len(inside)), -turn)
    within, without = places[inside[places]], places[~inside[places]]
    if not len(within):
        within = without
    if not len(without):
        without = within
    return np.concatenate([np.resize(within, count // 2), np.resize(without, count - count // 2)])


@given(sides())
@settings(deadline=None)
def test_balanced_rows_are_those_of_a_slow_twin(drawn):
    inside, turns, count = drawn
    rows = balanced_rows(inside, turns, count)
    assert rows.shape == (len(inside), count)
    for got, side, turn in zip(rows, inside, turns, strict=True):
        np.testing.assert_array_equal(got.numpy(), twin(side.numpy(), int(turn), count))
