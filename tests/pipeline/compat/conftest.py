"""A mesh and its cloud, by the functions that stand in for mesh-to-sdf."""

import pytest
import trimesh
from support import shapes

import shapegan.pipeline.compat.mesh_to_sdf as mesh_to_sdf

L_SHAPE = shapes.moved(shapes.turned(shapes.l_shape(), 0.4), (0.2, 0.1, -0.3))


@pytest.fixture(scope="session")
def mesh():
    return trimesh.Trimesh(*L_SHAPE)


@pytest.fixture(scope="session")
def cloud(mesh):
    return mesh_to_sdf.get_surface_point_cloud(
        mesh_to_sdf.scale_to_unit_sphere(mesh), scan_count=5, scan_resolution=60, seed=0
    )
