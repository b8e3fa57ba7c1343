"""Winding numbers of a mesh, and how far they may be off."""

import numpy as np

from shapegan.pipeline.queries.winding import WindingField

TOLERANCE = 0.1
"""Error of the multipoles; largest in a sphere, where all of them err alike."""


def field_of(mesh):
    vertices, faces = mesh
    return WindingField(vertices.astype(np.float32), faces)
