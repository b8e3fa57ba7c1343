from dataclasses import replace
from pathlib import Path

import pytest
from support.training import STORED, VOXEL, RecordingReporter, make_solids, quick

from shapegan.model.config import Stage
from shapegan.model.streaming.batches import StreamError
from shapegan.model.training.data_notes import coarse_grid_note, split_note
from shapegan.model.training.trainer import train
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.editing.split import split_dataset

ON_LATTICES = replace(VOXEL, stages=(Stage(8, 4, 1, lattice=64),))


@pytest.mark.parametrize("thin_parts", ["keep", "true"])
def test_a_run_on_stored_grids_says_that_they_keep_thin_parts(
    tmp_path: Path, thin_parts: str
) -> None:
    data = make_solids(tmp_path / "data", config=replace(STORED, thin_parts=thin_parts))
    note = coarse_grid_note(VOXEL, Dataset(data))
    assert ("--thin-parts true" in note) == (thin_parts == "keep")
    reporter = RecordingReporter()
    train(VOXEL, quick(data, tmp_path / "run", steps=1), reporter)
    assert (note in reporter.notes) == (thin_parts == "keep")


def test_a_run_on_a_dataset_without_splits_says_that_it_trains_on_all_shapes(
    tmp_path: Path,
) -> None:
    data = make_solids(tmp_path / "data")
    assert split_note(VOXEL, Dataset(data)) == ""
    split_dataset(data)
    note = f"{data} has no splits: training on all 10 shapes; `shapegan split` makes splits"
    assert split_note(replace(VOXEL, split=""), Dataset(data)) == ""
    reporter = RecordingReporter()
    train(VOXEL, quick(data, tmp_path / "run", steps=2), reporter)
    assert reporter.notes[0] == note
    many = replace(VOXEL, stages=(Stage(8, 11, 1),))
    with pytest.raises(StreamError, match="too few shapes: 10 in the dataset, 11 in a batch"):
        train(many, quick(data, tmp_path / "many"), reporter)


def test_other_runs_do_not(tmp_path: Path) -> None:
    data = make_solids(tmp_path, config=replace(STORED, thin_parts="keep"))
    assert coarse_grid_note(ON_LATTICES, Dataset(data)) == ""
    assert coarse_grid_note(replace(VOXEL, stages=(Stage(64, 4, 1),)), Dataset(data)) == ""
