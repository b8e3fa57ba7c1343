"""Makes the pictures of shapes.md again, from the authors' published weights.

python docs/make_published.py WEIGHTS...

Of each file of weights eight shapes, seeds 0 to 7, at 64^3; and with --upscale one shape at 16^3 to
128^3 above its 16^3 grid upscaled trilinearly.
"""

import sys
from pathlib import Path

import warp as wp
from drawing import compress
from PIL import Image

from shapegan.model.generation.films import draw_upscale
from shapegan.model.generation.source import open_source
from shapegan.model.shapes.sheets import draw_shapes
from shapegan.model.shapes.surface import extract

IMAGES = Path(__file__).parent / "images"
SHAPES, RESOLUTION, PANEL = 8, 64, 160
UPSCALED = 0
"""Seed of the shape that is shown at all resolutions."""


def main() -> None:
    """Makes a picture for each file."""
    wp.config.log_level = wp.LOG_WARNING
    upscale = "--upscale" in sys.argv
    for path in [Path(name) for name in sys.argv[1:] if not name.startswith("--")]:
        source = open_source(path)
        print(source.name, flush=True)
        if upscale:
            latent = source.latent(UPSCALED)
            picture = draw_upscale(source, latent, source.level, 2 * PANEL, trilinear=True)
            compress(Image.fromarray(picture), IMAGES / "upscale.png")
            continue
        latents = source.latents(range(SHAPES))
        meshes = [extract(source.generator, one, RESOLUTION, source.level) for one in latents]
        picture = draw_shapes(meshes, SHAPES, PANEL)
        compress(Image.fromarray(picture), IMAGES / f"{source.name}.png")


if __name__ == "__main__":
    main()
