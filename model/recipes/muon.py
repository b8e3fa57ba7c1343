"""Muon (Jordan et al. 2024) for weights that are applied at many places, and Adam for all others.

A step of Muon follows the orthogonal matrix nearest to the momentum, so all directions are learned
at the same rate. That costs little compared with a convolution, which is applied at each voxel, or
with a layer of a DeepSDF network, which is applied at each point.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

_MOMENTUM = 0.95
_SIZE = 0.6
"""Root mean square of a step's numbers, relative to the learning rate. About 0.2 is that of Adam
(Liu et al. 2025, section 2.2); decoders of shapes learn faster with three times as much."""
_SMALLEST = 16
"""Shorter side of a matrix from which its directions are worth the work."""
_POLYNOMIAL = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5
_ELONGATED = 4
"""Ratio of sides from which a matrix is orthogonalised by its Gram matrix, which is faster then."""


class Muon(Optimizer):
    """Optimiser of convolutions, and of layers that are applied at many points.

    Args:
        weights: Kernels of convolutions with enough channels are taken as matrices of their first
            axis and all others; Adam takes the rest.
        rate: Learning rate: a number, or a scalar tensor on a GPU.
        betas: Those of Adam.
        capturable: Steps can be captured in a CUDA graph.
        at_points: Muon takes matrices of linear layers as well: they are applied at many points.
    """

    def __init__(
        self,
        weights: Sequence[nn.Parameter],
        rate: float | Tensor,
        betas: tuple[float, float],
        capturable: bool,
        at_points: bool = False,
    ) -> None:
        self._adam = Adam(weights, rate, betas=betas, fused=True, capturable=capturable)
        axes = 2 if at_points else 3
        kernels = [one for one in weights if _is_kernel(one, axes)]
        others = [one for one in weights if not _is_kernel(one, axes)]
        adam_group = self._adam.param_groups[0] | {"params": others}
        super().__init__([adam_group, {"params": kernels}], {"lr": rate})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """Take one step down the gradients; there is no closure that computes them again."""
        adam_group, kernel_group = self.param_groups
        self._adam.state, self._adam.param_groups = self.state, [adam_group]
        self._adam.step()
        for kernel in kernel_group["params"]:
            if kernel.grad is not None:
                self._orthogonal_step(kernel, kernel_group["lr"])

    def _orthogonal_step(self, kernel: nn.Parameter, rate: float | Tensor) -> None:
        gradient, state = kernel.grad, self.state[kernel]
        assert gradient is not None
        if not state:
            state["momentum"] = torch.zeros_like(kernel)
        momentum = state["momentum"].lerp_(gradient, 1 - _MOMENTUM)
        direction = gradient.lerp(momentum, _MOMENTUM).flatten(1)  # Nesterov's
        size = _SIZE * max(direction.shape) ** 0.5
        kernel.sub_((orthogonal(direction) * (size * rate)).view_as(kernel))


def orthogonal(matrix: Tensor) -> Tensor:
    """Matrix (M, N) with the same singular vectors, and all singular values between 0.7 and 1.2.

    Five iterations of a polynomial (Jordan et al. 2024) instead of a singular value decomposition.
    Singular values that are below a thousandth of the norm stay below.
    """
    tall = matrix.shape[0] > matrix.shape[1]
    wide: Tensor = matrix.T if tall else matrix
    wide = wide / wide.norm().clamp(min=1e-30)
    elongated = wide.shape[1] >= _ELONGATED * wide.shape[0]
    # On a GPU, products may be rounded to TF32, and launches take most of the time.
    result = _by_gram_matrix(wide) if elongated and wide.device.type == "cpu" else _iterated(wide)
    return result.T if tall else result


def _iterated(matrix: Tensor) -> Tensor:
    a, b, c = _POLYNOMIAL
    for _ in range(_ITERATIONS):
        square = matrix @ matrix.T
        matrix = a * matrix + (b * square + c * square @ square) @ matrix
    return matrix


def _by_gram_matrix(matrix: Tensor) -> Tensor:
    """Give the result of `_iterated`, whose iterations are products of small matrices.

    Each is a polynomial of the Gram matrix times the matrix, so all of them together are too. In
    double precision, because small singular values are squared.
    """
    a, b, c = _POLYNOMIAL
    gram = (matrix @ matrix.T).double()
    product = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    for _ in range(_ITERATIONS):
        factor = b * gram + c * gram @ gram
        factor.diagonal().add_(a)
        product = factor @ product
        gram = factor @ gram @ factor
    return product.to(matrix.dtype) @ matrix


def _is_kernel(weight: nn.Parameter, axes: int) -> bool:
    """Test whether a weight has so many axes or more, and enough features on both sides."""
    return weight.ndim >= axes and min(weight.shape[0], weight[0].numel()) >= _SMALLEST
