"""Stands in for `shapegan.pipeline.sdf.scan.ScannedSurface`, without OpenGL."""

import numpy as np


def ball_scanner(radius, asked=None, spoil=lambda sdf: sdf):
    """A class of scanners that see a ball, whatever they are given.

    Args:
        radius: of the ball, cube frame.
        asked: a list to note what each scanner is made with.
        spoil: done to distances.
    """

    class Scanner:
        def __init__(self, *arguments, signs="depth"):
            if asked is not None:
                asked.append((*arguments, signs))

        def signed_distances(self, points):
            distance = np.linalg.norm(points, axis=1, keepdims=True)
            sdf = (distance[:, 0] - radius).astype(np.float32)
            return spoil(sdf), (points / distance * radius).astype(np.float32)

        def voxels(self, resolution):
            axis = np.linspace(-1, 1, resolution, dtype=np.float32)
            grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
            return spoil(np.linalg.norm(grid, axis=-1) - np.float32(radius))

        def surface_points(self, count, rng):
            points = rng.standard_normal((count, 3))
            points *= radius / np.linalg.norm(points, axis=1, keepdims=True)
            return points.astype(np.float32)

    return Scanner
