"""Signed distances of a shell, and what they answer at points."""

from typing import NamedTuple

import numpy as np

from shapegan.pipeline.sdf.shell_queries import ShellQueries
from shapegan.pipeline.sdf.signed_distance import SignedDistance
from shapegan.pipeline.shell.build import build_shell
from shapegan.pipeline.shell.wall_thickness import local_thickness, thicken_thin_parts

THICKNESS = 0.016


def field_of(mesh, thickness=THICKNESS, *, thicken=False):
    shell = build_shell(*mesh)
    thin = thicken_thin_parts(shell, local_thickness(shell), thickness) if thicken else None
    return SignedDistance(ShellQueries.of(shell), thickness, thin)


class Answer(NamedTuple):
    sdf: np.ndarray
    closest: np.ndarray


def ask(field, points):
    return Answer(*field.signed_distances(points))


def f32(points):
    return np.asarray(points, np.float32)
