"""The authors' published weights -> `Generator` (Kleineberg et al. 2020, marian42/shapegan).

The files have two layouts. The voxel generator concatenates points and latent to the inputs of
layers 1 and 5. The point generator has layer norm and adds linear maps of the latent. Both give
distances in units of their frame; the voxel weights saturate at 0.1, the clip of their training
data.
"""

import pickle
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from shapegan.model.networks.generator import Generator, GeneratorConfig
from shapegan.pipeline.errors import PlainError

Weights = dict[str, Tensor]

_VOXELS, _POINTS = "layers1.0.weight", "z_lin1.weight"
"""A name that only this layout has, for each of the two."""


class WeightsError(PlainError):
    """A file without published weights; the message is one line."""


def is_published(path: Path) -> bool:
    """Test whether a file has published weights; only loading it shows whether it is complete.

    Raises:
        WeightsError: the file cannot be read.
    """
    return _VOXELS in (weights := _content(path)) or _POINTS in weights


def load_published(path: Path) -> Generator:
    """Load the generator of a file of published weights, on the CPU.

    Args:
        path: `gan_generator_voxels_*.to` (cube frame) or `point_generator_*.pt` (sphere frame).

    Raises:
        WeightsError: the file cannot be read, or holds something else.
    """
    weights = _read(path)
    try:
        if _VOXELS in weights:
            config, state = _from_voxels(weights)
        elif _POINTS in weights:
            config, state = _from_points(weights)
        else:
            raise WeightsError(
                f"{path} holds no published generator: expected {_VOXELS} or {_POINTS},"
                f" got {', '.join(sorted(weights)[:3])}"
            )
        generator = Generator(config)
        generator.load_state_dict(state)
    except (KeyError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise WeightsError(f"{path} holds no complete published generator: {reason}") from error
    return generator


def _read(path: Path) -> Weights:
    weights = _content(path)
    if not all(isinstance(value, Tensor) for value in weights.values()):
        raise WeightsError(f"{path} is not a file of weights: expected tensors by name")
    return weights


def _content(path: Path) -> dict[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror}") from error
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise WeightsError(f"{path} is not a file of weights, or damaged") from error
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise WeightsError(f"{path} is not a file of weights: expected tensors by name")
    return dict(content)


def _from_voxels(weights: Weights) -> tuple[GeneratorConfig, Weights]:
    """Convert linear layers 0, 2, 4... of `layers1` and `layers2`.

    The columns of a weight are features, points, latent.
    """
    names = [name.removesuffix(".weight") for name in weights if name.endswith(".weight")]
    names.sort(key=lambda name: [int(number) for number in re.findall(r"\d+", name)])
    first, middle = weights["layers1.0.weight"], weights["layers2.0.weight"]
    width = len(first)
    config = GeneratorConfig(latent=first.shape[1] - 3, width=width, depth=len(names))
    state = _linear_layers(weights, names)
    state |= {
        "layers.0.weight": first[:, :3],
        "latent_first.weight": first[:, 3:],
        f"layers.{config.depth // 2}.weight": middle[:, :width],
        "points_again.weight": middle[:, width : width + 3],
        "latent_again.weight": middle[:, width + 3 :],
    }
    return config, state


def _from_points(weights: Weights) -> tuple[GeneratorConfig, Weights]:
    """Convert layers `lins`, their `norms`, of which the last is unused, and `z_lin1`, `z_lin2`."""
    depth = sum(re.fullmatch(r"lins\.\d+\.weight", name) is not None for name in weights)
    width, latent = weights["z_lin1.weight"].shape
    config = GeneratorConfig(
        latent=latent, width=width, depth=depth, norm=True, bounded=False, frame="sphere"
    )
    middle = weights[f"lins.{depth // 2}.weight"]
    state = _linear_layers(weights, [f"lins.{index}" for index in range(depth)])
    for index in range(depth - 1):
        for part in ("weight", "bias"):
            state[f"norms.{index}.{part}"] = weights[f"norms.{index}.{part}"]
    state["layers.0.bias"] = weights["lins.0.bias"] + weights["z_lin1.bias"]
    state[f"layers.{depth // 2}.bias"] = state[f"layers.{depth // 2}.bias"] + weights["z_lin2.bias"]
    state |= {
        "latent_first.weight": weights["z_lin1.weight"],
        "latent_again.weight": weights["z_lin2.weight"],
        f"layers.{depth // 2}.weight": middle[:, :width],
        "points_again.weight": middle[:, width:],
    }
    return config, state


def _linear_layers(weights: Weights, names: list[str]) -> Weights:
    return {
        f"layers.{index}.{part}": weights[f"{name}.{part}"]
        for index, name in enumerate(names)
        for part in ("weight", "bias")
    }
