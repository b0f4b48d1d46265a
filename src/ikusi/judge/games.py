"""The games that a judge is asked: every pair in both orders, and controls that test the judge.

Controls are no judgements of the models: two identical answers, which are a tie, and a pair with
another question's picture, which a judge that looks at pictures judges otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from ikusi import artifact
from ikusi.judge.masking import hide_names
from ikusi.judgements.pairs import Pair, Picture

IDENTICAL, WRONG_PICTURE = "identical answers", "wrong picture"
CONTROLS = (IDENTICAL, WRONG_PICTURE)

Key = tuple[str, str, str, str]
"""Control (or nothing), row id, the models of answers A and B."""


@dataclass(frozen=True)
class Game:
    """A pair in one order, or a control; ``left`` and ``right`` are the models of A and B."""

    pair: Pair
    left: str
    right: str
    picture: Picture | None
    control: str = ""

    @property
    def key(self) -> Key:
        """Its key in records: unique among games."""
        return self.control, self.pair.id, self.left, self.right

    @cached_property
    def answers(self) -> tuple[str, str]:
        """Answers A and B as they are shown, without names of models."""
        return self._hidden[0][0], self._hidden[1][0]

    @property
    def masks(self) -> list[int]:
        """The number of names blanked out in each."""
        return [count for _, count in self._hidden]

    @cached_property
    def _hidden(self) -> tuple[tuple[str, int], tuple[str, int]]:
        answers = self.pair.answers
        return hide_names(answers[self.left]), hide_names(answers[self.right])

    def fingerprint(self) -> str:
        """Names all that is shown."""
        shown = None if self.picture is None else self.picture.digest
        return artifact.fingerprint(self.pair.question, list(self.answers), shown)


def order_pairs(pairs: Sequence[Pair], first: set[str]) -> list[Pair]:
    """The pairs with those that people have judged before the others."""
    return sorted(pairs, key=lambda pair: pair.id not in first)


def list_games(
    pairs: Sequence[Pair], limit: int | None, controls: int, seed: int
) -> Iterator[Game]:
    """Both orders of the first pairs, a pair's own together, with the controls among them.

    Args:
        pairs: all there are, in the order in which they are asked.
        limit: of how many; all by default.
        controls: how many of each kind, of the pairs that are asked.
        seed: of which pairs these are.
    """
    asked, ranks = pairs[:limit], {pair.id: _rank(pair, seed) for pair in pairs}
    chosen = _draw(asked, controls, ranks)
    for pair in asked:
        one, other = pair.answers
        yield Game(pair, one, other, pair.picture)
        yield Game(pair, other, one, pair.picture)
        if pair.id in chosen:
            same = one if ranks[pair.id] % 2 else other
            yield Game(pair, same, same, pair.picture, IDENTICAL)
            if (picture := _another(pairs, pair, ranks)) is not None:
                yield Game(pair, one, other, picture, WRONG_PICTURE)


def _draw(pairs: Sequence[Pair], count: int, ranks: Mapping[str, int]) -> set[str]:
    """Pairs for controls: more of them are the same ones and others."""
    return {pair.id for pair in sorted(pairs, key=lambda pair: ranks[pair.id])[:count]}


def _another(pairs: Sequence[Pair], own: Pair, ranks: Mapping[str, int]) -> Picture | None:
    """The picture of another pair that is not the same one, if there is any."""
    if own.picture is None:
        return None
    rank, digest = ranks[own.id], own.picture.digest
    others = sorted(pairs, key=lambda pair: (ranks[pair.id] - rank) % 2**64)
    pictures = (pair.picture for pair in others if pair.picture is not None)
    return next((picture for picture in pictures if picture.digest != digest), None)


def _rank(pair: Pair, seed: int) -> int:
    return int(artifact.fingerprint("control", seed, pair.id), 16)
