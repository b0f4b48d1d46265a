"""From several people's verdicts on an item to one decision, with their reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ikusi.annotate import exporting, growing
from ikusi.annotate.exporting import ADJUDICATOR
from ikusi.annotate.project import Project
from ikusi.data.judged import Accepted
from ikusi.errors import InputError
from ikusi.judgements.acceptance import Acceptance, count_acceptance
from ikusi.judgements.judgement import NO_VERDICT, VERDICTS, Judgement
from ikusi.judgements.sheets import keep_latest, lay_out_sheets, list_latest

PERSON = "person"


@dataclass(frozen=True)
class Decision:
    """The decision about an item.

    ``verdict``: one of the task's; empty where none has more than half. ``verdicts``: that of each
    rater, by code name. ``correction``: corrected texts by name, if the item is to be taken
    with these, as the ``correctors`` gave it.
    """

    verdict: str
    verdicts: Mapping[str, str]
    reasons: Sequence[str] = ()
    notes: Sequence[str] = ()
    correction: Mapping[str, str] | None = None
    correctors: Sequence[str] = ()

    def in_words(self) -> str:
        """The verdict of each rater, and the reasons given, in a line."""
        by = ", ".join(f"{rater} {verdict}" for rater, verdict in sorted(self.verdicts.items()))
        why = ", ".join(dict.fromkeys(self.reasons))
        return f"{by}: {why}" if why else by


class Answers(NamedTuple):
    """A project, what was decided of its items, and how many people accept."""

    project: Project
    decisions: Mapping[str, Decision]
    figures: Acceptance


def read_answers(folder: Path) -> Answers:
    """Read a project and decide what people have said of its items.

    Raises:
        InputError: it is no project, or no verdict has been given yet.
    """
    project = growing.read(folder)
    judgements = keep_one_kind(exporting.read_judgements(folder, third_opinions=True))
    raters = [one for one in judgements if one.rater != ADJUDICATOR]
    made = [sheet for sheet in lay_out_sheets(keep_latest(raters)) if (sheet.votes > 0).any()]
    if not made:
        raise InputError(f"{folder}: expected judgements, found none; let people judge first")
    figures = count_acceptance(made[0], resamples=1000, seed=0)
    return Answers(project, decide(judgements, project.task), figures)


def count_accepted(answers: Answers) -> Accepted:
    """The share of rows accepted as they were: of items, or of ratings where no item is clear."""
    shares = {share.of: share for share in answers.figures.shares}
    share, sheet = shares.get("items", shares["ratings"]), answers.figures.sheet
    mean, low, high = (round(value, 6) for value in share.interval)
    return Accepted(
        language=answers.project.language,
        share=mean,
        low=low,
        high=high,
        items=share.n,
        ratings=shares["ratings"].n,
        raters=len(sheet.raters),
        kind=sheet.kind,
    )


def keep_one_kind(judgements: Iterable[Judgement]) -> list[Judgement]:
    """The judgements of people; those of simulated raters if there are no others. Never both."""
    listed = list(judgements)
    real = any(one.kind == PERSON and one.rater != ADJUDICATOR for one in listed)
    return [one for one in listed if one.kind == PERSON] if real else listed


def decide(judgements: Iterable[Judgement], task: str) -> dict[str, Decision]:
    """Decide each item that somebody gave a verdict on.

    A third opinion decides alone. Else more than half of the verdicts decide. An item that is
    decided against is corrected where more than half of those against it gave a correction: the
    one that most of them gave, of equally many the last.
    """
    words: dict[str, list[Judgement]] = {}
    for one in list_latest(judgements):
        if one.verdict not in NO_VERDICT:
            words.setdefault(one.id, []).append(one)
    return {id: _decide(given, VERDICTS[task]) for id, given in words.items()}


def _decide(words: Sequence[Judgement], verdicts: Sequence[str]) -> Decision:
    third = [one for one in words if one.rater == ADJUDICATOR]
    deciding = third or words
    counts = Counter(one.verdict for one in deciding)
    verdict = next((one for one in verdicts if 2 * counts[one] > len(deciding)), "")
    against = [one for one in deciding if one.verdict == verdict != verdicts[-1]]
    correction, correctors = _correction(against)
    return Decision(
        verdict,
        {one.rater: one.verdict for one in words},
        [reason for one in words for reason in one.reasons],
        [one.note for one in words if one.note],
        correction,
        correctors,
    )


def _correction(against: Sequence[Judgement]) -> tuple[dict[str, str] | None, list[str]]:
    """The correction to take, if any, and who gave it."""
    given: dict[tuple[tuple[str, str], ...], list[Judgement]] = {}
    for one in against:
        if one.correction:
            given.setdefault(tuple(sorted(one.correction.items())), []).append(one)
    if 2 * sum(map(len, given.values())) <= len(against):
        return None, []
    texts, by = max(given.items(), key=lambda held: (len(held[1]), held[1][-1].made))
    return dict(texts), sorted(one.rater for one in by)
