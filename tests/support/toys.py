"""Checkpoints of networks that nobody trained: spheres with dents, made in no time."""

import dataclasses
from pathlib import Path
from typing import Any

import torch
from support.training import AUTODECODER, LATENT, POINT

from shapegan.model.config import TrainConfig
from shapegan.model.networks.generator import Generator
from shapegan.model.networks.grid_encoder import GridEncoder
from shapegan.model.networks.latent_generator import LatentGenerator
from shapegan.model.schedule import Position
from shapegan.model.training.checkpoint import Checkpoint, save_checkpoint


def toy_run(folder: Path, learned: torch.Tensor | None = None, data: str = "") -> Path:
    """A run's folder with a checkpoint, of an autodecoder where there are learned latents."""
    of: TrainConfig = POINT if learned is None else AUTODECODER
    config = dataclasses.replace(of, generator=dataclasses.replace(of.generator, width=32))
    torch.manual_seed(3)
    generator = Generator(config.generator)
    torch.nn.init.normal_(generator.latent_first.weight, std=0.02)
    state: dict[str, Any] = {"average": {"weights": generator.state_dict()}}
    if learned is not None:
        state["networks"] = {"latents": {"weight": learned}}
    count = 8 if learned is None else len(learned)
    checkpoint = Checkpoint(config, Position(total=1), state, {}, shape_count=count, data=data)
    save_checkpoint(folder / "checkpoints", checkpoint)
    return folder


def latent_run(folder: Path, categories: tuple[str, ...] = (), data: str = "") -> Path:
    """A run's folder with a checkpoint of recipe `latent`."""
    config = dataclasses.replace(
        LATENT, generator=dataclasses.replace(LATENT.generator, categories=categories)
    )
    torch.manual_seed(3)
    generator = LatentGenerator(config.generator)
    torch.nn.init.normal_(generator.prior.leave.weight, std=0.3)
    torch.nn.init.normal_(generator.decoder.point_layers[-1].weight, std=0.1)
    torch.nn.init.constant_(generator.decoder.point_layers[-1].bias, 0.0)
    encoder = GridEncoder(config.generator.code, mirrored=False)
    torch.nn.init.normal_(encoder.components, std=0.02)
    state: dict[str, Any] = {
        "average": {"weights": generator.state_dict()},
        "networks": {"encoder": encoder.state_dict()},
    }
    checkpoint = Checkpoint(config, Position(total=1), state, {}, shape_count=8, data=data)
    save_checkpoint(folder / "checkpoints", checkpoint)
    return folder
