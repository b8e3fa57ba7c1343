"""Learned latents of training shapes: selection by id, files, and reconstruction scores."""

import csv
import difflib
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from shapegan.model.generation.encoded import encode_training_shapes
from shapegan.model.generation.meshes import NamedLatent
from shapegan.model.generation.real_shapes import real_surface
from shapegan.model.generation.reconstruction import chamfer_distance
from shapegan.model.generation.source import Source, SourceError, learned_shapes
from shapegan.model.shapes.surface import extract
from shapegan.pipeline.dataset.reader import Dataset
from shapegan.pipeline.dataset.selection import ids_named
from shapegan.pipeline.files import replacing, write_text, writing

ALL = "all"
"""Word that stands for all learned shapes."""
LATENTS_NAME, TABLE_NAME = "latents.npy", "latents.csv"
SCORES_NAME = "reconstructions.json"
_SUGGESTIONS = 3


@dataclass(frozen=True)
class LearnedShape:
    """A training shape and its learned latent.

    An autodecoder has stored the latent. That of recipe `latent` is the noise of which the prior
    makes the shape's code.
    """

    id: str
    category: str
    latent: Tensor
    """(Z,)."""

    @property
    def named(self) -> NamedLatent:
        """The latent, named after the shape; an id may hold slashes, a file name may not."""
        return NamedLatent(self.id.replace("/", "-"), self.latent, self.id)


def all_learned(
    source: Source, data: Path | None = None, limit: int | None = None
) -> list[LearnedShape]:
    """Training shapes with their latents, in the order of the split.

    Args:
        source: Of an autodecoder or of recipe `latent`.
        data: Dataset of the run; None for the place where it was during training.
        limit: Largest number of shapes of recipe `latent`, evenly spaced in the split, because
            each one is read and encoded; None for all.

    Raises:
        SourceError, DatasetError: see `learned_shapes` and `encode_training_shapes`.
    """
    if source.encoder is not None:
        reports, latents = encode_training_shapes(source, data, limit)
    else:
        reports = learned_shapes(source, data)
        assert source.learned is not None
        latents = source.learned.to(source.device)
    pairs = zip(reports, latents, strict=True)
    return [LearnedShape(report.id, report.category, latent) for report, latent in pairs]


def learned_by_id(
    source: Source, words: Sequence[str], data: Path | None = None
) -> list[LearnedShape]:
    """Learned shapes of some ids, in the order of the ids.

    Args:
        source: Of an autodecoder or of recipe `latent`.
        words: Ids, or what names one shape alone, see `ids_named`; `all` alone for all shapes.
        data: Dataset of the run; None for the place where it was during training.

    Raises:
        SourceError: if there is no such shape, or several.
    """
    known = all_learned(source, data)
    if list(words) == [ALL]:
        return known
    return [_find(known, word, source) for word in words]


def latents_of(shapes: Sequence[LearnedShape]) -> Tensor:
    """Latents (N, Z) of learned shapes."""
    return torch.stack([shape.latent for shape in shapes])


def _find(known: Sequence[LearnedShape], word: str, source: Source) -> LearnedShape:
    ids = [shape.id for shape in known]
    found = ids_named(word, ids)
    if len(found) == 1:
        return known[ids.index(found[0])]
    if found:
        listed = ", ".join(found[:_SUGGESTIONS])
        raise SourceError(f"{len(found)} learned shapes end in {word!r}, such as {listed}")
    close = difflib.get_close_matches(word, ids, _SUGGESTIONS, 0.5) or ids[:_SUGGESTIONS]
    raise SourceError(f"{source.name} has learned no shape {word!r}, but {', '.join(close)}")


