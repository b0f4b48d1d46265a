"""Cost of translation and judging: rows that are sent to a server or a translator, and money."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ikusi.errors import InputError
from ikusi.plan import shapes
from ikusi.plan.amounts import ABOUT, Amounts, read_about, read_table
from ikusi.plan.card import Hardware
from ikusi.plan.span import Span
from ikusi.plan.work import Work
from ikusi.recipe import Recipe

if TYPE_CHECKING:
    from ikusi.translate.settings import Translation

TRANSLATE, JUDGE = "translate", "judge"
BYTES = 2  # of a weight that is served
FULL = 0.75  # of a card's room, for weights: the rest is for what is read so far
CONTROLS = 2 * 20  # games that test a judge, for each pair of runs


@dataclass(frozen=True)
class Prices:
    """Of a million tokens read and written, on a server that is paid by tokens."""

    read: float = 0.0
    written: float = 0.0


@dataclass(frozen=True)
class Served:
    """Work that a server or a translator does.

    Attributes:
        seconds: where its settings give its speed; else it is estimated as other work is.
        money: what is paid by tokens; none where that is the cards' price alone.
        read, written: tokens in all.
    """

    work: Work
    read: Span
    written: Span
    seconds: Span | None = None
    money: Span | None = None


def translate(settings: Translation, corpus: Path, amounts: Amounts, hardware: Hardware) -> Served:
    """Estimate what a translation of a corpus takes.

    Raises:
        InputError: nothing says how many rows the corpus has.
    """
    table = read_table()
    amount = amounts.find(str(corpus), _guess_role(corpus))
    rows, engine = amount.rows, settings.engine
    longer = table.asking.longer.span()
    text = amount.text * rows
    written = Span(text.low * longer.low, text.middle * longer.middle, text.high * longer.high)
    chat = engine.kind == "chat"
    read = text + table.asking.prompt.span() * rows if chat else text
    hours, money = zip(*(engine.costs(round(a), round(b)) for a, b in zip(
        (read.low, read.middle, read.high), (written.low, written.middle, written.high),
        strict=True)), strict=True)  # fmt: skip
    model = getattr(engine, "model", None)
    work = _serve(settings, model, read, written, rows, hardware)
    notes = (f"rows: {amount.source}; text: {amount.length}; asked: {table.asking.source}",)
    known = all(one is not None for one in hours)
    paid = all(one for one in money)
    return Served(
        Work(
            f"{TRANSLATE}/{settings.name}",
            TRANSLATE,
            (),
            settings.describe_speed(),
            work.get("does", ""),
            cards=work.get("cards", 1),
            amount=Span.exactly(rows),
            rows=rows,
            operations=work.get("operations", Span.exactly(0)),
            moved=work.get("moved", Span.exactly(0)),
            parts=work.get("parts", {}),
            peak=work.get("peak"),
            weights=work.get("weights", 0),
            notes=notes + work.get("notes", ()),
        ),
        read,
        written,
        Span(*(3600 * one for one in hours)) if known else None,
        Span(*money) if paid else None,
    )


def _serve(
    settings: Translation,
    model: str | None,
    read: Span,
    written: Span,
    rows: int,
    hardware: Hardware,
) -> dict[str, Any]:
    """The work of the cards that serve a model, where its size is known."""
    known = shapes.count_weights(model) if model else None
    if known is None:
        return {}
    weights, source = known
    held = weights * BYTES
    room = hardware.card.room
    cards = 1
    while held / cards > FULL * room and cards < 1024:
        cards *= 2
    engine: Any = settings.engine
    together = engine.concurrency if engine.kind == "chat" else max(
        1, round(engine.batch_tokens * rows / max(read.middle, 1))
    )  # fmt: skip
    beams = getattr(engine, "beam_size", None) or 1
    return {
        "does": "reading",
        "cards": cards,
        "operations": (read + written * beams) * (2.0 * weights),
        "moved": written * (held / together),
        "parts": {"frozen": held / cards, "peak": held / cards},
        "peak": held / cards,
        "weights": held,
        "notes": (f"{model}: {source}",),
    }


def _guess_role(corpus: Path) -> str:
    """Guess the kind of a corpus's rows, from its files or name; instructions by default."""
    if (corpus / ABOUT).is_file():
        from ikusi.data import rows as row_types

        # Rows that answer a request which they do not hold are captions.
        return "caption" if row_types.load(read_about(corpus).row_type).prompts else "instruction"
    return "caption" if corpus.name.startswith(("cc3m", "captions")) else "instruction"


def judge(recipe: Recipe, amounts: Amounts, pairs: int, prices: Prices) -> list[Served]:
    """Estimate a judge's work for so many pairs of runs, on each benchmark of metric `none`.

    Raises:
        InputError: the recipe has no such benchmark.
    """
    from ikusi.evaluate import benchmark

    table, served = read_table(), list[Served]()
    for name in recipe.benchmarks:
        one = benchmark.load(name)
        if one.metric != "none":
            continue
        rows, source = amounts.count_questions(name, one.corpus)
        games = pairs * (2 * rows + min(CONTROLS, 2 * rows))
        read = table.judging.read.span() * games
        written = table.judging.written.span() * games
        money = read * (prices.read / 1e6) + written * (prices.written / 1e6)
        about = json.dumps({"benchmark": name})
        note = f"{games:,} games of {rows:,} rows ({source}); {table.judging.source}"
        work = Work(
            f"{JUDGE}/{name}",
            JUDGE,
            (),
            about,
            amount=Span.exactly(games),
            rows=games,
            notes=(note,),
        )
        served.append(Served(work, read, written, None, money if money.high else None))
    if not served:
        raise InputError(
            "--judge: expected a benchmark whose answers are only kept (metric: none), found none"
        )
    return served
