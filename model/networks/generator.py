"""The generator: a DeepSDF network, f(point, latent) -> signed distance.

Both published generators are this one network (Park et al. 2019, DeepSDF; Kleineberg et al. 2020).
Concatenating a latent to a layer's input is the same as adding a linear map of the latent to the
layer's output. So the latent's part of a layer is one product per shape, the part of points that
all shapes share is one product per grid, and latents are never repeated per point.

With a prior, latents are noise from which it makes codes, and codes enter the network. Without one,
a code is the latent itself.

Letters in shapes: B shapes, N points, Z latent or code, W width, E encoding of a point.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from shapegan.model.networks.generator_inputs import check_inputs, on_one_side, split_points
from shapegan.model.networks.initialisation import INITIALISATIONS
from shapegan.model.networks.kernel_prior import KernelPrior
from shapegan.model.networks.products import linear, linear_relu

Frame = Literal["cube", "sphere"]
Initialisation = Literal["published", "he", "sphere"]
Symmetry = Literal["none", "x", "auto"]
_Distances = Callable[[Tensor, Tensor, Tensor], Tensor]

_BLOCK_FEATURES = 2**19
"""Features that the CPU computes at once: 2 MiB of float32, not 64 MiB for 16 shapes at 16^3.
This takes a third off the forward and backward pass: no layer allocates large tensors."""


@dataclass(frozen=True)
class GeneratorConfig:
    """Architecture of a generator."""

    latent: int = 128
    """Length of a latent, Z."""
    width: int = 256
    """Features of each hidden layer, W."""
    depth: int = 8
    """Linear layers; points and latents enter layers 1 and depth / 2 + 1. Even, at least 4."""
    norm: bool = False
    """Layer norm before each ReLU, as in the published point generator."""
    bounded: bool = True
    """Apply tanh to the output."""
    scale: float = 1.0
    """Distance, in units of the frame, of one unit of the network's output."""
    frequencies: int = 0
    """Octaves of the positional encoding of points (Mildenhall et al. 2020, NeRF, equation 4), in
    addition to their coordinates; 0: coordinates only."""
    frame: Frame = "cube"
    """Frame of points and distances: `cube` for voxels, `sphere` for points."""
    initialisation: Initialisation = "published"
    """`published`: torch's default. `he`: keeps the variance through ReLUs (He et al. 2015).
    `sphere`: near the distance to a sphere of radius 0.5 (Atzmon and Lipman 2020, SAL)."""
    symmetry: Symmetry = "none"
    """`x`: shapes are their own mirror images at x = 0, because points are evaluated at |x|. The
    recipes `voxel` and `point` then train on the half x > 0 alone, at half the cost.
    `auto`: `x` or `none`, by the training shapes when a run starts; a generator does not take it.
    """
    prior_spread: float = 0.0
    """Standard deviation of the noise around the training shapes' codes, whose own is 1, in the
    codes that the prior gives (`kernel_prior`); 0: no prior. Needs shapes that are reconstructed
    (`Objective.reconstruction_weight`)."""
    prior_shapes: int | None = None
    """Training shapes whose codes the prior keeps. None: as many as the dataset has, when a run
    starts; a generator does not take it."""

    def __post_init__(self) -> None:
        if self.depth < 4 or self.depth % 2:
            raise ValueError(f"expected an even depth of at least 4, got {self.depth}")
        if min(self.latent, self.width) < 1 or self.frequencies < 0 or self.scale <= 0:
            raise ValueError(
                "expected latent and width of at least 1, frequencies of at least 0 and a scale"
                f" above 0, got {self.latent}, {self.width}, {self.frequencies} and {self.scale}"
            )
        if self.prior_spread < 0 or (self.prior_shapes is not None and self.prior_shapes < 1):
            raise ValueError(
                "expected prior_spread of at least 0, and prior_shapes of at least 1 or none, got"
                f" {self.prior_spread} and {self.prior_shapes}"
            )
        if self.initialisation == "sphere" and self.norm:
            raise ValueError(
                "initialisation sphere: expected no norm, because layer norm removes the radius"
            )

    @property
    def encoded(self) -> int:
        """Length of the encoding of a point, E."""
        return 3 + 6 * self.frequencies


