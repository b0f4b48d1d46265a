"""Simulated raters, who try a project before people give their time to it.

They are for tests and demonstrations: what they say is of the kind `simulated`, which every table,
figure and page names, and it says nothing about people, models or data.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from pathlib import Path

from ikusi.annotate import project as projects
from ikusi.annotate.project import Item, Project, Seat, Turn
from ikusi.annotate.store import Given, open_store
from ikusi.annotate.task import TIE, Task, load
from ikusi.errors import InputError
from ikusi.evaluate.rows import Stretch
from ikusi.evaluate.stored import ROWS
from ikusi.judgements.judgement import VERDICTS
from ikusi.recipe.folder import locate_evaluation

FAVOURED = 0.85
"""Share of rows that are right, where it is drawn; people accepted 0.84 and 0.86 of the paper's."""

Scores = Mapping[str, Mapping[str, float]]


def simulate_raters(folder: Path, agreement: float = 0.8, seed: int = 0) -> int:
    """Let simulated raters answer all that a project asks; returns how many answers are new.

    Of each item one verdict is right. In comparisons that is the answer with the better score,
    where the runs were scored; elsewhere it is drawn. The same call again adds nothing.

    Args:
        folder: of the project.
        agreement: probability with which a rater says what is right; else they say anything.
        seed: of what is drawn.

    Raises:
        InputError: a person has begun, or the project asks about nothing yet.
    """
    project = projects.read(folder)
    if not project.items:
        raise InputError(f"{folder}: expected items that are judged, found none")
    task, scores = load(project.task), dict(_read_scores(project))
    store = open_store(project.folder)
    try:
        for person in store.people().values():
            if person.kind != "simulated" and person.entered:
                problem = "expected a project that no person has begun"
                raise InputError(f"{folder}: {problem}, found answers or the name of {person.seat}")
        sent = []
        for seat in project.seats:
            store.enter(seat.code, kind="simulated")
            for turn, given in _answer(project, task, seat, scores, agreement, seed):
                nonce = f"simulated {seed} {agreement}"
                sent.append(store.send(seat.code, turn.item, given, nonce))
        return sum(one.result() for one in sent)
    finally:
        store.close()


def _read_scores(project: Project) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield each model and the scores of its answers by item, as far as there are any."""
    if project.task != "compare":
        return
    for model, run in project.about.origin.items():
        rows = locate_evaluation(Path(run)) / ROWS
        if rows.is_file():
            columns = ("id", "correct")
            batches = Stretch(rows, project.benchmark, project.language, columns).to_batches()
            scored = [row for batch in batches for row in batch.to_pylist()]
            yield model, {row["id"]: row["correct"] for row in scored if row["correct"] is not None}


def _answer(
    project: Project, task: Task, seat: Seat, scores: Scores, agreement: float, seed: int
) -> Iterator[tuple[Turn, Given]]:
    """Yield a simulated rater's answer for each of their turns, whatever was asked before."""
    for turn in seat.turns:
        drawn = random.Random(f"{seed} {seat.code} {turn.item}")
        verdict = drawn.choice(VERDICTS[task.name])
        if drawn.random() < agreement:
            verdict = _find_right(task, project.items[turn.item], turn, scores, seed)
        yield turn, _fill_in(task, verdict, drawn)


def _find_right(task: Task, item: Item, turn: Turn, scores: Scores, seed: int) -> str:
    """The right verdict on an item, which does not depend on who is asked."""
    drawn = random.Random(f"{seed} {item.id}")
    if task.name != "compare":
        against, favour = VERDICTS[task.name]
        return favour if drawn.random() < FAVOURED else against
    sides = (turn.left, turn.right)
    worth = [scores.get(side, {}).get(item.id) for side in sides]
    if None in worth:
        ranks = {side: drawn.choice(range(3)) for side in sorted(sides)}
        worth = [ranks[side] for side in sides]
    left, right = (float(one or 0) for one in worth)
    return TIE if left == right else "A" if left > right else "B"


def _fill_in(task: Task, verdict: str, drawn: random.Random) -> Given:
    """A form with a verdict, and with what the task asks besides."""
    criteria = dict.fromkeys(task.criteria, TIE) if verdict == TIE else {}
    if task.criteria and verdict != TIE:
        criteria = {task.criteria[0]: verdict}
    asked = task.by_name[verdict].reasons
    reasons = (drawn.choice(task.reasons),) if asked and task.reasons else ()
    return Given(verdict, criteria, reasons)
