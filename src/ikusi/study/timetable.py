"""When each step of a study could begin: as soon as its inputs, a slot and its cards are there."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ikusi.study.graph import Node, measure_depths


@dataclass(frozen=True)
class Timetable:
    """Seconds from now at which each step begins, and at which all is done."""

    begins: Mapping[str, float]
    ends: float


def lay_out(
    steps: Sequence[Node],
    seconds: Mapping[str, float],
    slots: int,
    *,
    cards: Mapping[str, int] | None = None,
    count: int = 0,
    running: Collection[str] = (),
    done: Collection[str] = (),
) -> Timetable:
    """Lay steps out as the scheduler of a study takes them up: the deepest that is ready first.

    Args:
        steps: each after its inputs; none needs more cards than there are.
        seconds: what each takes, or will still take.
        slots: steps at once at most.
        cards: how many a step needs; by default none.
        count: cards that there are.
        running: names of steps that hold a slot already.
        done: names of steps that are there already.
    """
    depth, needed = measure_depths(steps), cards or {}
    waiting = sorted(
        (step for step in steps if step.name not in done),
        key=lambda step: (step.name not in running, -depth[step.name]),
    )
    ends: list[tuple[float, str]] = []
    begins: dict[str, float] = {}
    made, now, free = set(done), 0.0, count
    while waiting or ends:
        for step in list(waiting):
            own = needed.get(step.name, 0)
            if made.issuperset(step.inputs) and own <= free and len(ends) < slots:
                begins[step.name] = now
                heapq.heappush(ends, (now + seconds[step.name], step.name))
                free -= own
                waiting.remove(step)
        if not ends:
            raise ValueError(f"{waiting[0].name} needs what never comes")
        now, name = heapq.heappop(ends)
        made.add(name)
        free += needed.get(name, 0)
    return Timetable(begins, now)
