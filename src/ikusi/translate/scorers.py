"""Scorers that judge a shard's rows all at once: the round trip and learned metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Protocol

from ikusi.errors import InputError
from ikusi.language import LanguagePack
from ikusi.language.identify import Guess
from ikusi.translate import shards
from ikusi.translate.checks.base import Action
from ikusi.translate.checks.language import describe_foreign, join_prose, open_identifier
from ikusi.translate.round_trip import CommandScorer, RoundTripScorer
from ikusi.translate.settings import Checks
from ikusi.translate.shards import Record

FAILED = 0.01
"""Share of a shard's rows without a score above which a translation ends with an error."""


class Scorer(Protocol):
    """Judges the rows of a whole shard: slow by the row, fast by the thousand."""

    def settings(self) -> Any:
        """All that its judgement depends on beside the checks' own settings, as JSON."""

    def judge(self, records: Sequence[Record]) -> list[Record]:
        """The same rows, in order, with scores, flags and refusals added."""


class PairScorer(Protocol):
    """Scores pairs of a source and its translation; `measure` names the score for people."""

    measure: str

    def settings(self) -> Any:
        """All that its scores depend on beside the checks' own settings, as JSON."""

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """A score for each pair; higher is better."""


@dataclass(frozen=True)
class Threshold:
    """A scorer, the least score that passes, and what becomes of a row below it.

    A row's score is the mean of its texts'. One without a finite score is refused; where these are
    more than 1 % the scorer itself is at fault, which is an InputError.
    """

    name: str
    scorer: PairScorer
    least: float
    action: Action

    def settings(self) -> Any:
        """All that the scorer's scores depend on, as JSON."""
        return self.scorer.settings()

    def judge(self, records: Sequence[Record]) -> list[Record]:
        """The same rows, in order, with scores, flags and refusals added.

        Raises:
            InputError: more than 1 % of the rows have no finite score.
        """
        good = [record for record in records if record["status"] == shards.OK]
        pairs = [
            pair for record in good for pair in zip(record["source"], record["texts"], strict=True)
        ]
        scores = iter(self.scorer.score(pairs) if pairs else [])
        means = {
            record["place"]: sum(next(scores) for _ in record["texts"]) / len(record["texts"])
            for record in good
        }
        bad = sum(not isfinite(score) for score in means.values())
        if bad > max(1, FAILED * len(means)):
            raise InputError(
                f"{self.name}: expected finite scores, found others for {bad:,} of "
                f"{len(means):,} rows"
            )
        return [self._judge_row(record, means.get(record["place"])) for record in records]

    def _judge_row(self, record: Record, score: float | None) -> Record:
        if score is None:
            return record
        flags = [flag for flag in record["flags"] if flag != self.name]
        if not isfinite(score):
            reason = f"{self.name}: expected a finite score, found {score}"
            return {**shards.refuse(record, reason), "score": None}
        low = score < self.least
        if low and self.action == "refuse":
            reason = (
                f"{self.name}: expected {self.scorer.measure} >= {self.least:g}, found {score:.1f}"
            )
            return {**shards.refuse(record, reason), "score": score}
        flags += [self.name] if low and self.action == "flag" else []
        return {**record, "flags": flags, "score": score}


class LanguageJudge:
    """The check of the language for many rows at once, where no answer can be asked for again.

    Args:
        checks: with the threshold and what a foreign language does to a row.
        source: the pack of the source language.
        target: the pack of the target language.
    """

    def __init__(self, checks: Checks, source: LanguagePack, target: LanguagePack) -> None:
        self.checks = checks
        self.identifier = open_identifier(checks, source, target)

    def settings(self) -> None:
        """Nothing: the checks' settings say it all."""

    def judge(self, records: Sequence[Record]) -> list[Record]:
        """The same rows, in order, with flags and refusals added."""
        texts = [
            join_prose(record["texts"], self.checks.language_words) if record["texts"] else None
            for record in records
        ]
        languages = iter(self.identifier.many([text for text in texts if text is not None]))
        return [
            record if text is None else self._judge_row(record, next(languages))
            for record, text in zip(records, texts, strict=True)
        ]

    def _judge_row(self, record: Record, guess: Guess) -> Record:
        reason = describe_foreign(self.identifier.expected, guess, self.checks)
        flags = [flag for flag in record["flags"] if flag != "language"]
        if reason is not None and self.checks.language == "refuse":
            return shards.refuse({**record, "flags": flags}, f"language: {reason}")
        return {**record, "flags": flags + ["language"] * (reason is not None)}


def open_scorers(checks: Checks, language: str) -> list[Threshold]:
    """The scorers that the checks of a translation into `language` ask for."""
    scorers = []
    if (trip := checks.round_trip) is not None:
        scorer = RoundTripScorer(trip.engine.sentences(), language)
        scorers.append(Threshold("round_trip", scorer, trip.chrf, trip.action))
    if (quality := checks.quality) is not None:
        scorers.append(Threshold("quality", CommandScorer(quality), quality.least, quality.action))
    return scorers
