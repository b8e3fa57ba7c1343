"""The kinds of sample shapes, and where ShapeNet keeps their like."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One of them."""

    singular: str
    """What its models' ids start with."""
    synset: str
    """ShapeNet's folder for it."""


KINDS = {
    "chairs": Kind("chair", "03001627"),
    "tables": Kind("table", "04379243"),
    "sofas": Kind("sofa", "04256520"),
    "planes": Kind("airplane", "02691156"),
}
"""By the names that the command takes."""
