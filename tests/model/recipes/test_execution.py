"""Settings of how networks are run."""

import torch

from shapegan.model.recipes.execution import Execution

CPU = torch.device("cpu")


def test_a_weight_cast_without_gradients_is_not_used_again_with_them() -> None:
    """Up to torch 2.10, such a weight got no gradient."""
    with Execution(CPU, "bf16").autocast():
        assert torch.is_autocast_enabled("cpu")
        assert not torch.is_autocast_cache_enabled()
    with Execution(CPU, "fp32").autocast():
        assert not torch.is_autocast_enabled("cpu")


def test_bf16_on_a_gpu_may_round_what_is_not_bf16_to_tf32() -> None:
    before = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
    try:
        for precision, rounds in (("fp32", False), ("tf32", True), ("bf16", True)):
            Execution(CPU, precision).allow_rounding()
            assert torch.backends.cudnn.allow_tf32 == rounds
    finally:
        torch.backends.cudnn.allow_tf32 = before[0]
        torch.set_float32_matmul_precision(before[1])
