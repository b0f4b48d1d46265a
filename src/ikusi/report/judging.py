"""The reliability of judges, as a table and a line for each judge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ikusi.judge.figures import Judging, Share
from ikusi.judgements.figures import Figures
from ikusi.judgements.people_and_judge import Compared
from ikusi.report.tables import Cell, Table

MEANINGS = {
    "ties": "verdicts that are a tie",
    "consistent": "pairs judged the same in both orders",
    "first": "wins of the answer shown first",
    "longer": "wins of the longer answer",
    "family": "wins of the judge's own family",
    "identical": "control: ties on identical answers",
    "wrong_picture": "control: verdicts that a wrong picture leaves as they are",
}
COLUMNS = ["benchmark", "language", "judge", "models", "what", "count", "n", "share", "low", "high"]


def make_table(judgings: Sequence[Judging]) -> Table:
    """A row for each share of each judge, and for what has no verdict."""
    rows: list[list[Cell]] = []
    for one in judgings:
        about: list[Cell] = [one.benchmark, one.language, one.rater, " : ".join(one.models)]
        rows += [[*about, MEANINGS[s.name], s.times, s.n, *s.interval, s.p] for s in one.shares]
        for name in ("invalid", "refused", "masked"):
            count = getattr(one, name)
            rows.append(
                [*about, f"games: {name}", count, one.games, count / one.games, *[None] * 3]
            )
    caption = "Judges by themselves (p: sign test over pairs, that as many lean the other way)"
    return Table("judging", caption, [*COLUMNS, "p"], rows)


def write_lines(judgings: Sequence[Judging], figures: Figures) -> Iterator[str]:
    """For each judge, in a sentence, how far it may be believed, and why."""
    for one in judgings:
        beside = [each for each in figures.judges if _is_of(each, one)]
        reasons = [*(_beside(each) for each in beside), *_of_itself(one)]
        if not beside:
            reasons.insert(
                0, "no other rater has judged these pairs, so whether people agree is unknown"
            )
        where = f"{one.rater} on {one.benchmark} {one.language}, {' : '.join(one.models)}"
        yield f"{where}: believe it as far as this: {'; '.join(reasons)}."


def _is_of(beside: Compared, one: Judging) -> bool:
    sheet = beside.sheet
    place = (sheet.benchmark, sheet.language, sheet.models, beside.judge)
    return place == (one.benchmark, one.language, one.models, one.rater)


def _beside(one: Compared) -> str:
    """The agreement of a judge with people, or with simulated raters, in words."""
    whom = {"person": "people", "simulated": "SIMULATED raters"}[one.kind]
    kappa = next(figure for figure in one.agreement if figure.name == "cohen_kappa")
    if kappa.value is None:
        return f"its agreement with {whom} is undefined, because {kappa.why}"
    agreement = (
        f"Cohen's kappa with {whom} is {kappa.value:.2f} ({kappa.low:.2f} to {kappa.high:.2f}"
    )
    chance = ", which may be chance" if (kappa.low or 0) <= 0 else ""
    return f"{agreement}, {kappa.items} pairs){chance}"


def _of_itself(one: Judging) -> Iterator[str]:
    phrases = {
        "consistent": "it says the same in both orders for",
        "identical": "it calls identical answers a tie in",
        "wrong_picture": "with a wrong picture its verdict stays in",
    }
    for name, words in phrases.items():
        if share := one.find(name):
            yield f"{words} {_format(share)}"
    for name, words in (("first", "the first answer"), ("longer", "the longer answer")):
        share = one.find(name)
        if share and share.p is not None and share.p < 0.05:
            side = "leans to" if share.interval.mean > 0.5 else "leans away from"
            yield f"it {side} {words} ({_format(share)} wins)"


def _format(share: Share) -> str:
    low, high = share.interval[1:]
    return f"{share.times} of {share.n} ({low:.2f} to {high:.2f})"
