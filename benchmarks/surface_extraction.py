"""Time of a mesh from a sparse grid, beside a dense grid with repeated latents.

python benchmarks/surface_extraction.py WEIGHTS [--resolutions 128,256] [--chunks 8]

CPU seconds of one thread. The dense evaluation is that of the published code: each grid point goes
through the network with a copy of the latent. It would take hours, so a few chunks are timed and
extrapolated, without marching cubes.
"""

import argparse
import resource
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from markdown_table import markdown
from torch import Tensor

from shapegan.model.generation.source import open_source
from shapegan.model.networks.generator import Generator
from shapegan.model.shapes.surface import CHUNK, extract


class CountingGenerator:
    """A generator that counts the points it evaluates."""

    def __init__(self, generator: Generator) -> None:
        self._generator, self.config, self.evaluated = generator, generator.config, 0

    def __call__(self, points: Tensor, latents: Tensor) -> Tensor:
        """See `Generator`."""
        self.evaluated += len(points)
        distances: Tensor = self._generator(points, latents)
        return distances


@torch.no_grad()
def repeated(generator: Generator, points: Tensor, latent: Tensor) -> Tensor:
    """Distances (N,) at points (N, 3), each with its own copy of the latent (Z,)."""
    linears = generator.linears
    inputs = torch.cat([generator.encode(points), latent.expand(len(points), -1)], dim=1)
    again = [generator.points_again.weight, generator.latent_again.weight]
    hidden, middle = inputs, generator.config.depth // 2
    for index, layer in enumerate(linears):
        weight = layer.weight
        if index == 0:
            weight = torch.cat([weight, generator.latent_first.weight], dim=1)
        elif index == middle:
            weight = torch.cat([weight, *again], dim=1)
            hidden = torch.cat([hidden, inputs], dim=1)
        hidden = F.linear(hidden, weight, layer.bias)
        if index < len(linears) - 1:
            hidden = F.relu(generator.norms[index](hidden) if generator.config.norm else hidden)
    raw = hidden[:, 0]
    return generator.config.scale * (raw.tanh() if generator.config.bounded else raw)


def dense_seconds(generator: Generator, latent: Tensor, chunks: int) -> float:
    """CPU seconds per point of the dense evaluation."""
    points = 2 * torch.rand(CHUNK, 3) - 1
    repeated(generator, points, latent)  # leaves one-time costs out
    began = time.process_time()
    for _ in range(chunks):
        repeated(generator, points, latent)
    return (time.process_time() - began) / (chunks * CHUNK)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("weights", type=Path)
    parser.add_argument("--resolutions", default="128,256")
    parser.add_argument("--chunks", type=int, default=8)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    source = open_source(arguments.weights)
    latent = source.latent(0)
    dense = dense_seconds(source.generator, latent, arguments.chunks)
    rows: list[list[Any]] = []
    for resolution in map(int, arguments.resolutions.split(",")):
        field = CountingGenerator(source.generator)
        began = time.process_time()
        extract(field, latent, resolution, source.level)
        spent, points = time.process_time() - began, resolution**3
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        cells = [f"{spent:.1f}", f"{dense * points:.0f}", f"{dense * points / spent:.0f}"]
        cells += [f"{field.evaluated:,}", f"{points / field.evaluated:.1f}", f"{peak:.2f}"]
        rows.append([f"{resolution}^3", *cells])
    heads = ["grid", "CPU s", "dense CPU s", "times", "points", "dense / points", "peak GiB"]
    print(markdown(heads, rows))


if __name__ == "__main__":
    main()
