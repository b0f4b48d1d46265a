"""A plan as a table in the terminal and in Markdown: steps that are alike share a line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ikusi.plan.planning import HOUR, Line, Plan
from ikusi.plan.span import Span

GB = 1e9
COLUMNS = ("step", "cards", "rows", "memory, GB", "hours", "money", "kWh", "speed")


@dataclass(frozen=True)
class Group:
    """Steps of one kind whose figures are the same."""

    name: str
    lines: Sequence[Line]


def group(lines: Iterable[Line]) -> list[Group]:
    """Put steps together whose figures are the same, in the order in which the first comes."""
    groups: dict[tuple[object, ...], list[Line]] = {}
    for line in lines:
        work = line.work
        key = (work.kind, work.cards, work.rows, work.amount, line.pace.seconds, line.memory)
        groups.setdefault(key, []).append(line)
    return [Group(_name(some), some) for some in groups.values()]


def _name(lines: Sequence[Line]) -> str:
    if len(lines) == 1:
        return lines[0].work.name
    return f"{lines[0].work.kind}, {len(lines)} times"


def write_rows(plan: Plan) -> list[tuple[str, ...]]:
    """The table's rows, without its head; figures of several steps are for each of them."""
    return [_write_row(one) for one in group(plan.lines)]


def _write_row(one: Group) -> tuple[str, ...]:
    line = one.lines[0]
    work, seconds = line.work, line.pace.seconds
    memory = "" if line.memory is None else f"{line.memory / GB:.1f}"
    return (
        one.name,
        str(work.cards),
        f"{work.rows:,}",
        memory + (" too much" if line.fits is False else ""),
        show_span(seconds * (1 / HOUR)) if seconds else "not known",
        show_span(line.money) if line.money else "",
        show_span(line.energy) if line.energy else "",
        "measured" if line.pace.measured else "assumed" if seconds else "",
    )


def show_span(span: Span) -> str:
    """A figure with its bounds.

    >>> show_span(Span(1.234, 2, 30))
    '2.0 (1.2 to 30)'
    """
    if span.low == span.high:
        return _show(span.middle)
    return f"{_show(span.middle)} ({_show(span.low)} to {_show(span.high)})"


def _show(value: float) -> str:
    """Two digits that count; whole thousands with commas."""
    if value >= 100:
        return f"{float(f'{value:.3g}'):,.0f}"
    if value >= 10:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def write_markdown(plan: Plan) -> str:
    """The table as Markdown."""
    lines = [COLUMNS, ("---", *["--:"] * 6, "---"), *write_rows(plan)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write_text(plan: Plan) -> str:
    """The table for the terminal, with all that must be known to read it."""
    rows = [COLUMNS, *write_rows(plan)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(COLUMNS))]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join([*write_head(plan), "", *lines, "", *write_sums(plan), *write_notes(plan)])


def write_head(plan: Plan) -> list[str]:
    """Write what is planned, and on what hardware."""
    hardware = plan.hardware
    price = "" if hardware.price is None else f", {hardware.price:g} an hour each"
    what = "core" if hardware.card.is_processor else "card"
    several = what if hardware.count == 1 else f"{what}s"
    return [f"{plan.name} on {hardware.count} {several}: {hardware.card.name}{price}"]


def write_sums(plan: Plan) -> list[str]:
    """The whole grid."""
    used = show_span(plan.used * (1 / HOUR))
    what = "hours of cores" if plan.hardware.card.is_processor else "hours of cards"
    lines = [f"all steps: {used} {what}"]
    if plan.hardware.price is not None:
        lines[0] += f", {show_span(plan.money)} money"
    if plan.energy.high:
        lines[0] += f", {show_span(plan.energy)} kWh at full power"
    if plan.whole:
        at_once = f"{plan.slots} at once at most"
        hours = show_span(plan.whole * (1 / HOUR))
        lines.append(
            f"from beginning to end: {hours} hours ({at_once}; time in a queue not counted)"
        )
    elif plan.unknown:
        lines.append(f"not known: how long {', '.join(plan.unknown)} take")
    else:
        most = max(line.work.cards for line in plan.lines)
        lines.append(f"a step needs {most} cards at once, and there are {plan.hardware.count}")
    return lines


def write_notes(plan: Plan) -> list[str]:
    """Write what does not fit and what would make it fit, and where figures are from."""
    lines: list[str] = []
    for one in group(plan.lines):
        line = one.lines[0]
        if line.fits is False:
            change = "nothing found that makes it fit"
            if line.remedy:
                held = f"{line.remedy.peak / GB:.1f} GB"
                change = f"fits ({held}) with {' '.join(map(_quote, line.remedy.overrides))}"
            lines.append(
                f"{one.name}: too much for {plan.hardware.card.room / GB:.1f} GB; {change}"
            )
    sources = dict.fromkeys(
        f"{line.work.kind}: {text}"
        for line in plan.lines
        for text in (*line.work.notes, line.pace.source)
    )
    return [*lines, *(["", "from:"] if sources else []), *(f"  {one}" for one in sources)]


def _quote(override: str) -> str:
    return f"'{override}'" if " " in override else override
