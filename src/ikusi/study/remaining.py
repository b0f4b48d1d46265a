"""Estimates how long a study that runs will still take: by its own steps, and by a plan of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ikusi.recipe.folder import ALIGN, INSTRUCT
from ikusi.study import graph, timetable
from ikusi.study.graph import State, Step

SMALLEST_FRACTION = 0.02  # of a step's work; below it, elapsed time says little about the rest
TELLING_FRACTION = 0.2  # from it on, a step's own pace counts alone
TRAININGS = (ALIGN, INSTRUCT)


@dataclass(frozen=True)
class Planned:
    """The seconds that a plan gives a step, and whether by speeds that were measured on such a
    machine; else they are only good for comparing trainings with each other."""

    seconds: float
    measured: bool


Plan = Mapping[str, Planned]
"""What is planned of each step, by its name; steps of which nothing is known are left out."""


def estimate_seconds(
    steps: Sequence[Step],
    states: Mapping[str, State],
    workers: int,
    now: float,
    plan: Plan | None = None,
) -> tuple[float, list[str]]:
    """Estimate the rest of a run from the steps measured so far, and from a plan of the others.

    A waiting step is taken to last as long as the mean step of its kind, larger or smaller as
    planned, or as planned where none was measured; a running one goes on at its own pace. Returns
    the seconds and the kinds of steps of which nothing is known, which are not in them.
    """
    known = _Known(steps, states, now, plan or {})
    rest = {step.name: known.estimate_rest(step) for step in steps}
    done = {name for name, state in states.items() if state.status in graph.FINISHED}
    running = {name for name, state in states.items() if state.status == "running"}
    seconds = {name: value or 0.0 for name, value in rest.items()}
    laid = timetable.lay_out(steps, seconds, workers, running=running, done=done)
    unknown = dict.fromkeys(step.kind for step in steps if rest[step.name] is None)
    return laid.ends, list(unknown)


@dataclass(frozen=True)
class _Known:
    """All that is known of a run at a moment."""

    steps: Sequence[Step]
    states: Mapping[str, State]
    now: float
    plan: Plan

    def estimate_rest(self, step: Step) -> float | None:
        """Seconds that a step will still take; None where nothing is known."""
        state = self.states[step.name]
        if state.status in graph.FINISHED:
            return 0.0
        whole = self._estimate_whole(step)
        if state.status == "waiting" or state.began is None:
            return whole
        paced = _pace(state, self.now)
        if paced is None:
            return None if whole is None else max(whole - (self.now - state.began), 0.0)
        trust = 1.0 if whole is None else min(1.0, _count_made(state) / TELLING_FRACTION)
        return (trust * paced + (1 - trust) * (whole or 0.0)) * (1 - state.fraction)

    def _estimate_whole(self, step: Step) -> float | None:
        """Seconds of a step from nothing, by those of its kind that were measured, else by the
        plan."""
        alike = [other for other in self.steps if other.kind == step.kind]
        measured = self._measure(alike)
        planned = self.plan.get(step.name)
        if measured and (planned is None or any(name not in self.plan for name in measured)):
            return sum(measured.values()) / len(measured)
        if planned is None:
            return None
        if not measured and step.kind in TRAININGS:
            measured = self._measure(
                other for other in self.steps if other.kind in TRAININGS and other.name in self.plan
            )
        if not measured:
            return planned.seconds if planned.measured else None
        return planned.seconds * self._compare(measured)

    def _compare(self, measured: Mapping[str, float]) -> float:
        """The time that steps took, as a multiple of what was planned."""
        return sum(measured.values()) / sum(self.plan[name].seconds for name in measured)

    def _measure(self, steps: Iterable[Step]) -> dict[str, float]:
        """Seconds that steps took; where none is finished, those that the running ones will."""
        states = {step.name: self.states[step.name] for step in steps}
        finished = {
            name: state.seconds for name, state in states.items() if state.seconds is not None
        }
        paces = {
            name: _pace(state, self.now)
            for name, state in states.items()
            if state.status == "running"
        }
        return finished or {name: pace for name, pace in paces.items() if pace is not None}


def _count_made(state: State) -> float:
    """The share of a step that this run has made."""
    return state.fraction - (state.started_at or 0.0)


def _pace(state: State, now: float) -> float | None:
    """Seconds a running step would take from nothing, judged by its pace so far."""
    made = _count_made(state)
    if state.began is None or made < SMALLEST_FRACTION:
        return None
    return (now - state.began) / made
