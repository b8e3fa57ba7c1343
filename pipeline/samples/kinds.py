"""Kinds of sample shapes and their ShapeNet categories."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One kind of sample shapes."""

    singular: str
    """First part of its models' ids."""
    synset: str
    """Synset id: the name of its folder."""


KINDS = {
    "chairs": Kind("chair", "03001627"),
    "tables": Kind("table", "04379243"),
    "sofas": Kind("sofa", "04256520"),
    "planes": Kind("airplane", "02691156"),
}
"""Name of the kind on the command line -> kind."""
