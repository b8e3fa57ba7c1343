"""A folder of three small meshes, one of which cannot be read."""

from pathlib import Path

from support import shapes


def make_mesh_tree(folder: Path) -> Path:
    """Write chairs/box.obj, tables/sheet.obj and tables/broken.obj; return the folder."""
    for name in ("chairs", "tables"):
        (folder / name).mkdir(parents=True)
    shapes.write_obj(folder / "chairs" / "box.obj", *shapes.box((1, 2, 3)))
    shapes.write_obj(folder / "tables" / "sheet.obj", *shapes.plane())
    (folder / "tables" / "broken.obj").write_text("v 0 0 0\n")
    return folder
