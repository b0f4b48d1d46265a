"""Export of people's answers as judgements: all of them, replaced ones too, under code names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from ikusi.annotate import growing
from ikusi.annotate import project as projects
from ikusi.annotate.growing import open_answers
from ikusi.annotate.project import OWN, Project, Turn
from ikusi.annotate.store import SKIPPED, Person, Store, Word
from ikusi.errors import InputError
from ikusi.judgements import journal
from ikusi.judgements.judgement import Judgement

ADJUDICATOR = "adjudicator"
"""The rater whose third opinions decide where others disagree."""


class Exported(NamedTuple):
    """Counts of an export: judgements ``added``, and ``known`` ones that the table had already.

    ``left_out`` are third opinions; ``withdrawn`` has who withdrew, with how many words were
    removed, ``pictures`` who removed how many of their own.
    """

    added: int
    known: int
    left_out: int
    withdrawn: Mapping[str, int]
    pictures: Mapping[str, int]


def read_judgements(folder: Path, third_opinions: bool = False) -> list[Judgement]:
    """All that people have said, the oldest first.

    Args:
        folder: of the project; it may be served meanwhile.
        third_opinions: also those of who decides where others disagree, as the rater
            `adjudicator`. They are on disputed items alone, so agreement is not to count them.

    Raises:
        InputError: it is no project, or a file of it is damaged.
    """
    project = projects.read(folder)
    with open_answers(project) as store:
        return list(list_judgements(project, store, third_opinions)) if store else []


def list_judgements(
    project: Project, store: Store, third_opinions: bool = False
) -> Iterator[Judgement]:
    """The judgements of an open store; see `read_judgements`."""
    words = list(store.history())
    people = store.people()
    project = growing.join(project, store)
    turns = {seat.code: {turn.item: turn for turn in seat.turns} for seat in project.seats}
    turns[ADJUDICATOR] = list_third_turns(project)
    for word in words:
        if project.task == OWN and word.item not in project.items:
            continue  # its author has removed it since the words were read
        if word.seat != ADJUDICATOR or third_opinions:
            yield _judgement(project, people[word.seat], turns[word.seat][word.item], word)


def list_third_turns(project: Project) -> dict[str, Turn]:
    """In front of who decides, answers stand as they did in front of the first one asked."""
    turns: dict[str, Turn] = {}
    for seat in project.seats:
        for turn in seat.turns:
            turns.setdefault(turn.item, turn)
    return turns


def _judgement(project: Project, person: Person, turn: Turn, word: Word) -> Judgement:
    given = word.given
    skipped = given.verdict == SKIPPED
    return Judgement(
        benchmark=project.benchmark,
        language=project.language,
        id=word.item,
        task=project.task,
        rater=word.seat,
        kind=person.kind,
        left=turn.left,
        right=turn.right,
        verdict=given.verdict,
        criteria=dict(given.criteria),
        reasons=list(given.reasons),
        correction={} if skipped else dict(given.correction),
        note=given.note,
        seconds=given.seconds,
        seed=project.seed,
        weight=project.items[word.item].weight,
        made=word.made,
    )


def export(folder: Path, output: Path, third_opinions: bool = False) -> Exported:
    """Add all that people have said to a table of judgements; what it has already stays once.

    Raises:
        InputError: it is no project, the table is not ours, or the table still holds what somebody
            said who has withdrawn since.
    """
    project = projects.read(folder)
    with open_answers(project) as store:
        project = growing.join(project, store) if store else project
        judgements = list(list_judgements(project, store, third_opinions)) if store else []
        people = list(store.people().values()) if store else []
        third = sum(word.seat == ADJUDICATOR for word in store.history()) if store else 0
    withdrawn = {one.seat: one.removed for one in people if one.withdrawn}
    pictures = {one.seat: one.pictures for one in people if one.pictures}
    with journal.open_journal(output, [folder]) as table:
        _expect_without(output, project, withdrawn)
        lines = [one.to_json() for one in judgements]
        added = table.append_lines(table.unknown(lines))
    return Exported(added, len(lines) - added, 0 if third_opinions else third, withdrawn, pictures)


def _expect_without(output: Path, project: Project, withdrawn: Iterable[str]) -> None:
    gone, own = set(withdrawn), project.task == OWN
    if not (gone or own) or not (output / journal.TABLE).is_file():
        return
    about = (project.benchmark, project.language, project.task)
    for one in journal.read(output):
        if about != (one.benchmark, one.language, one.task):
            continue
        if one.rater in gone:
            raise _make_error(output, f"{one.rater}, who has withdrawn", "they said")
        if own and one.id not in project.items:
            raise _make_error(output, f"{one.id}, which was removed", "was said of it")


def _make_error(output: Path, what: str, words: str) -> InputError:
    return InputError(
        f"{output}: expected nothing of {what}, found what {words} before; export to a new folder, "
        "and delete this one"
    )
