"""Synsets of ShapeNet, and what `discover` answers."""

from pathlib import Path

import pytest

from shapegan.pipeline.inputs.discover import DiscoverError, Discovery, discover

CHAIR, SOFA, PLANE = "03001627", "04256520", "02691156"
PHONE, EARPHONE = "04401088", "03261776"
V2 = "models/model_normalized.obj"


def names(found: Discovery) -> list[str]:
    return [job.id for job in found.jobs]


def error(root: Path, *categories: str, splits: tuple[str, ...] = ()) -> str:
    with pytest.raises(DiscoverError) as caught:
        discover(root, categories, splits=splits)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def note_of(found: Discovery) -> str:
    (note,) = found.notes
    return note
