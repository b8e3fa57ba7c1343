"""Takes the models with some name out of Sweet Home 3D's archives: a folder of real meshes.

Each archive's catalogue says what its models are called.
"""

import zipfile
from pathlib import Path

import click
from catalogue import FURNITURE, pieces


def unpack_named(archive: Path, pattern: str, folder: Path) -> int:
    """Writes an archive's meshes with that name to the folder; says how many."""
    found = pieces(archive, pattern)
    with zipfile.ZipFile(archive) as file:
        for piece in found:
            # Names like `chair.obj` are in several archives.
            (folder / f"{archive.stem}-{Path(piece.path).name}").write_bytes(file.read(piece.path))
    return len(found)


@click.command(help=__doc__)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option("--name", default="chair", show_default=True, help="Regular expression.")
@click.option(
    "--furniture",
    type=click.Path(exists=True, path_type=Path),
    default=FURNITURE,
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
