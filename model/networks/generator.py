"""The generator: a DeepSDF network, f(point, latent) -> signed distance.

Both published generators are this one network. To concatenate a latent to a layer's input and to
add a linear map of it to the layer's output are the same thing; so the latent's part of a layer is
one product per shape, the part of points that all shapes share one product per grid, and neither
is ever repeated (Park et al. 2019, DeepSDF; Kleineberg et al. 2020).

Letters in shapes: B shapes, N points, Z latent, W width, E numbers that encode a point.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from shapegan.model.networks.initialisation import INITIALISATIONS

Frame = Literal["cube", "sphere"]
Initialisation = Literal["published", "he", "sphere"]
_Distances = Callable[[Tensor, Tensor, Tensor], Tensor]

_BLOCK_FEATURES = 2**19
"""Features that the CPU computes at once: 2 MiB of float32, against 64 MiB for 16 shapes at 16^3.
Measured, a third less time forth and back, since nothing big is allocated for each layer."""


@dataclass(frozen=True)
class GeneratorConfig:
    """What a generator is made of."""

    latent: int = 128
    """Length of a latent, Z."""
    width: int = 256
    """Features of each hidden layer, W."""
    depth: int = 8
    """Linear layers; points and latents enter layers 1 and depth / 2 + 1. Even, at least 4."""
    norm: bool = False
    """Layer norm before each ReLU, as the published point generator has it."""
    bounded: bool = True
    """A tanh at the end."""
    scale: float = 1.0
    """Distance, in units of the frame, of one unit of the network's output."""
    frequencies: int = 0
    """Octaves of sines and cosines that encode the points, beside their coordinates; 0: none."""
    frame: Frame = "cube"
    """Where points live and distances are measured: `cube` for voxels, `sphere` for points."""
    initialisation: Initialisation = "published"
    """`published`: torch's uniform one. `he`: keeps the variance through the ReLUs. `sphere`:
    begins near the distance to a sphere of radius 0.5 (Atzmon and Lipman 2020, SAL, section 4)."""

    def __post_init__(self) -> None:
        if self.depth < 4 or self.depth % 2:
            raise ValueError(f"expected an even depth of at least 4, got {self.depth}")
        if min(self.latent, self.width) < 1 or self.frequencies < 0 or self.scale <= 0:
            raise ValueError(
                "expected latent and width of at least 1, frequencies of at least 0 and a scale"
                f" above 0, got {self.latent}, {self.width}, {self.frequencies} and {self.scale}"
            )
        if self.initialisation == "sphere" and self.norm:
            raise ValueError("layer norm forgets the radius: expected no norm to begin as a sphere")

    @property
    def encoded(self) -> int:
        """Numbers that encode a point, E."""
        return 3 + 6 * self.frequencies


