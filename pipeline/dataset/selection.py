"""Choosing shapes of a dataset: by id, the worst, or at random."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shapegan.pipeline import schema
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.errors import PlainError


class ChoiceError(PlainError, ValueError):
    """A shape asked for that is not there; the message is one line."""


@dataclass(frozen=True)
class Choice:
    """Which shapes are wanted: those of `ids` if any, else the `worst`, else `count` of them."""

    ids: tuple[str, ...] = ()
    worst: int | None = None
    count: int = 12
    seed: int = 0

    def numbers(self, dataset: Dataset) -> list[int]:
        """Of the shapes.

        Raises:
            ChoiceError: for an id that is not there.
        """
        if self.ids:
            return choose_by_id(dataset, self.ids)
        if self.worst:
            return choose_worst(dataset, self.worst)
        return choose_at_random(dataset, self.count, self.seed)

    def __str__(self) -> str:
        if self.ids:
            return "chosen by id"
        return "lowest surface recall first" if self.worst else f"at random (seed {self.seed})"


def choose_by_id(dataset: Dataset, ids: Sequence[str]) -> list[int]:
    """Numbers of the shapes with these ids, in their order.

    Raises:
        ChoiceError: for an id that is not in the dataset, saying why or which ones are close.
    """
    numbers = {id_: number for number, id_ in enumerate(dataset.ids)}
    for id_ in ids:
        if id_ not in numbers:
            raise ChoiceError(_unknown(dataset, id_))
    return [numbers[id_] for id_ in ids]


def _unknown(dataset: Dataset, id_: str) -> str:
    for report in dataset.reports:
        if report.id == id_:
            return f"{id_} is not in the dataset, it was {report.status}: {report.reason}"
    close = ", ".join(difflib.get_close_matches(id_, dataset.ids, n=3))
    hint = f"ids like it: {close}" if close else f"{schema.REPORT_NAME} lists them all"
    return f"no mesh {id_} in {dataset.path}: {hint}"


def choose_at_random(dataset: Dataset, count: int, seed: int) -> list[int]:
    """Numbers of that many shapes, or of all if there are fewer, in ascending order."""
    generator = np.random.default_rng(seed)
    chosen = generator.choice(len(dataset), min(count, len(dataset)), replace=False)
    return [int(number) for number in np.sort(chosen)]


def choose_worst(dataset: Dataset, count: int) -> list[int]:
    """Numbers of the shapes with the lowest surface recall, the lowest first.

    Shapes whose recall was not measured come last.
    """

    def recall(number: int) -> float:
        found = dataset.accepted[number].surface_recall
        return np.inf if found is None else found

    return sorted(range(len(dataset)), key=recall)[:count]
