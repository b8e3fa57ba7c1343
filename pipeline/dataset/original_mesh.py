"""A dataset's meshes as they came, for pictures beside what was made of them."""

from pathlib import Path

from shapegan.pipeline.meshes.clean import clean
from shapegan.pipeline.meshes.load import load
from shapegan.pipeline.meshes.triangle_mesh import BadMeshError, Frame, TriangleMesh, frame_of


def read_original(
    mesh_root: Path, relative: str, frame: Frame | None = None
) -> tuple[TriangleMesh | None, str]:
    """A mesh in the cube frame, or why there is none.

    Args:
        mesh_root: Folder below which the meshes lie.
        relative: The path that `meshes.csv` gives.
        frame: Of the shape; None measures it, for what was turned away.
    """
    path = mesh_root / relative
    if not path.is_file():
        return None, f"no mesh below {mesh_root}: {relative}"
    try:
        mesh = clean(load(path))
        frame = frame or frame_of(mesh.vertices)
    except BadMeshError as error:
        return None, f"cannot be read: {error}"
    return TriangleMesh((mesh.vertices - frame.center) / frame.scale_cube, mesh.faces), ""
