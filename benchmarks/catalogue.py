"""Catalogues of Sweet Home 3D's furniture archives: names and orientations of the pieces."""

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FURNITURE = Path("/usr/share/sweethome3d/furniture")
"""Folder of the archives in Debian's package sweethome3d-furniture."""
CATALOGUE = "PluginFurnitureCatalog.properties"


@dataclass(frozen=True)
class Piece:
    """A piece of furniture."""

    name: str
    """In English, such as `Bar stool`."""
    path: str
    """Path of its mesh in the archive."""
    rotation: NDArray[np.float64]
    """(3, 3), to its orientation in a room: y is up, the front faces +z."""


def pieces(archive: Path, name: str) -> list[Piece]:
    """Pieces of an .sh3f archive whose name matches a regular expression, sorted by path."""
    with zipfile.ZipFile(archive) as file:
        text = file.read(CATALOGUE).decode("latin-1")
    entries = dict(re.findall(r"^(\w+#\d+)\s*=\s*(.*?)\s*$", text, re.MULTILINE))
    found = []
    for key, path in entries.items():
        kind, number = key.split("#")
        title = entries.get(f"name#{number}", "")
        if kind != "model" or not re.search(name, title, re.IGNORECASE):
            continue
        rotation = entries.get(f"modelRotation#{number}", "1 0 0 0 1 0 0 0 1")
        matrix = np.array(rotation.split(), float).reshape(3, 3)
        found.append(Piece(title, path.lstrip("/"), matrix))
    return sorted(found, key=lambda piece: piece.path)
