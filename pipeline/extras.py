"""Optional packages, and the extras of shapegan that install them.

Without an extra, pip installs what the data side needs. The pipeline and the commands import the
packages listed here only inside the functions that need them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from shapegan.pipeline.errors import PlainError

OPTIONAL = {
    "torch": ("torch", "train"),
    "tensorboard": ("tensorboard", "train"),
    "sklearn": ("scikit-learn", "train", "scan"),
    "imageio_ffmpeg": ("imageio-ffmpeg", "train"),
    "yaml": ("PyYAML", "train"),
    "viser": ("viser", "view"),
    "wandb": ("wandb", "wandb"),
    "mesh_to_sdf": ("mesh-to-sdf", "scan"),
    "pyrender": ("pyrender", "scan"),
    "OpenGL": ("PyOpenGL", "scan"),
    "dask_jobqueue": ("dask-jobqueue", "cluster"),
    "DracoPy": ("DracoPy", "gltf"),
    "meshopt": ("meshopt", "gltf"),
}
"""Name to import -> name to install, and the extras that have it (pyproject.toml). Messages name
the first extra."""


class MissingPackageError(PlainError, ModuleNotFoundError):
    """An optional package is not installed; the message names it and its extra in one line."""


def require(name: str) -> None:
    """Check that an optional package is installed, without importing it.

    Args:
        name: key of `OPTIONAL`.

    Raises:
        ModuleNotFoundError: it is not installed; the message names its extra.
    """
    if find_spec(name) is None:
        raise ModuleNotFoundError(f"No module named {name!r}: {_install(name)}", name=name)


@contextmanager
def naming_extras(what: str, extras: str = "") -> Iterator[None]:
    """Turn the failed import of an optional package into one line: `train needs torch: ...`.

    Args:
        what: subject of the line, a command or a flag.
        extras: extras to install, such as `train,view`; empty: the one that has the package.

    Raises:
        MissingPackageError: a package of `OPTIONAL` is not installed. Other imports that fail raise
            what they raised.
    """
    try:
        yield
    except MissingPackageError:
        raise
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name not in OPTIONAL or find_spec(name) is not None:
            raise
        message = f"{what} needs {OPTIONAL[name][0]}: {_install(name, extras)}"
        raise MissingPackageError(message, name=name) from error


def _install(name: str, extras: str = "") -> str:
    # `shapegan[train]` would ask the package index for another project of that name.
    return f"pip install '.[{extras or OPTIONAL[name][1]}]' in the clone of shapegan"
