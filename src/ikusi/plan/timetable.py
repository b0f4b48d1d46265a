"""When each step could begin on the cards there are: each as soon as its inputs are there."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ikusi.plan.work import Work


@dataclass(frozen=True)
class Timetable:
    """Seconds from the beginning at which each step begins, and at which all is done."""

    begins: Mapping[str, float]
    ends: float


def lay_out(
    works: Sequence[Work], seconds: Mapping[str, float], cards: int, slots: int
) -> Timetable:
    """Lay steps out as the scheduler of a study takes them up: the deepest that is ready first.

    Args:
        works: each after its inputs; none needs more cards than there are.
        seconds: what each takes.
        cards: how many there are.
        slots: steps at once at most.
    """
    depth: dict[str, int] = {}
    for work in works:
        depth[work.name] = 1 + max((depth[name] for name in work.inputs), default=-1)
    waiting = sorted(works, key=lambda work: -depth[work.name])
    running: list[tuple[float, str, int]] = []
    begins: dict[str, float] = {}
    done: set[str] = set()
    now, free = 0.0, cards
    while waiting or running:
        for work in list(waiting):
            ready = done.issuperset(work.inputs)
            if ready and work.cards <= free and len(running) < slots:
                begins[work.name] = now
                heapq.heappush(running, (now + seconds[work.name], work.name, work.cards))
                free -= work.cards
                waiting.remove(work)
        if not running:
            raise ValueError(f"{waiting[0].name} needs what never comes")
        now, name, given = heapq.heappop(running)
        done.add(name)
        free += given
    return Timetable(begins, now)
