"""Takes the models with some name out of Sweet Home 3D's archives: a folder of real meshes.

Each archive's catalogue says what its models are called.
"""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import click

DEFAULT_FURNITURE = Path("/usr/share/sweethome3d/furniture")
CATALOGUE = "PluginFurnitureCatalog.properties"


def named(catalogue: str, pattern: str) -> Iterator[str]:
    """Paths in the archive of those models whose English name has the pattern in it."""
    entries = dict(re.findall(r"^(\w+#\d+)\s*=\s*(.*?)\s*$", catalogue, re.MULTILINE))
    for key, path in entries.items():
        kind, number = key.split("#")
        name = entries.get(f"name#{number}", "")
        if kind == "model" and re.search(pattern, name, re.IGNORECASE):
            yield path.lstrip("/")


def unpack_named(archive: Path, pattern: str, folder: Path) -> int:
    """Writes an archive's meshes with that name to the folder; says how many."""
    with zipfile.ZipFile(archive) as file:
        paths = sorted(named(file.read(CATALOGUE).decode("latin-1"), pattern))
        for path in paths:
            # Names like `chair.obj` are in several archives.
            (folder / f"{archive.stem}-{Path(path).name}").write_bytes(file.read(path))
    return len(paths)


@click.command(help=__doc__)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option("--name", default="chair", show_default=True, help="Regular expression.")
@click.option(
    "--furniture",
    type=click.Path(exists=True, path_type=Path),
    default=DEFAULT_FURNITURE,
    show_default=True,
    help="Folder of .sh3f archives.",
)
def main(out: Path, name: str, furniture: Path) -> None:
    """Unpacks, counts."""
    out.mkdir(parents=True, exist_ok=True)
    count = sum(unpack_named(path, name, out) for path in sorted(furniture.glob("*.sh3f")))
    click.echo(f"{count} meshes in {out}")


if __name__ == "__main__":
    main()
