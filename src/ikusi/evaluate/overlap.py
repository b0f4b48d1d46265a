"""Pictures of a benchmark that training shows too, byte for byte."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ikusi.data.corpus import Corpus
from ikusi.recipe import Recipe
from ikusi.recipe.folder import StudyFolder


class Overlap(NamedTuple):
    """Counts of the pictures that are asked about, and of those in rows of training corpora.

    ``folders``: the corpora that hold any; ``example``: the first such picture's id in the
    benchmark's corpus, empty where there is none.
    """

    pictures: int
    seen: int
    folders: tuple[Path, ...]
    example: str


def find(asked: Corpus, trained: Sequence[Corpus], limit: int | None = None) -> Overlap:
    """Compare a benchmark's pictures with those of training corpora by their SHA-256.

    Args:
        asked: the benchmark's corpus.
        trained: the corpora that are trained on.
        limit: rows of the benchmark that are asked, from the first; None is all.

    Raises:
        InputError: a corpus is damaged.
    """
    rows = asked.row_digests()[:limit]
    pictures = np.unique(rows[rows != b""])
    held = {corpus.folder: corpus.shows(pictures) for corpus in trained}
    seen = np.any([np.zeros(len(pictures), bool), *held.values()], axis=0)
    folders = tuple(folder for folder, shown in held.items() if shown.any())
    first = int(np.isin(rows, pictures[seen]).argmax()) if folders else None
    example = "" if first is None else str(asked.image_ids[first])
    return Overlap(len(pictures), int(seen.sum()), folders, example)


def open_trained_on(recipe: Recipe, study: StudyFolder) -> list[Corpus]:
    """Open the corpora that a study trains on, those included that it makes itself.

    Raises:
        InputError: one is gone or damaged.
    """
    names = dict.fromkeys(name for _, name in recipe.training_data())
    return [Corpus.open(study.corpus(name)) for name in names]
