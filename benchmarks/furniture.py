"""Extract models by name from Sweet Home 3D's archives to a folder of real meshes.

The names are those in the catalogue of each archive.
"""

import zipfile
from pathlib import Path

import click
from catalogue import FURNITURE, pieces


def unpack_named(archive: Path, pattern: str, folder: Path) -> int:
    """Write the meshes of an archive whose name matches to a folder; return their number."""
    found = pieces(archive, pattern)
    with zipfile.ZipFile(archive) as file:
        for piece in found:
            # Several archives have names such as `chair.obj`.
            (folder / f"{archive.stem}-{Path(piece.path).name}").write_bytes(file.read(piece.path))
    return len(found)


@click.command(help=__doc__)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option("--name", default="chair", show_default=True, help="Regular expression for names.")
@click.option(
    "--furniture",
    type=click.Path(exists=True, path_type=Path),
    default=FURNITURE,
    show_default=True,
    help="Folder of .sh3f archives.",
)
def main(out: Path, name: str, furniture: Path) -> None:
    """Unpack the meshes and print their number."""
    out.mkdir(parents=True, exist_ok=True)
    count = sum(unpack_named(path, name, out) for path in sorted(furniture.glob("*.sh3f")))
    click.echo(f"{count} meshes in {out}")


if __name__ == "__main__":
    main()