class Generator(nn.Module):
    """Signed distances of B shapes at N points, in units of `config.frame`."""

    config: GeneratorConfig

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        if config.symmetry == "auto":
            raise ValueError("expected symmetry x or none, got auto: see training.data_settings")
        self.config = config
        encoded, width, latent = config.encoded, config.width, config.latent
        hidden = [nn.Linear(width, width) for _ in range(config.depth - 2)]
        self.layers = nn.ModuleList([nn.Linear(encoded, width), *hidden, nn.Linear(width, 1)])
        self.points_again = nn.Linear(encoded, width, bias=False)
        self.latent_first = nn.Linear(latent, width, bias=False)
        self.latent_again = nn.Linear(latent, width, bias=False)
        norms = [nn.LayerNorm(width) for _ in range(config.depth - 1)] if config.norm else []
        self.norms = nn.ModuleList(norms)
        self.prior = _prior(config)
        self._compiled: _Distances | None = None
        self.reset_parameters()

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self.latent_first.weight.device

    @property
    def linears(self) -> list[nn.Linear]:
        """The linear layers, typed, without the weights of points and latents that enter again."""
        return [layer for layer in self.layers if isinstance(layer, nn.Linear)]

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw new weights from torch's global random generator, by `config.initialisation`."""
        INITIALISATIONS[self.config.initialisation](self)

    def forward(
        self,
        points: Tensor,
        latents: Tensor,
        chunk: int | None = None,
        *,
        eager: bool = False,
    ) -> Tensor:
        """Signed distances of all shapes at their points.

        Args:
            points: (N, 3) shared by all shapes, or (B, N, 3).
            latents: (B, Z).
            chunk: Rows (points times shapes) to evaluate at once; None: all. With gradients, each
                chunk is evaluated again in the backward pass, so that the chunk bounds the memory.
                Results are the same.
            eager: Bypass `compile`, so that the result can be differentiated twice.

        Returns:
            (B, N), in units of the frame; float32 also under autocast.

        Raises:
            ValueError: a tensor has the wrong shape.
        """
        return self.decode(points, self.codes(latents), chunk, eager=eager)

    def codes(self, latents: Tensor) -> Tensor:
        """Codes (B, Z) of latents (B, Z): those of the prior, or the latents themselves."""
        if self.prior is None:
            return latents
        with torch.autocast(latents.device.type, enabled=False):
            return self.prior.sample(latents.to(self.prior.centres.dtype))

    def decode(
        self, points: Tensor, codes: Tensor, chunk: int | None = None, *, eager: bool = False
    ) -> Tensor:
        """Signed distances (B, N) of codes (B, Z); all else as in `forward`."""
        check_inputs(points, codes, self.config.latent, chunk)
        # 1. The part of the codes, once per shape
        first, again = self._code_parts(codes)
        # 2. The points, folded at a plane of symmetry, chunk by chunk
        if self.config.symmetry == "x":
            points = on_one_side(points)
        pieces = split_points(points, len(codes), chunk)
        recompute = len(pieces) > 1 and torch.is_grad_enabled()
        distances = self._distances if eager else self._compiled or self._distances
        run = self._checkpointed if recompute else self._in_blocks
        return torch.cat([run(distances, piece, first, again) for piece in pieces], dim=1)

    def latent_weights(self) -> Tensor:
        """Weights (2 W, Z) through which a latent enters both layers.

        With a prior, through which a small change of the mean latent does.
        """
        weights = torch.cat([self.latent_first.weight, self.latent_again.weight])
        if self.prior is None:
            return weights
        mean = torch.zeros(self.config.latent, device=self.device)
        with torch.enable_grad():
            jacobian = torch.func.jacrev(lambda latent: self.codes(latent[None])[0])(mean)
        assert isinstance(jacobian, Tensor)
        return weights @ jacobian

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile the evaluation of a block of points, in place; copies are not compiled.

        Takes the arguments of `torch.compile`. The result can be differentiated only once.
        """
        self._compiled = torch.compile(self._distances, *args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_compiled": None}

    def encode(self, points: Tensor) -> Tensor:
        """Positional encoding of points: (..., 3) -> (..., E).

        Mildenhall et al. 2020 (NeRF), equation 4, preceded by the coordinates themselves.
        """
        if self.config.frequencies == 0:
            return points
        octaves = torch.arange(self.config.frequencies, device=points.device)
        angles = points[..., None] * (math.pi * torch.exp2(octaves.to(points.dtype)))
        waves = torch.cat([angles.sin(), angles.cos()], dim=-1)
        return torch.cat([points, waves.flatten(-2)], dim=-1)

    def _code_parts(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Codes' part of the first layer and of the middle one, with biases: (B, 1, W) each."""
        linears = self.linears
        middle = linears[self.config.depth // 2]
        with torch.autocast(codes.device.type, enabled=False):
            codes = codes.to(self.latent_first.weight.dtype)
            first = self.latent_first(codes) + linears[0].bias
            again = self.latent_again(codes) + middle.bias
        return first[:, None], again[:, None]

    def _point_parts(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Points' part of the first layer and of the middle one: (N, W) or (B, N, W) each."""
        # In full precision: bfloat16 would move a point by up to 1/512 of the frame.
        with torch.autocast(points.device.type, enabled=False):
            encoded = self.encode(points.to(self.points_again.weight.dtype))
            return F.linear(encoded, self.linears[0].weight), self.points_again(encoded)

    def _distances(self, points: Tensor, first: Tensor, again: Tensor) -> Tensor:
        """Signed distances at points (n, 3) or (B, n, 3), given the codes' parts: (B, n)."""
        points_first, points_again = self._point_parts(points)
        dtype = _compute_dtype(points_first)
        entering = self._activate(0, points_first.to(dtype) + first.to(dtype))
        # As rows: a layer's result on (B, n, W) is a view, whose gradient an in-place ReLU copies.
        hidden, linears = entering.flatten(0, 1), self.linears
        for index, layer in enumerate(linears[1:-1], start=1):
            if index == self.config.depth // 2:
                added = points_again.to(dtype) + again.to(dtype)
                hidden = linear(hidden, layer.weight).add_(added.flatten(0, 1))
                hidden = self._activate(index, hidden)
            elif self.config.norm:
                hidden = self._activate(index, linear(hidden, layer.weight, layer.bias))
            else:
                hidden = linear_relu(hidden, layer.weight, layer.bias)
        # In full precision: in bfloat16 many distances would be equal, and the loss of loose parts
        # takes equal ones for one place.
        with torch.autocast(hidden.device.type, enabled=False):
            raw: Tensor = linears[-1](hidden.to(first.dtype)).view(entering.shape[:-1])
        return self.config.scale * (raw.tanh() if self.config.bounded else raw)

    def _activate(self, index: int, hidden: Tensor) -> Tensor:
        if self.config.norm:
            norm = self.norms[index]
            assert isinstance(norm, nn.LayerNorm)
            # Autocast would take float32, at twice the memory. The moments are in float32 anyway.
            with torch.autocast(hidden.device.type, enabled=False):
                weight, bias = norm.weight.to(hidden.dtype), norm.bias.to(hidden.dtype)
                hidden = F.layer_norm(hidden, norm.normalized_shape, weight, bias, norm.eps)
        return F.relu_(hidden)

    def _in_blocks(
        self, distances: _Distances, points: Tensor, first: Tensor, again: Tensor
    ) -> Tensor:
        """Evaluate blocks of points; on the CPU, blocks whose features fit in the cache."""
        rows = max(1, _BLOCK_FEATURES // self.config.width) if points.device.type == "cpu" else None
        blocks = split_points(points, len(first), rows)
        return torch.cat([distances(block, first, again) for block in blocks], dim=1)

    def _checkpointed(
        self, distances: _Distances, points: Tensor, first: Tensor, again: Tensor
    ) -> Tensor:
        inputs = (distances, points, first, again)
        done = checkpoint(self._in_blocks, *inputs, use_reentrant=False, preserve_rng_state=False)
        assert isinstance(done, Tensor)
        return done


def _prior(config: GeneratorConfig) -> KernelPrior | None:
    if not config.prior_spread:
        return None
    if config.prior_shapes is None:
        raise ValueError("expected prior_shapes, got None: see training.data_settings")
    return KernelPrior(config.prior_shapes, config.latent, config.prior_spread)


def _compute_dtype(full: Tensor) -> torch.dtype:
    """Dtype of hidden features: that of autocast, if it is enabled."""
    if torch.is_autocast_enabled(full.device.type):
        return torch.get_autocast_dtype(full.device.type)
    return full.dtype
