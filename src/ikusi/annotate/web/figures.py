"""Agreement of people so far, computed in a process of its own: the libraries that figures need
would take more memory than the whole server."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, NamedTuple

from ikusi import processes
from ikusi.annotate.exporting import list_judgements

if TYPE_CHECKING:
    from ikusi.annotate.web.site import Site
    from ikusi.judgements.judgement import Judgement

RESAMPLES = 400  # of items; enough for an interval to look at
MOST_SECONDS = 60
SKEWED = (
    "Most verdicts are the same, so kappa and alpha are near 0 however careful people are: read "
    "percent, majority share and AC1."
)


class Row(NamedTuple):
    """A figure with its interval; `why` it has no value where it has none."""

    title: str
    kind: str
    value: float | None
    low: float | None
    high: float | None
    items: int
    why: str


def compute_figures(site: Site) -> list[Row]:
    """The figures of what has been said so far; computed anew only when something was said."""
    text = "".join(f"{one.to_json()}\n" for one in list_judgements(site.made, site.store))
    with site.computing:
        if site.computed.get("of") != text:
            site.computed.update(of=text, rows=_compute(text))
        rows: list[Row] = site.computed["rows"]
        return rows


def _compute(text: str) -> list[Row]:
    if not text:
        return []
    done = processes.run([sys.executable, "-m", __name__], text=text, seconds=MOST_SECONDS)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return [Row(*row) for row in json.loads(done.stdout)]


def list_rows(judgements: list[Judgement]) -> list[Row]:
    """Acceptance and agreement; not which model wins, which raters must not know so soon."""
    from ikusi.judgements.figures import compute
    from ikusi.statistics.agreement import TITLES

    computed = compute(judgements, RESAMPLES)
    shown = []
    for table in computed.table_1:
        for share in table.shares:
            title = f"accepted, of {share.of}"
            value = share.accepted / share.n
            shown.append(
                Row(
                    title,
                    table.sheet.kind,
                    value,
                    share.interval.low,
                    share.interval.high,
                    share.n,
                    "",
                )
            )
    groups = [(one.sheet.kind, one.agreement, one.note) for one in computed.table_1]
    groups += [
        (one.sheet.kind, one.agreement, one.note) for one in computed.table_2 if not one.rater
    ]
    for kind, agreement, note in groups:
        for one in agreement:
            title = TITLES[one.name]
            shown.append(Row(title, kind, one.value, one.low, one.high, one.items, one.why))
        if note:
            shown.append(Row(SKEWED, kind, None, None, None, 0, ""))  # the note names the winner
    return shown


def main() -> None:
    """Read judgements from stdin, a line each, and write the rows as JSON."""
    from ikusi.judgements.judgement import parse_json
    from ikusi.terminal import say

    lines = sys.stdin.buffer.read().splitlines()
    say(json.dumps(list_rows([parse_json(line, "stdin") for line in lines])))


if __name__ == "__main__":
    main()
