"""What is in an archive of Sweet Home 3D's furniture: what pieces are called, how they stand."""

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FURNITURE = Path("/usr/share/sweethome3d/furniture")
"""Where Debian's sweethome3d-furniture puts the archives."""
CATALOGUE = "PluginFurnitureCatalog.properties"


@dataclass(frozen=True)
class Piece:
    """A piece of furniture."""

    name: str
    """In English, such as `Bar stool`."""
    path: str
    """Of its mesh, in the archive."""
    rotation: NDArray[np.float64]
    """(3, 3): to how it stands in a room, on y and with its front to +z."""


def pieces(archive: Path, name: str) -> list[Piece]:
    """The pieces of an .sh3f archive that have a regular expression in their name, by path."""
    with zipfile.ZipFile(archive) as file:
        text = file.read(CATALOGUE).decode("latin-1")
    entries = dict(re.findall(r"^(\w+#\d+)\s*=\s*(.*?)\s*$", text, re.MULTILINE))
    found = []
    for key, path in entries.items():
        kind, number = key.split("#")
        called = entries.get(f"name#{number}", "")
        if kind != "model" or not re.search(name, called, re.IGNORECASE):
            continue
        turn = entries.get(f"modelRotation#{number}", "1 0 0 0 1 0 0 0 1")
        found.append(Piece(called, path.lstrip("/"), np.array(turn.split(), float).reshape(3, 3)))
    return sorted(found, key=lambda piece: piece.path)
