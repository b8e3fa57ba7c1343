import pytest
import torch

from shapegan.model.recipes.muon import Muon
from shapegan.model.recipes.optimisers import build_optimiser, set_rate


@pytest.mark.parametrize(
    ("name", "kind"),
    [("adam", torch.optim.Adam), ("rmsprop", torch.optim.RMSprop), ("muon", Muon)],
)
def test_an_optimiser_is_built_by_name_and_steps_at_its_rate(name: str, kind: type) -> None:
    weights = torch.nn.Parameter(torch.zeros(3))
    optimiser = build_optimiser(name, [weights], (0.0, 0.99))
    assert isinstance(optimiser, kind)
    assert name == "rmsprop" or optimiser.param_groups[0]["betas"] == (0.0, 0.99)
    moved = []
    for rate in (0.0, 0.5, 1.0):
        set_rate(optimiser, rate)
        before = weights.detach().clone()
        weights.grad = torch.ones(3)
        optimiser.step()
        moved.append(float((before - weights).detach().max()))
    assert moved[0] == 0
    assert moved[1] > 0.1
    assert moved[2] > 1.5 * moved[1] * (0.8 if name == "rmsprop" else 1)
