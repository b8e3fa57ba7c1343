"""Choice of shapes from a dataset: by id, the worst, or at random."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shapegan.pipeline import schema
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.errors import PlainError

_SUGGESTIONS = 3


class ChoiceError(PlainError, ValueError):
    """A shape that is not in the dataset; the message is one line."""


@dataclass(frozen=True)
class Choice:
    """A choice of shapes: those of `ids` if any, else the `worst`, else `count` at random."""

    ids: tuple[str, ...] = ()
    worst: int | None = None
    """Number of shapes with the lowest surface recall."""
    count: int = 12
    """Number of random shapes."""
    seed: int = 0

    def numbers(self, dataset: Dataset) -> list[int]:
        """Indices of the chosen shapes.

        Raises:
            ChoiceError: an id is not in the dataset.
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


def ids_named(word: str, ids: Sequence[str]) -> list[str]:
    """Ids that a word names: the whole id, else those of this name, else those of this end.

    Args:
        word: Such as `03001627/chair2`; its name `chair2`, which is whole parts of the path; or an
            end of it, such as `air2`.
        ids: All ids.
    """
    if not word or word in ids:
        return [word] if word else []
    named = [id_ for id_ in ids if id_.endswith("/" + word.lstrip("/"))]
    return named or [id_ for id_ in ids if id_.endswith(word)]


def choose_by_id(dataset: Dataset, ids: Sequence[str]) -> list[int]:
    """Indices of the shapes with these ids, in the order of the ids.

    Args:
        dataset: The dataset.
        ids: Ids, or what names one shape alone; see `ids_named`.

    Raises:
        ChoiceError: an id is not in the dataset, and the message has the reason, or similar ids; or
            it names several shapes.
    """
    known = dataset.ids
    return [known.index(_choose(dataset, known, id_)) for id_ in ids]


def _choose(dataset: Dataset, known: Sequence[str], word: str) -> str:
    found = ids_named(word, known)
    if word not in found and any(report.id == word for report in dataset.reports):
        found = []  # this mesh was rejected; a shape whose id ends like it is not meant
    if not found:
        raise ChoiceError(_unknown(dataset, word))
    if len(found) > 1:
        listed = ", ".join(found[:_SUGGESTIONS])
        raise ChoiceError(f"{len(found)} shapes end in {word!r}, such as {listed}")
    return found[0]


def _unknown(dataset: Dataset, id_: str) -> str:
    for report in dataset.reports:
        if report.id == id_:
            return f"{id_} is not in the dataset ({report.status}: {report.reason})"
    close = ", ".join(difflib.get_close_matches(id_, dataset.ids, _SUGGESTIONS))
    hint = f"similar ids: {close}" if close else f"{schema.REPORT_NAME} lists them all"
    return f"no mesh {id_} in {dataset.path}: {hint}"


def choose_at_random(dataset: Dataset, count: int, seed: int) -> list[int]:
    """Indices of `count` random shapes, or of all if there are fewer, in ascending order."""
    generator = np.random.default_rng(seed)
    chosen = generator.choice(len(dataset), min(count, len(dataset)), replace=False)
    return [int(index) for index in np.sort(chosen)]


def choose_worst(dataset: Dataset, count: int) -> list[int]:
    """Indices of the `count` shapes with the lowest surface recall, the lowest first.

    Shapes without a measured recall come last.
    """

    def recall(index: int) -> float:
        found = dataset.accepted[index].surface_recall
        return np.inf if found is None else found

    return sorted(range(len(dataset)), key=recall)[:count]
