"""A plan of a recipe: every step with its hours, money, energy and memory, and the whole on the
cards there are."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ikusi import speeds
from ikusi.plan import fitting, pace, serving, shapes
from ikusi.plan.amounts import Amounts
from ikusi.plan.card import Hardware, find_machine
from ikusi.plan.fitting import Remedy
from ikusi.plan.pace import Pace
from ikusi.plan.serving import Prices, Served
from ikusi.plan.span import NOTHING, Span, add_up
from ikusi.plan.work import Work, Workload
from ikusi.recipe import Recipe
from ikusi.recipe.folder import DATA, REPORT, StudyFolder
from ikusi.speeds import Speed
from ikusi.study import MOST_JOBS, layout, timetable
from ikusi.study.remaining import Planned

if TYPE_CHECKING:
    from ikusi.translate.settings import Translation

logger = logging.getLogger(__name__)

HOUR, KWH = 3600.0, 3.6e6  # seconds, joules
MADE_BY = {"made_by": "ikusi plan"}
MARK = '"made_by": "ikusi plan"'
"""By which a file of a plan is known as Ikusi's own, so that it may be written anew."""


@dataclass(frozen=True)
class Line:
    """One step in figures.

    Attributes:
        money: at the price of an hour of a card, or of tokens; none without a price.
        energy: kWh at the cards' full power; none where that is not known.
        fits: whether it fits on its cards; none where its memory is not known.
        remedy: what makes it fit, where it does not.
    """

    work: Work
    pace: Pace
    money: Span | None
    energy: Span | None
    fits: bool | None
    remedy: Remedy | None = None
    tokens: tuple[Span, Span] | None = None

    @property
    def memory(self) -> float | None:
        """Bytes at most: as measured, else as estimated."""
        return self.pace.memory or self.work.peak

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        seconds, work = self.pace.seconds, self.work
        return {
            "step": work.name,
            "cards": work.cards,
            "rows": work.rows,
            "amount": work.amount.to_json(),
            "operations": work.operations.to_json(),
            "hours": (seconds * (1 / HOUR)).to_json() if seconds else None,
            "measured": self.pace.measured,
            "speed": self.pace.source,
            "money": self.money.to_json() if self.money else None,
            "kwh": self.energy.to_json() if self.energy else None,
            "bytes": dict(work.parts),
            "peak": self.memory,
            "fits": self.fits,
            "change": list(self.remedy.overrides) if self.remedy else None,
            "tokens_read": self.tokens[0].to_json() if self.tokens else None,
            "tokens_written": self.tokens[1].to_json() if self.tokens else None,
            "notes": list(work.notes),
        }


@dataclass(frozen=True)
class Plan:
    """The plan of a recipe.

    Attributes:
        lines: a line for each step, then translation and judging.
        whole: seconds from beginning to end on all cards, steps side by side; none where the time
            of a step is not known.
        slots: steps that run at once at most.
        unknown: steps whose time is not known.
    """

    name: str
    hardware: Hardware
    lines: Sequence[Line]
    whole: Span | None
    slots: int
    unknown: Sequence[str]

    @property
    def used(self) -> Span:
        """Seconds of cards that are used, all together, as far as they are known."""
        on_cards = (one for one in self.lines if one.work.kind not in (DATA, REPORT))
        return add_up(one.pace.seconds * one.work.cards for one in on_cards if one.pace.seconds)

    @property
    def money(self) -> Span:
        """The money that all steps cost, as far as prices are known."""
        return add_up(one.money for one in self.lines if one.money)

    @property
    def energy(self) -> Span:
        """kWh of all steps, as far as the cards' power is known."""
        return add_up(one.energy for one in self.lines if one.energy)

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        card, price = self.hardware.card, self.hardware.price
        return {
            **MADE_BY,
            "name": self.name,
            "card": card.model_dump(mode="json"),
            "cards": self.hardware.count,
            "price": price,
            "at_once": self.slots,
            "hours": (self.whole * (1 / HOUR)).to_json() if self.whole else None,
            "card_hours": (self.used * (1 / HOUR)).to_json(),
            "money": self.money.to_json() if price is not None else None,
            "kwh": self.energy.to_json() if card.power else None,
            "unknown": list(self.unknown),
            "steps": [line.to_json() for line in self.lines],
        }


@dataclass(frozen=True)
class Asked:
    """Work that is planned beside the recipe's own steps.

    Attributes:
        translations: settings and the corpus that each translates.
        pairs: of runs that a judge compares.
        prices: of the judge's tokens.
        rows: of corpora that are not here, by folder.
    """

    translations: Sequence[tuple[Translation, Path]] = ()
    pairs: int = 0
    prices: Prices = field(default_factory=Prices)
    rows: Mapping[str, int] = field(default_factory=dict)


