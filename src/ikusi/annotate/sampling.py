"""Draw the rows that people are asked about, deal them to seats, choose the answers each sees."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

from ikusi.annotate.project import Turn
from ikusi.errors import InputError

FLAGGED, OTHERS = "flagged", "others"


class Drawn(NamedTuple):
    """A row that was drawn: its place, the part of all rows it stands for, what it counts."""

    place: int
    stratum: str = ""
    weight: float = 1.0


def draw(
    rows: int, count: int, seed: int, flagged: Collection[int] = (), times: float = 1.0
) -> list[Drawn]:
    """Draw so many of some rows without any twice; returns them in an order of chance.

    Args:
        rows: how many there are.
        count: how many are drawn.
        seed: of the draw.
        flagged: places of rows that are drawn more often.
        times: how many times as often. A weight, one over the probability of being drawn and 1 on
            average, undoes that in all figures.

    Raises:
        InputError: too few are drawn to have some of both kinds.
    """
    chance = random.Random(f"{seed} draw")
    if times == 1 or not 0 < len(flagged) < rows:
        return [Drawn(place) for place in chance.sample(range(rows), count)]
    strata = {FLAGGED: sorted(flagged), OTHERS: sorted({*range(rows)} - {*flagged})}
    taken = _share_out(len(flagged), rows - len(flagged), count, times)
    drawn = [
        Drawn(place, name, len(strata[name]) / taken[name] * count / rows)
        for name, places in strata.items()
        for place in chance.sample(places, taken[name])
    ]
    chance.shuffle(drawn)
    return drawn


def _share_out(flagged: int, others: int, count: int, times: float) -> dict[str, int]:
    """Number of rows of each kind to draw: at least one, and no more than there are."""
    if count < 2:
        raise InputError("flagged: expected 2 items or more, to ask about other rows too, found 1")
    wanted = round(count * flagged * times / (flagged * times + others))
    some = min(max(wanted, 1), flagged, count - 1)
    return {FLAGGED: some, OTHERS: count - some}


class Share(NamedTuple):
    """An item for one seat: its number, whether all seats get it, and which two models it
    compares."""

    item: int
    shared: bool
    models: tuple[str, str] = ("", "")


def deal(
    count: int, seats: int, shared: int, seed: int, models: Sequence[str] = ()
) -> list[list[Share]]:
    """Deal items out: the first ``shared`` of them to every seat, the others in turn.

    Each seat has its own order, in which shared and own items are mixed. Of several models each
    two are compared as often as any other two, on shared items the same two by all seats; which
    answer stands first is drawn for each seat and item.
    """
    pairs = list(combinations(models, 2)) or [("", "")]
    dealt = []
    for seat in range(seats):
        chance = random.Random(f"{seed} seat {seat}")
        own = range(shared + seat, count, seats)
        order = [Share(item, True, pairs[item % len(pairs)]) for item in range(shared)]
        for turn, item in enumerate(own, shared + seat):
            order.append(Share(item, False, pairs[turn % len(pairs)]))
        chance.shuffle(order)
        dealt.append([one._replace(models=_sides(one.models, chance)) for one in order])
    return dealt


def _sides(models: tuple[str, str], chance: random.Random) -> tuple[str, str]:
    return models if chance.random() < 0.5 else (models[1], models[0])


def list_turns(dealt: Sequence[Share], ids: Sequence[str]) -> Iterator[Turn]:
    """The turns of a seat, from numbers of items to their ids."""
    for item, shared, (left, right) in dealt:
        yield Turn(item=ids[item], left=left, right=right, shared=shared)