class Generator(nn.Module):
    """Signed distances of B shapes at N points, in units of `config.frame`."""

    config: GeneratorConfig

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        encoded, width, latent = config.encoded, config.width, config.latent
        hidden = [nn.Linear(width, width) for _ in range(config.depth - 2)]
        self.layers = nn.ModuleList([nn.Linear(encoded, width), *hidden, nn.Linear(width, 1)])
        self.points_again = nn.Linear(encoded, width, bias=False)
        self.latent_first = nn.Linear(latent, width, bias=False)
        self.latent_again = nn.Linear(latent, width, bias=False)
        norms = [nn.LayerNorm(width) for _ in range(config.depth - 1)] if config.norm else []
        self.norms = nn.ModuleList(norms)
        self._compiled: _Distances | None = None
        self.reset_parameters()

    @property
    def linears(self) -> list[nn.Linear]:
        """The layers, typed; those after the first without points and latents."""
        return [layer for layer in self.layers if isinstance(layer, nn.Linear)]

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw the weights anew from torch's global generator, as `config.initialisation` says."""
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
            chunk: Rows (points times shapes) to do at once; without it all. With gradients on,
                each chunk is done again in the backward pass, so memory is bounded by it. Results
                are the same.
            eager: Do without what `compile` made, to differentiate what comes out twice.

        Returns:
            (B, N), in units of the frame; float32 also under autocast.

        Raises:
            ValueError: where shapes don't fit.
        """
        self._check(points, latents, chunk)
        # 1. The latents' part, once per shape
        first, again = self._latent_parts(latents)
        # 2. The points, as many at a time as memory allows
        pieces = _split(points, len(latents), chunk)
        again_later = len(pieces) > 1 and torch.is_grad_enabled()
        distances = self._distances if eager else self._compiled or self._distances
        run = self._checkpointed if again_later else self._in_blocks
        return torch.cat([run(distances, piece, first, again) for piece in pieces], dim=1)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile what is done for each block of points, in place; copies are not compiled.

        Takes what `torch.compile` takes. What is compiled can be differentiated only once.
        """
        self._compiled = torch.compile(self._distances, *args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_compiled": None}

    def encode(self, points: Tensor) -> Tensor:
        """Coordinates and their sines and cosines of pi 2^k: (..., 3) -> (..., E).

        Mildenhall et al. 2020 (NeRF), equation 4, with the coordinates beside it.
        """
        if self.config.frequencies == 0:
            return points
        octaves = torch.arange(self.config.frequencies, device=points.device)
        angles = points[..., None] * (math.pi * torch.exp2(octaves.to(points.dtype)))
        waves = torch.cat([angles.sin(), angles.cos()], dim=-1)
        return torch.cat([points, waves.flatten(-2)], dim=-1)

    def _check(self, points: Tensor, latents: Tensor, chunk: int | None) -> None:
        if latents.dim() != 2 or latents.shape[1] != self.config.latent:
            raise ValueError(
                f"expected latents (B, {self.config.latent}), got {tuple(latents.shape)}"
            )
        own = points.dim() == 3 and len(points) == len(latents)
        if points.shape[-1] != 3 or not (points.dim() == 2 or own):
            raise ValueError(
                f"expected points (N, 3) or ({len(latents)}, N, 3), got {tuple(points.shape)}"
            )
        if chunk is not None and chunk < 1:
            raise ValueError(f"expected a chunk of at least 1 row, got {chunk}")

    def _latent_parts(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """What the latents add to the first layer and to the middle one, with biases: (B, 1, W)."""
        linears = self.linears
        middle = linears[self.config.depth // 2]
        with torch.autocast(latents.device.type, enabled=False):
            latents = latents.to(self.latent_first.weight.dtype)
            first = self.latent_first(latents) + linears[0].bias
            again = self.latent_again(latents) + middle.bias
        return first[:, None], again[:, None]

    def _point_parts(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """What the points add to the first layer and to the middle one: (N, W) or (B, N, W)."""
        # In full precision: bfloat16 would move a point by up to a 512th of the frame.
        with torch.autocast(points.device.type, enabled=False):
            encoded = self.encode(points.to(self.points_again.weight.dtype))
            return F.linear(encoded, self.linears[0].weight), self.points_again(encoded)

    def _distances(self, points: Tensor, first: Tensor, again: Tensor) -> Tensor:
        """Signed distances at points (n, 3) or (B, n, 3), given the latents' parts: (B, n)."""
        points_first, points_again = self._point_parts(points)
        dtype = _compute_dtype(points_first)
        hidden = self._activate(0, points_first.to(dtype) + first.to(dtype))
        linears = self.linears
        for index, layer in enumerate(linears[1:-1], start=1):
            if index == self.config.depth // 2:
                hidden = F.linear(hidden, layer.weight)
                hidden = hidden.add_(points_again.to(dtype)).add_(again.to(dtype))
            else:
                hidden = layer(hidden)
            hidden = self._activate(index, hidden)
        raw: Tensor = linears[-1](hidden).select(-1, 0).to(first.dtype)
        return self.config.scale * (raw.tanh() if self.config.bounded else raw)

    def _activate(self, index: int, hidden: Tensor) -> Tensor:
        if self.config.norm:
            hidden = self.norms[index](hidden)
        return F.relu_(hidden)

    def _in_blocks(
        self, distances: _Distances, points: Tensor, first: Tensor, again: Tensor
    ) -> Tensor:
        """`distances`, on the CPU of so few points at a time that features stay in the cache."""
        rows = max(1, _BLOCK_FEATURES // self.config.width) if points.device.type == "cpu" else None
        blocks = _split(points, len(first), rows)
        return torch.cat([distances(block, first, again) for block in blocks], dim=1)

    def _checkpointed(
        self, distances: _Distances, points: Tensor, first: Tensor, again: Tensor
    ) -> Tensor:
        inputs = (distances, points, first, again)
        done = checkpoint(self._in_blocks, *inputs, use_reentrant=False, preserve_rng_state=False)
        assert isinstance(done, Tensor)
        return done


def _split(points: Tensor, shapes: int, rows: int | None) -> Sequence[Tensor]:
    """Points (..., N, 3) in about equal parts, of at most so many rows (points times shapes)."""
    count = points.shape[-2]
    if rows is None or count == 0:
        return [points]
    parts = math.ceil(count / max(1, rows // shapes))
    return torch.split(points, math.ceil(count / parts), dim=-2)


def _compute_dtype(full: Tensor) -> torch.dtype:
    """What hidden features are held in: autocast's dtype where it is on."""
    if torch.is_autocast_enabled(full.device.type):
        return torch.get_autocast_dtype(full.device.type)
    return full.dtype