def make_plan(
    recipe: Recipe,
    hardware: Hardware,
    study: StudyFolder,
    asked: Asked | None = None,
    known: Sequence[Speed] | None = None,
) -> Plan:
    """Estimate what a recipe takes on some cards.

    Args:
        study: its folder, whose corpora are counted where they are there.
        known: speeds that were measured; by default those in the user's cache.

    Raises:
        InputError: a model's shape or a corpus's rows are not known.
    """
    wanted = asked or Asked()
    measured = speeds.read() if known is None else known
    first = shapes.find(recipe.backbone(recipe.grid.backbones[0]))
    amounts = Amounts(recipe, study, first, wanted.rows)
    workload = Workload(recipe, amounts, not hardware.card.is_processor)
    named = layout.name_steps(recipe)
    works = workload.list_work(named)
    slots, lines = count_slots(recipe, hardware), []
    paces = _list_paces(works, hardware, measured, slots)
    for one, work, took in zip(named, works, paces, strict=True):
        line = _price(work, took, hardware)
        if line.fits is False:
            remedy = fitting.find(work, one, workload, hardware)
            line = _price(work, line.pace, hardware, remedy)
        lines.append(line)
    whole, unknown = _lay_out(lines, hardware, slots)
    served = [serving.translate(*one, amounts, hardware) for one in wanted.translations]
    if wanted.pairs:
        served += serving.judge(recipe, amounts, wanted.pairs, wanted.prices)
    lines += [_price_served(one, hardware, measured) for one in served]
    return Plan(recipe.name, hardware, lines, whole, slots, unknown)


def estimate_steps(
    recipe: Recipe, study: StudyFolder, workers: int | None, known: Sequence[Speed] | None = None
) -> dict[str, Planned]:
    """Estimate the seconds of each step of a study on this machine, by its name, as far as known.

    Args:
        study: its folder.
        workers: steps that run at once; the recipe's figure if not given.
        known: speeds that were measured; by default those in the user's cache.
    """
    measured = speeds.read() if known is None else known
    try:
        hardware = find_machine()
        first = shapes.find(recipe.backbone(recipe.grid.backbones[0]))
        amounts = Amounts(recipe, study, first, {})
        workload = Workload(recipe, amounts, not hardware.card.is_processor)
        works = workload.list_work(layout.name_steps(recipe))
        slots = workers or count_slots(recipe, hardware)
        paces = list(_list_paces(works, hardware, measured, slots))
    except Exception as error:  # no study fails for want of its time to go
        logger.info("time to go: nothing is planned: %s", error)
        return {}
    return {
        work.name: Planned(pace.seconds.middle, pace.measured)
        for work, pace in zip(works, paces, strict=True)
        if pace.seconds and pace.seconds.middle > 0
    }


def _list_paces(
    works: Sequence[Work], hardware: Hardware, known: Sequence[Speed], slots: int
) -> Iterator[Pace]:
    """The pace of each step; each process loads libraries at its first step of a kind."""
    begun: Counter[str] = Counter()
    for work in works:
        estimate = pace.estimate(work, hardware.card, known)
        begun[work.kind] += 1
        yield estimate.at_first() if begun[work.kind] <= slots else estimate


def count_slots(recipe: Recipe, hardware: Hardware) -> int:
    """Steps that a study runs at once: SLURM's jobs, as many as the recipe says, or as fit."""
    if recipe.compute.slurm:
        return MOST_JOBS if recipe.workers == "auto" else recipe.workers
    if recipe.workers != "auto":
        return recipe.workers
    return max(1, hardware.count // recipe.compute.processes)


def _price(work: Work, estimate: Pace, hardware: Hardware, remedy: Remedy | None = None) -> Line:
    card, seconds = hardware.card, estimate.seconds
    held = estimate.memory or work.peak
    on_cards = seconds is not None and work.kind not in (DATA, REPORT)
    money = energy = None
    if on_cards and seconds is not None:
        spent = seconds * work.cards
        money = spent * (hardware.price / HOUR) if hardware.price is not None else None
        energy = spent * (card.power / KWH) if card.power else None
    return Line(work, estimate, money, energy, held <= card.room if held else None, remedy)


def _price_served(served: Served, hardware: Hardware, known: Sequence[Speed]) -> Line:
    estimate = pace.estimate(served.work, hardware.card, known)
    if served.seconds is not None:
        estimate = Pace(served.seconds, False, None, "the recipe's tokens_per_second")
    line = _price(served.work, estimate, hardware)
    money = line.money if served.money is None else served.money
    tokens = (served.read, served.written)
    return Line(line.work, line.pace, money, line.energy, line.fits, None, tokens)


def _lay_out(
    lines: Sequence[Line], hardware: Hardware, slots: int
) -> tuple[Span | None, list[str]]:
    """From beginning to end; none where a step is not known or asks for too many cards."""
    unknown = [line.work.name for line in lines if line.pace.seconds is None]
    works = [line.work for line in lines]
    if unknown or any(work.cards > hardware.count for work in works):
        return None, unknown
    ends, cards = [], {work.name: work.cards for work in works}
    for bound in ("low", "middle", "high"):
        taken = {one.work.name: getattr(one.pace.seconds or NOTHING, bound) for one in lines}
        laid = timetable.lay_out(works, taken, slots, cards=cards, count=hardware.count)
        ends.append(laid.ends)
    return Span(*ends), []
