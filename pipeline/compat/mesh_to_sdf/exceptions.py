"""The exception of mesh-to-sdf."""

from collections.abc import Iterator
from contextlib import contextmanager

from shapegan.pipeline.meshes.triangle_mesh import BadMeshError


class BadMeshException(BadMeshError):  # noqa: N818 - mesh-to-sdf's name
    """A mesh without a plausible signed distance field."""


@contextmanager
def naming_bad_meshes() -> Iterator[None]:
    """Raise `BadMeshException` in place of `BadMeshError`."""
    try:
        yield
    except BadMeshError as error:
        raise BadMeshException(str(error)) from error
