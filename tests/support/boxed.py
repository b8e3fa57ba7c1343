"""A box far from the origin, as a mesh, with its exact distances."""

from types import SimpleNamespace

import numpy as np
from support import formulas, shapes

FRAMES = ("mesh", "cube", "sphere")
SIZE, CENTER = np.array([4.0, 2.0, 1.0]), np.array([10.0, -3.0, 5.0])
SPHERE = np.sqrt(21) / 2
"""Mesh units in a unit of the box's sphere frame; in one of its cube frame there are 2."""


def given_as(mesh):
    """Object with vertices and faces that is not one of trimesh's."""
    return SimpleNamespace(vertices=mesh[0], faces=mesh[1])


BOX = given_as(shapes.box(SIZE, CENTER, subdivisions=1))


def truth(points):
    return formulas.box_distance(np.asarray(points) - CENTER, SIZE)


def points_in_mesh(count, seed=0):
    return CENTER + np.random.default_rng(seed).uniform(-3, 3, (count, 3))


def apply(matrix, points):
    """Points (N, 3) moved by a matrix (4, 4)."""
    return points @ matrix[:3, :3].T + matrix[:3, 3]
