"""Some test pictures with what each run answered, picked by rule."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

import numpy as np

from ikusi.compare.reading import Evaluation, Study
from ikusi.data import images
from ikusi.data.corpus import Corpus

PICTURES = 12
SIDE = 320  # pixels of the longer side, at most
SHOWN = ("question", "gold", "prediction", "correct")
KINDS = ("right", "wrong", "mixed")
RIGHT = 0.5  # a score from here on counts as right, as in McNemar's test


@dataclass(frozen=True)
class Answer:
    """One run's answer in one language."""

    run: str
    text: str
    score: float

    @property
    def mark(self) -> str:
        """``right``, ``partly`` or ``wrong``."""
        if self.score >= 1:
            return "right"
        return "partly" if self.score > 0 else "wrong"


@dataclass(frozen=True)
class Asked:
    """The question in one language, its gold answers, and what was said."""

    language: str
    question: str
    gold: Sequence[str]
    answers: Sequence[Answer]

    @property
    def right(self) -> int:
        """Number of runs that were right."""
        return sum(one.score >= RIGHT for one in self.answers)


@dataclass(frozen=True)
class Exhibit:
    """One picture with its question; ``picture`` is a data URI."""

    picture: str
    alt: str
    benchmark: str
    group: str | None
    asked: Sequence[Asked]


def choose_exhibits(study: Study) -> list[Exhibit]:
    """About a dozen pictures: in equal parts such as most runs get right, get wrong, differ on.

    Ways of being unseen and benchmarks take turns; ties are settled by a hash of the row's id, so
    the same results show the same pictures.
    """
    runs = _choose_runs(study)
    names = [name for name in (*study.close_ended, *study.open_ended) if study.corpus(name)]
    if not runs or not names:
        return []
    return list(_exhibits(study, runs, names))


def _choose_runs(study: Study) -> list[Evaluation]:
    """The runs of the first seed under which anything is measured."""
    measured = [run for run in study.runs if run.name in study.evaluations]
    return [study.evaluations[run.name] for run in measured if run.seed == measured[0].seed]


def _exhibits(study: Study, runs: Sequence[Evaluation], names: Sequence[str]) -> Iterator[Exhibit]:
    corpora = {name: corpus for name in names if (corpus := study.corpus(name))}
    shown: set[str] = set()
    groups: list[str | None] = [*study.groups] or [None]
    # Three lists of different lengths would fall into step; a slot's kind changes with each round.
    for slot, name in enumerate(islice(cycle(names), PICTURES)):
        group = groups[slot % len(groups)]
        kind = KINDS[(slot + slot // len(KINDS)) % len(KINDS)]
        picked = _pick(study, runs, name, group, kind, shown)
        if picked:
            row, picture = picked
            shown.add(picture)
            yield _exhibit(study, runs, name, group, row, picture, corpora[name])


def _pick(
    study: Study,
    runs: Sequence[Evaluation],
    name: str,
    group: str | None,
    kind: str,
    shown: set[str],
) -> tuple[str, str] | None:
    """The id and picture of the row that fits best and whose picture is not shown yet."""
    scores = [measured for one in runs if (measured := one.scores(name, study.target.code))]
    if not scores:
        return None
    mean = np.mean([one.correct for one in scores], axis=0)
    wanted = {"right": 1.0, "wrong": 0.0, "mixed": 0.5}[kind]
    first = scores[0]
    candidates = [
        (abs(float(mean[i]) - wanted), hashlib.sha256(row.encode()).hexdigest(), row, picture)
        for i, (row, picture) in enumerate(zip(first.ids, first.clusters, strict=True))
        if first.groups[i] == group and picture not in shown
    ]
    return min(candidates)[2:] if candidates else None


def _exhibit(
    study: Study,
    runs: Sequence[Evaluation],
    name: str,
    group: str | None,
    row: str,
    picture: str,
    corpus: Corpus,
) -> Exhibit:
    asked = []
    for pack in study.languages:
        records = [(one.name, one.texts(name, pack.code, [row], SHOWN).get(row)) for one in runs]
        answered = [(run, record) for run, record in records if record]
        answers = [Answer(run, record["prediction"], record["correct"]) for run, record in answered]
        record = answered[0][1]
        asked.append(Asked(pack.code, record["question"], _gold(record["gold"]), answers))
    title = study.benchmarks[name].title
    source = asked[-1]
    alt = f"Test picture for “{source.question}”; shown: {', '.join(source.gold)}"
    return Exhibit(_data_uri(corpus, picture), alt, title, group, asked)


def _gold(text: str) -> list[str]:
    gold = json.loads(text)
    if isinstance(gold, dict):
        return [gold["choices"][gold["answer"]]]
    return list(dict.fromkeys(gold))


def _data_uri(corpus: Corpus, image_id: str) -> str:
    """A small copy: drawings stay PNG, what had to be made smaller becomes JPEG."""
    image = corpus.image(image_id)
    shrunk = max(image.size) > SIDE
    image.thumbnail((SIDE, SIDE))
    return images.to_data_uri(image, "JPEG" if shrunk else "PNG", quality=82, optimize=True)
