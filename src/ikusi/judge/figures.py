"""Figures of how reliable a judge is, from its own games and controls.

None of these figures is of the models that it compares; those are of the judgements alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ikusi.judge.games import IDENTICAL, WRONG_PICTURE
from ikusi.judge.record import Played
from ikusi.statistics import Interval
from ikusi.statistics.shares import sign_test, wilson_interval

DECIDED = ("A", "tie", "B")


class Share(NamedTuple):
    """A count and share among ``n`` games, with the Wilson interval; ``p``: of a sign test over
    pairs against one half, where that means something."""

    name: str
    times: int
    n: int
    interval: Interval
    p: float | None = None


@dataclass(frozen=True)
class Judging:
    """Figures of one judge on one benchmark, from its games.

    ``shares``, as far as there are games for them: `ties` of all verdicts; `consistent`: pairs
    judged the same in both orders; of games with a winner, `first` shown, `longer` answer, answer
    of its own `family` (where the other is not); `identical`: ties on identical answers;
    `wrong_picture`: verdicts that another question's picture leaves as they are.
    """

    benchmark: str
    language: str
    models: tuple[str, ...]
    rater: str
    family: str
    games: int
    invalid: int
    refused: int
    masked: int
    shares: Sequence[Share]

    def find(self, name: str) -> Share | None:
        """A share by its name."""
        return next((share for share in self.shares if share.name == name), None)


def compute(played: Iterable[Played]) -> list[Judging]:
    """Compute what each judge's games show about it, for each benchmark, language and two
    models."""
    groups: dict[tuple[str, str, tuple[str, ...], str], list[Played]] = {}
    controls: dict[tuple[str, str, str], list[Played]] = {}
    for one in played:
        about = (one.benchmark, one.language)
        if one.control:
            controls.setdefault((*about, one.rater), []).append(one)
        else:
            models = tuple(sorted((one.left, one.right)))
            groups.setdefault((*about, models, one.rater), []).append(one)
    return [
        _describe(key, own, _of_models(controls.get((key[0], key[1], key[3]), []), key[2]))
        for key, own in sorted(groups.items())
    ]


def _of_models(controls: list[Played], models: tuple[str, ...]) -> list[Played]:
    """The controls on these models; identical answers are of one of them."""
    return [one for one in controls if {one.left, one.right} <= set(models)]


def _describe(
    key: tuple[str, str, tuple[str, ...], str], games: list[Played], controls: list[Played]
) -> Judging:
    decided = [one for one in games if one.verdict in DECIDED]
    won = [one for one in decided if one.verdict != "tie"]
    shares = [
        _count("ties", [(one.id, one.verdict == "tie") for one in decided]),
        _count("consistent", _both_orders(decided)),
        _lean("first", won, lambda one: one.verdict == "A"),
        _lean("longer", [one for one in won if len(set(one.lengths)) == 2], _is_longer),
        _lean("family", [one for one in won if _has_kin(one)], _is_kin),
        _count("identical", _on_identical(controls)),
        _count("wrong_picture", _compare_pictures(decided, controls)),
    ]
    return Judging(
        *key,
        family=games[0].family,
        games=len(games),
        invalid=sum(one.verdict == "invalid" for one in games),
        refused=sum(one.verdict == "refused" for one in games),
        masked=sum(bool(sum(one.masks)) for one in games),
        shares=[share for share in shares if share is not None],
    )


def _count(name: str, outcomes: Sequence[tuple[str, bool]]) -> Share | None:
    """A share of games, those of one pair together."""
    if not outcomes:
        return None
    values = np.array([so for _, so in outcomes], dtype=np.float64)
    places = {id: place for place, id in enumerate(dict.fromkeys(id for id, _ in outcomes))}
    interval = wilson_interval(values, np.array([places[id] for id, _ in outcomes]))
    return Share(name, int(values.sum()), len(outcomes), interval)


def _lean(name: str, games: list[Played], leans: Callable[[Played], bool]) -> Share | None:
    """A share of games with a winner, and whether pairs lean that way more often than not."""
    outcomes = [(one.id, leans(one)) for one in games]
    share = _count(name, outcomes)
    if share is None:
        return None
    net: dict[str, int] = {}
    for id, so in outcomes:
        net[id] = net.get(id, 0) + (1 if so else -1)
    more, less = (sum(value * sign > 0 for value in net.values()) for sign in (1, -1))
    return share._replace(p=sign_test(more, less).p_value)


def _both_orders(decided: Sequence[Played]) -> list[tuple[str, bool]]:
    """Of each pair with a verdict in both orders, whether both say the same."""
    winners: dict[str, list[str]] = {}
    for one in decided:
        winners.setdefault(one.id, []).append(_winner(one))
    return [(id, both[0] == both[1]) for id, both in winners.items() if len(both) == 2]


def _winner(one: Played) -> str:
    return {"A": one.left, "B": one.right}.get(one.verdict, "tie")


def _is_longer(one: Played) -> bool:
    left, right = one.lengths
    return (one.verdict == "A") == (left > right)


def _has_kin(one: Played) -> bool:
    return (one.families[0] == one.family) != (one.families[1] == one.family)


def _is_kin(one: Played) -> bool:
    return one.families["AB".index(one.verdict)] == one.family


def _on_identical(controls: Sequence[Played]) -> list[tuple[str, bool]]:
    return [
        (one.id, one.verdict == "tie")
        for one in controls
        if one.control == IDENTICAL and one.verdict in DECIDED
    ]


def _compare_pictures(
    decided: Sequence[Played], controls: Sequence[Played]
) -> list[tuple[str, bool]]:
    """Of each pair asked with a wrong picture, whether the verdict is that of the right one."""
    right = {(one.id, one.left, one.right): one.verdict for one in decided}
    return [
        (one.id, one.verdict == right[one.id, one.left, one.right])
        for one in controls
        if one.control == WRONG_PICTURE
        and one.verdict in DECIDED
        and (one.id, one.left, one.right) in right
    ]
