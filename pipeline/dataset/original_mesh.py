"""The input meshes of a dataset, for pictures beside the shapes made from them."""

from pathlib import Path

from shapegan.pipeline.meshes.clean import clean
from shapegan.pipeline.meshes.load import load
from shapegan.pipeline.meshes.triangle_mesh import BadMeshError, Frame, TriangleMesh, frame_of


def read_original(
    mesh_root: Path, relative: str, frame: Frame | None = None
) -> tuple[TriangleMesh | None, str]:
    """Read an input mesh and map it to the cube frame.

    Args:
        mesh_root: Folder of the meshes.
        relative: The mesh's path below it, from `meshes.csv`.
        frame: Frame of the shape; None measures it, for meshes that are not in the dataset.

    Returns:
        The cleaned mesh and "", or None and the reason.
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
