"""Scores of many translations at once, by real programs."""

import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from ikusi.errors import InputError
from ikusi.translate import shards
from ikusi.translate.command import CommandEngine
from ikusi.translate.engines.command import Command
from ikusi.translate.round_trip import CommandScorer, RoundTripScorer
from ikusi.translate.scorers import Threshold
from ikusi.translate.settings import Quality
from language.catalogues import PAIRS
from translate.apertium import needs

CHRF = [sys.executable, "-m", "sacrebleu", "{source}", "-i", "{target}", "-m", "chrf", "-sl", "-b"]


@pytest.mark.slow
@needs("eu-en")
@pytest.mark.skipif(len(PAIRS) < 200, reason="few Basque message catalogues in /usr/share/locale")
def test_a_round_trip_tells_translations_from_those_of_other_rows() -> None:
    """Apertium back to English: good pairs score above shuffled ones nearly always."""
    chosen = random.Random(0).sample(PAIRS, 200)
    shifted = [
        (one[0], other[1]) for one, other in zip(chosen, chosen[1:] + chosen[:1], strict=True)
    ]
    back = CommandEngine(Command(kind="command", command=["apertium", "-u", "eu-en"]))
    scores = RoundTripScorer(back, "eu").score([*chosen, *shifted])
    good, bad = scores[:200], scores[200:]
    above = sum((one > other) + 0.5 * (one == other) for one in good for other in bad)
    assert above / (200 * 200) > 0.93  # the area under the ROC curve
    assert all(0 <= score <= 100 for score in scores)


def test_a_metric_in_an_environment_of_its_own_scores_every_text() -> None:
    """As COMET's comet-score does; here sacrebleu's command line, asked for chrF."""
    scorer = CommandScorer(Quality(command=CHRF, least=50.0))
    same, near, other = scorer.score(
        [("a red cat", "a red cat"), ("a red\ncat", "a red hat"), ("a red cat", "zzz")]
    )
    assert same == 100.0
    assert 100 > near > other


def test_nothing_to_score_asks_no_program() -> None:
    assert CommandScorer(Quality(command=["no-such-program"], least=0.0)).score([]) == []


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["no-such-program"], "no-such-program: expected a program, found none"),
        (["cat", "{source}", "{source}"], "cat: expected 2 scores, found 4"),
        (["cat", "/no/such/file"], "cat: expected it to end well, found: .*No such file"),
    ],
)
def test_a_metric_that_fails_is_told_in_one_line(command: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        CommandScorer(Quality(command=command, least=0.0)).score([("1", "1"), ("2", "2")])


@dataclass
class Fixed:
    """Scores as they were set."""

    scores: list[float]
    measure: str = "score"

    def settings(self) -> None:
        return None

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        return self.scores[: len(pairs)]


def records(count: int) -> list[shards.Record]:
    return [
        {
            "place": place,
            "status": shards.OK,
            "source": ["a"],
            "texts": ["b"],
            "flags": [],
            "attempts": [],
        }
        for place in range(count)
    ]


def test_a_row_without_a_finite_score_does_not_pass() -> None:
    passes = Threshold("quality", Fixed([0.9, float("nan"), 0.1]), 0.5, "flag")
    good, bad, low = passes.judge(records(3))
    assert (good["status"], good["score"], low["flags"]) == (shards.OK, 0.9, ["quality"])
    assert bad["status"] != shards.OK and bad["score"] is None
    assert bad["reason"] == "quality: expected a finite score, found nan"


def test_a_scorer_that_mostly_gives_none_ends_the_translation() -> None:
    broken = Threshold("round_trip", Fixed([float("nan")] * 3 + [0.9] * 197), 0.5, "off")
    with pytest.raises(InputError, match=r"round_trip: expected finite scores, .* 3 of 200 rows"):
        broken.judge(records(200))
