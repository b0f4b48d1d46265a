"""Which rows people are asked about, and who is asked about which."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

from ikusi.annotate.project import Turn


class Share(NamedTuple):
    """What one seat is asked: items by number, and whether all seats are asked about them."""

    item: int
    shared: bool


def shares(count: int, seats: int, shared: int, seed: int) -> list[list[Share]]:
    """Deal items in a drawn order out: the first ``shared`` to every seat, the others in turn.

    Each seat has its own order, in which shared and own items are mixed.
    """
    dealt = []
    for seat in range(seats):
        own = range(shared + seat, count, seats)
        order = [Share(item, item < shared) for item in (*range(shared), *own)]
        random.Random(f"{seed} order {seat}").shuffle(order)
        dealt.append(order)
    return dealt


def draw(places: Sequence[int], count: int, seed: int) -> list[int]:
    """So many of some places, each as likely as any other, in an order of chance."""
    return random.Random(f"{seed} draw").sample(places, count)


def turns(dealt: Sequence[Share], ids: Sequence[str]) -> tuple[Turn, ...]:
    """What a seat is asked where nothing is compared."""
    return tuple(Turn(item=ids[share.item], shared=share.shared) for share in dealt)