def write_latents(out: Path, latents: Sequence[NamedLatent]) -> None:
    """Write latents.npy, (S, Z) float32, and latents.csv with the id of each row.

    A latent that was drawn has no id. The column `name` is the name of the shape's files.

    Raises:
        OutputError: if a file cannot be written.
    """
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    encoded = io.BytesIO()
    np.save(encoded, torch.stack([named.latent for named in latents]).cpu().numpy())
    with replacing(out / LATENTS_NAME) as temporary:
        temporary.write_bytes(encoded.getvalue())
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("row", "id", "name"))
    writer.writerows((row, named.id, named.name) for row, named in enumerate(latents))
    write_text(out / TABLE_NAME, text.getvalue())


@dataclass(frozen=True)
class ReconstructionScore:
    """Distance of a training shape from the surface of its learned latent."""

    id: str
    chamfer: float | None
    """Squared units of the generator's frame; None if the generated shape is empty."""


@dataclass(frozen=True)
class ReconstructionScores:
    """Scores of a source's training shapes."""

    source: str
    data: str
    resolution: int
    level: float
    shapes: list[ReconstructionScore]

    @property
    def ranked(self) -> list[ReconstructionScore]:
        """The shapes that are not empty, from the best to the worst."""
        filled = [shape for shape in self.shapes if shape.chamfer is not None]
        return sorted(filled, key=lambda shape: shape.chamfer or 0.0)

    def summary(self) -> dict[str, float | int | None]:
        """Number of shapes, number of empty ones, and mean and median chamfer distance."""
        distances = [shape.chamfer for shape in self.ranked if shape.chamfer is not None]
        return {
            "shapes": len(self.shapes),
            "empty": len(self.shapes) - len(distances),
            "chamfer_mean": float(np.mean(distances)) if distances else None,
            "chamfer_median": float(np.median(distances)) if distances else None,
        }


def score_reconstructions(
    source: Source,
    dataset: Dataset,
    count: int | None = None,
    resolution: int | None = None,
    level: float | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> ReconstructionScores:
    """Compare the surfaces of learned latents with the training shapes (Park et al. 2019, 6.1).

    Args:
        source: Of an autodecoder or of recipe `latent`.
        dataset: Of its training.
        count: Shapes to compare, evenly spaced; None for all.
        resolution: Grid of the generated surfaces; None: the dataset's finest voxels.
        level: Level of the generated surfaces; None: that of the source.
        progress: Called before each shape with a line of text.

    Raises:
        SourceError, DatasetError: see `all_learned`.
    """
    known = all_learned(source, dataset.path)
    places = np.linspace(0, len(known) - 1, min(count or len(known), len(known)))
    chosen = [known[place] for place in dict.fromkeys(places.round().astype(int).tolist())]
    resolution = resolution or dataset.finest
    level = source.level if level is None else level
    rows = {shape: index for index, shape in enumerate(dataset.ids)}
    scores = []
    for number, shape in enumerate(chosen):
        progress(f"comparing shape {number + 1} of {len(chosen)}")
        generated = extract(source.generator, shape.latent, resolution, level)
        real = real_surface(dataset, rows[shape.id], source.generator.config.frame)
        scores.append(ReconstructionScore(shape.id, chamfer_distance(generated, real)))
    return ReconstructionScores(source.name, str(dataset.path), resolution, level, scores)


def reconstructions_as_json(scores: ReconstructionScores) -> str:
    """The scores as JSON; those of empty shapes are null."""
    return json.dumps(asdict(scores) | {"summary": scores.summary()}, indent=2) + "\n"


def reconstructions_as_text(scores: ReconstructionScores) -> str:
    """The scores in three lines: mean and median, the best shape and the worst ones."""
    summary, ranked = scores.summary(), scores.ranked
    text = (
        f"{summary['shapes']} learned shapes of {scores.source}, {summary['empty']} of them empty\n"
    )
    if not ranked:
        return text
    mean, median = summary["chamfer_mean"], summary["chamfer_median"]
    worst = ", ".join(f"{s.id} ({1000 * (s.chamfer or 0):.3f})" for s in ranked[:-4:-1])
    return (
        f"{text}chamfer distance x 1000: mean {1000 * (mean or 0):.3f}, median"
        f" {1000 * (median or 0):.3f}\nworst: {worst}\n"
    )
