"""From a reply to its verdict under every metric."""

from collections.abc import Mapping, Sequence
from itertools import chain, filterfalse
from math import isfinite
from typing import Any

from ikusi import language
from ikusi.answer.engine import Reply, explain_not_finite, pick
from ikusi.evaluate.benchmark import Benchmark
from ikusi.evaluate.metrics import Normaliser, score_text
from ikusi.language import LanguagePack
from ikusi.language.answers import AnswerLanguage

Row = Mapping[str, Any]
Outcome = dict[str, Any]

COLUMNS = {
    "sum": ("scores", "total"),
    "without_end": ("scores_without_end", "without_end"),
    "per_token": ("scores_per_token", "per_token"),
    "per_byte": ("scores_per_byte", "per_byte"),
}
"""Which log-probability decides -> its column, and its name in ``OptionScore``."""


class Judges:
    """Compares answers with the gold ones, each in its language.

    Args:
        packs: of the languages, by code.
        languages: those of the rows.
        generated: those of the rows whose answers are generated.
    """

    def __init__(
        self,
        packs: Mapping[str, LanguagePack],
        languages: Sequence[str],
        generated: Sequence[str],
    ) -> None:
        self.packs = packs
        self._normalisers: dict[str, Normaliser] = {}
        self._codes = list(dict.fromkeys(languages))
        self._generated = list(dict.fromkeys(generated))
        self._identifiers: dict[str, AnswerLanguage] = {}

    def open(self) -> None:
        """Load language identification, which takes a second; it may be called in another
        thread."""
        for code in self._generated:
            others = [other for other in self._codes if other != code]
            pack = self.packs[code]
            likely = [*others, *pack.distractors]
            self._identifiers[code] = AnswerLanguage(code, likely, pack.identifier)

    def judge(
        self,
        asked: Sequence[tuple[Benchmark, str]],
        rows: Sequence[Row],
        replies: Sequence[Reply],
    ) -> list[Outcome]:
        """Return the columns that each reply fills; ``asked``: benchmark and language of each."""
        languages = self._languages([code for _, code in asked], replies)
        outcomes = []
        for (bench, code), row, reply, identified in zip(
            asked, rows, replies, languages, strict=True
        ):
            if bench.scorer == "options":
                outcomes.append(judge_choice(bench, row, reply))
            else:
                outcomes.append(
                    answer_outcome(bench, row, reply, self.normaliser(bench, code), identified)
                )
        return outcomes

    def normaliser(self, bench: Benchmark, asked: str) -> Normaliser:
        """The text processing of a benchmark's answers in the language it is asked in."""
        code = bench.normaliser or asked
        if code not in self._normalisers:
            self._normalisers[code] = make_normaliser(bench, self.packs[asked])
        return self._normalisers[code]

    def _languages(self, asked: Sequence[str], replies: Sequence[Reply]) -> list[str | None]:
        """The language of each generated answer, where it can be identified."""
        languages: list[str | None] = [None] * len(replies)
        places: dict[str, list[int]] = {}
        for place, (code, reply) in enumerate(zip(asked, replies, strict=True)):
            if reply.text:
                places.setdefault(code, []).append(place)
        for code, own in places.items():
            identified = self._identifiers[code].many([replies[place].text for place in own])
            for place, one in zip(own, identified, strict=True):
                languages[place] = one
        return languages


def make_normaliser(bench: Benchmark, pack: LanguagePack) -> Normaliser:
    """The text processing that a benchmark names, or else of the rows' own language."""
    if bench.normaliser is None or bench.normaliser == pack.code:
        return Normaliser(pack)
    return Normaliser(language.load(bench.normaliser))


def judge_choice(bench: Benchmark, row: Row, reply: Reply) -> Outcome:
    """Return the columns that say which option was picked, by which scores, and if it is right.

    The accuracies under all log-probabilities are kept as metrics, whichever decides. Where a score
    is not finite none is picked, which is a failure.
    """
    choices, answer = list(bench.type.options(row)), bench.type.right(row)
    columns: dict[str, Any] = {
        name: [getattr(score, part) for score in reply.scores] for name, part in COLUMNS.values()
    }
    gold = {"answer": answer, "choices": choices}
    if failure := reply.failure or _fault(columns):
        metrics = {name.replace("scores", "accuracy"): 0.0 for name in columns}
        nothing = {"prediction": "", "correct": 0.0, "metrics": metrics}
        return columns | nothing | {"gold": gold, "failure": failure}
    metrics = {
        name.replace("scores", "accuracy"): float(pick(values)[0] == answer)
        for name, values in columns.items()
    }
    chosen, tied = pick(columns[COLUMNS[bench.normalisation][0]])
    return columns | {
        "gold": gold,
        "prediction": choices[chosen],
        "pick": chosen,
        "tied": tied,
        "correct": metrics[bench.primary],
        "metrics": metrics,
    }


def _fault(columns: Mapping[str, Sequence[float]]) -> str | None:
    bad = filterfalse(isfinite, chain.from_iterable(columns.values()))
    return next(map(explain_not_finite, bad), None)


def answer_outcome(
    bench: Benchmark, row: Row, reply: Reply, normaliser: Normaliser, language: str | None
) -> Outcome:
    """Return the columns that say what was answered in free text, and how well.

    Args:
        bench: how it is scored.
        row: of the corpus, with the gold answers.
        reply: the answer.
        normaliser: the text processing of answer and gold answers.
        language: of the answer, by its code; None where it was not identified.
    """
    columns: Outcome = {
        "prediction": reply.text,
        "hit_limit": reply.hit_limit,
        "said_language": language,
        "failure": reply.failure,
    }
    if bench.metric == "none":
        return columns | {"gold": None, "metrics": {}, "correct": None}
    gold = bench.type.answers(row)
    metrics = score_text(reply.text, gold, normaliser)
    if reply.failure:  # gold answers may be empty once they are normalised
        metrics = dict.fromkeys(metrics, 0.0)
    return columns | {"gold": gold, "metrics": metrics, "correct": metrics[bench.primary]}
