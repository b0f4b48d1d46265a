"""From work to hours: by speeds that were measured on such a machine, else by what is published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from statistics import median

from ikusi import speeds, yamlfile
from ikusi.plan.amounts import Range
from ikusi.plan.card import PROCESSOR, Card
from ikusi.plan.span import Span
from ikusi.plan.work import Work
from ikusi.recipe.folder import DATA, REPORT
from ikusi.recipe.values import Positive, Text
from ikusi.speeds import Speed
from ikusi.yamlfile import Section

TABLE = Path(__file__).with_name("efficiency.yaml")
OTHER = "other"
LEAST_ERROR = 0.1  # share by which a measured speed may be wrong at least


class Efficiency(Section):
    """The share of a peak that is reached, as published or assumed."""

    low: Positive
    high: Positive
    source: Text

    def span(self) -> Span:
        """The share of the peak."""
        return Span.between(self.low, self.high)


class Starting(Section):
    """Seconds until a step works, and bytes per second at which models are opened and written."""

    seconds: Range
    bytes: Range
    source: Text


class Seconds(Section):
    """Seconds that a thing takes."""

    seconds: Range
    source: Text


class Report(Seconds):
    """Seconds that a report takes, and more for each question of its study."""

    question: Range


class Table(Section):
    """All that `efficiency.yaml` says."""

    training: dict[str, Efficiency]
    reading: dict[str, Efficiency]
    writing: dict[str, Efficiency]
    starting: Starting
    drawing: Seconds
    reporting: Report


@cache
def read_table() -> Table:
    """Read what is known of efficiencies."""
    return yamlfile.validate(Table, yamlfile.read(TABLE), yamlfile.list_field_names(Table))


@dataclass(frozen=True)
class Pace:
    """The time and memory that a step takes.

    Attributes:
        seconds: none where nothing gives an estimate.
        measured: whether it was measured on such a machine.
        memory: bytes at most, where that was measured.
        source: where the figure is from.
        loading: seconds more where a process takes up its first step of this kind, and
            `memory_first`: bytes that it holds then, where these were measured.
    """

    seconds: Span | None
    measured: bool
    memory: float | None
    source: str
    loading: float = 0.0
    memory_first: float | None = None

    def at_first(self) -> Pace:
        """The same where a process takes up its first step of the kind."""
        seconds = self.seconds and self.seconds + Span.exactly(self.loading)
        return replace(self, seconds=seconds, memory=self.memory_first or self.memory)


def estimate(work: Work, card: Card, known: Sequence[Speed]) -> Pace:
    """Estimate how long some work takes on cards of a kind.

    Args:
        known: speeds that were measured, on this and on other machines.
    """
    here = [one for one in known if card.is_called(one.machine)]
    if alike := speeds.select(here, work.kind, work.about):
        return _estimate_by(work, card, alike)
    return _estimate_unseen(work, card)


def _estimate_unseen(work: Work, card: Card) -> Pace:
    table = read_table()
    if work.kind == DATA:
        each = table.drawing
        return Pace(each.seconds.span() * work.amount.middle, False, None, each.source)
    if work.kind == REPORT:
        each = table.reporting
        seconds = each.seconds.span() + each.question.span() * work.amount.middle
        return Pace(seconds, False, None, each.source)
    if not work.does:
        return Pace(None, False, None, "not known; measure it (--measure)")
    share = _choose(getattr(table, work.does), card)
    written = _choose(table.writing, card)
    start = table.starting
    seconds = work.operations.over(share.span() * (card.peak * work.cards))
    seconds += work.moved.over(written.span() * (card.bandwidth * work.cards))
    seconds += start.seconds.span() + Span.exactly(work.weights).over(start.bytes.span())
    source = f"assumed: {share.low:.0%} to {share.high:.0%} of the peak ({share.source})"
    return Pace(seconds, False, None, source)


def _choose(efficiencies: dict[str, Efficiency], card: Card) -> Efficiency:
    if card.is_processor:
        return efficiencies[PROCESSOR]
    return efficiencies.get(card.generation, efficiencies[OTHER])


def _estimate_by(work: Work, card: Card, alike: Sequence[Speed]) -> Pace:
    amount = work.amount.middle
    if work.amount.low != work.amount.high:  # assumed: what was measured is a better estimate
        amount = work.rows * median(one.amount / one.rows for one in alike)
    later = [one for one in alike if not one.fresh] or list(alike)
    first = [one for one in alike if one not in later]
    clocks = [_Clock.of(one, card) for one in later]
    fixed, rate = _fit_report(clocks) if work.kind == REPORT else _fit(clocks)
    rates = [(clock.working - fixed * (not clock.apart)) / clock.amount for clock in clocks]
    error = max(LEAST_ERROR, (max(rates) - min(rates)) / 2 / median(rates))
    seconds = Span.around(rate * amount, min(error, 0.9)) + Span.exactly(fixed)
    what = "processor time" if card.is_processor else "seconds"
    return Pace(
        seconds,
        True,
        _find_most(later),
        f"measured here, {len(alike)} times, in {what}",
        _find_loading(first, card, fixed, rate),
        _find_most(first),
    )


def _find_most(alike: Sequence[Speed]) -> float | None:
    return max((one.memory for one in alike if one.memory), default=None)


def _find_loading(first: Sequence[Speed], card: Card, fixed: float, rate: float) -> float:
    """Seconds that first steps took beyond what they would have taken later."""
    clocks = (_Clock.of(one, card) for one in first)
    beyond = [one.whole - fixed - rate * one.amount for one in clocks]
    return max(0.0, median(beyond)) if beyond else 0.0


@dataclass(frozen=True)
class _Clock:
    """A speed in the clock that counts: on a processor that others share, its own time.

    `working`: seconds at its own pace, where they are known apart from `whole`. That pace is by the
    clock on the wall, so on a processor it says nothing.
    """

    amount: float
    whole: float
    working: float
    apart: bool

    @classmethod
    def of(cls, speed: Speed, card: Card) -> _Clock:
        if card.is_processor and speed.processor is not None:
            return cls(speed.amount, speed.processor, speed.processor, False)
        apart = speed.steady is not None and speed.steady < speed.seconds
        working = (speed.steady or 0.0) if apart else speed.seconds
        return cls(speed.amount, speed.seconds, working, apart)


def _fit_report(clocks: Sequence[_Clock]) -> tuple[float, float]:
    """The same of reports. What a question adds is published: it is so little that the questions of
    short studies do not show it."""
    rate = read_table().reporting.question.span().middle
    return median(max(0.0, clock.whole - rate * clock.amount) for clock in clocks), rate


def _fit(clocks: Sequence[_Clock]) -> tuple[float, float]:
    """Seconds that do not depend on the amount, and seconds for each of it."""
    if all(clock.apart for clock in clocks):
        fixed = median(clock.whole - clock.working for clock in clocks)
        return fixed, median(clock.working / clock.amount for clock in clocks)
    amounts = [clock.amount for clock in clocks]
    if max(amounts) < 1.5 * min(amounts):
        return 0.0, median(clock.whole / clock.amount for clock in clocks)
    middle, mean = sum(amounts) / len(amounts), sum(c.whole for c in clocks) / len(clocks)
    spread = sum((one - middle) ** 2 for one in amounts)
    slope = sum((c.amount - middle) * (c.whole - mean) for c in clocks) / spread
    rate = max(slope, 0.0)
    return max(mean - rate * middle, 0.0), rate
