"""Judgements by people and models on a study's answers: tables, a figure, some pairs of answers.

Simulated raters are named as that in all of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from ikusi.compare.reading import Study
from ikusi.data import images
from ikusi.judge import figures as judges
from ikusi.judge import record
from ikusi.judgements import figures
from ikusi.judgements.figures import Figures
from ikusi.judgements.preferences import Preference
from ikusi.judgements.sheets import Sheet
from ikusi.report import judgements as views
from ikusi.report.drawing import DASHES, GREEN, INK, MARKERS, PURPLE, Figure, Look, Panel
from ikusi.report.tables import Table

LOOKS = {
    "person": Look("people", INK, DASHES[0], MARKERS[0]),
    "model": Look("judge models", GREEN, DASHES[1], MARKERS[1]),
    "simulated": Look("SIMULATED raters", PURPLE, DASHES[2], MARKERS[3], hollow=True),
}
APART = 0.16  # between kinds of raters at one outcome
PAIRS, SIDE = 6, 320  # pairs shown, and pixels of a picture's longer side


@dataclass(frozen=True)
class Heard:
    """The tables and figure of a study's judgements; ``notes`` say what a reader must know."""

    tables: Sequence[Table]
    notes: Sequence[str]
    figure: Figure | None
    shown: Sequence[Beside]
    simulated: bool


@dataclass(frozen=True)
class Beside:
    """Two runs' answers to a question, and what each kind of rater decided.

    ``picture`` is a data URI; ``answers`` are by run, ``verdicts`` by who gave them.
    """

    picture: str
    alt: str
    language: str
    question: str
    answers: Sequence[tuple[str, str]]
    verdicts: Sequence[tuple[str, str]]


def gather(study: Study) -> Heard | None:
    """Compute all that the report shows of judgements; none where there are none."""
    if not study.judgements:
        return None
    recipe = study.recipe
    computed = figures.compute(study.judgements, recipe.bootstrap, recipe.seed)
    played = (record.read(Path(folder)) for folder in recipe.judgements)
    judging = judges.compute(chain.from_iterable(played))
    tables = [table for table in views.make_tables(computed, judging) if table.rows]
    notes = list(views.write_notes(computed, judging))
    return Heard(tables, notes, _draw(computed), list(_show(study)), computed.simulated)


def _draw(computed: Figures) -> Figure | None:
    """Wins and ties of each two models, by kind of rater."""
    groups: dict[tuple[Any, ...], list[Preference]] = {}
    for one in computed.table_2:
        if not one.rater:
            groups.setdefault(one.sheet.place, []).append(one)
    if not groups:
        return None
    there = {one.sheet.kind for own in groups.values() for one in own}
    return Figure(
        "wins-and-ties",
        "Which answers are preferred",
        "Share of all judged answers that each verdict has, by the majority of raters of a kind, "
        "with 95 % intervals (Wilson). What is missing to 1 is inconclusive or has no verdict. "
        "Counterpart of table 2 of the paper.",
        [[_panel(place, own) for place, own in groups.items()]],
        [look for kind, look in LOOKS.items() if kind in there],
    )


def _panel(place: tuple[Any, ...], own: Sequence[Preference]) -> Panel:
    _, benchmark, language, models = place
    values = [
        f"{LOOKS[one.sheet.kind].label}: {name} {mean:.2f} [{low:.2f}, {high:.2f}]"
        for one in own
        for name, (mean, low, high) in one.shares.items()
    ]
    title = f"{benchmark} {language}"
    draw = partial(_draw_shares, own=own, models=models)
    return Panel(title, f"{title}: {'; '.join(values)}", draw, (5, 3.2))


def _draw_shares(axes: Axes, *, own: Sequence[Preference], models: tuple[str, str]) -> None:
    outcomes = [models[0], "tie", models[1]]
    for number, one in enumerate(own):
        look = LOOKS[one.sheet.kind]
        for place, name in enumerate(outcomes):
            at, share = place + APART * (number - (len(own) - 1) / 2), one.shares[name]
            axes.vlines(at, share.low, share.high, color=look.colour, linewidth=1.4)
            axes.plot([at], [share.mean], clip_on=False, **look.style())
    axes.set_xticks(range(3), [models[0], "tie", models[1]])
    axes.set_xlim(-0.5, 2.5)
    axes.set_ylim(0, 1)
    axes.set_ylabel("share of judged answers")


def _show(study: Study) -> Iterator[Beside]:
    """Some pairs, picked by rule: wins, ties and losses take turns, each by the order of ids."""
    for sheets in _by_place(study.sheets).values():
        first = sheets[0]
        codes = (study.target.code, study.source.code)
        runs = [study.evaluations.get(name) for name in first.models]
        if first.task == "compare" and first.language in codes and all(runs):
            yield from _show_some(study, sheets)


def _by_place(sheets: Sequence[Sheet]) -> dict[tuple[Any, ...], list[Sheet]]:
    """Sheets about the same, people's first."""
    grouped: dict[tuple[Any, ...], list[Sheet]] = {}
    for sheet in sorted(sheets, key=lambda sheet: list(LOOKS).index(sheet.kind)):
        grouped.setdefault(sheet.place, []).append(sheet)
    return grouped


def _show_some(study: Study, sheets: Sequence[Sheet]) -> Iterator[Beside]:
    first = sheets[0]
    decided = dict(zip(first.items, first.decided.tolist(), strict=True))
    queues = [sorted(id for id, code in decided.items() if code == one) for one in range(3)]
    turns = (id for some in zip_longest(*queues) for id in some if id is not None)
    for id in list(turns)[:PAIRS]:
        if (pair := _lay(study, sheets, id)) is not None:
            yield pair


def _lay(study: Study, sheets: Sequence[Sheet], id: str) -> Beside | None:
    about = sheets[0]
    wanted = ("question", "prediction", "image_id")
    rows = [
        study.evaluations[name].texts(about.benchmark, about.language, [id], wanted).get(id)
        for name in about.models
    ]
    corpus = study.corpus(about.benchmark)
    if not all(rows) or corpus is None:
        return None
    both = [row for row in rows if row]
    image = both[0]["image_id"]
    picture = "" if image is None else _thumbnail(corpus.image(image))
    answers = [(n, row["prediction"] or "") for n, row in zip(about.models, both, strict=True)]
    verdicts = [
        (LOOKS[sheet.kind].label, verdict) for sheet in sheets if (verdict := _word(sheet, id))
    ]
    question = both[0]["question"]
    return Beside(picture, f"Picture for “{question}”", about.language, question, answers, verdicts)


def _word(sheet: Sheet, id: str) -> str:
    """The decision of raters of a kind on an item, in words; empty where they were not asked."""
    if id not in sheet.items:
        return ""
    code = int(sheet.decided[sheet.items.index(id)])
    if code < 0:
        return "no verdict"
    name = sheet.classes[code]
    return name if name == "tie" else f"{name} is better"


def _thumbnail(image: Any) -> str:
    """A small copy."""
    shrunk = max(image.size) > SIDE
    image.thumbnail((SIDE, SIDE))
    return images.to_data_uri(image, "JPEG" if shrunk else "PNG", quality=82, optimize=True)
