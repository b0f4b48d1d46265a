"""The rows that people keep of a benchmark, as a list that `ikusi data import` reads (`keep`)."""

from __future__ import annotations

from pathlib import Path

from ikusi import claim, disk
from ikusi.annotate.deciding import Answers
from ikusi.errors import InputError
from ikusi.statistics.agreement import Figure

MARK = "# Rows to keep, chosen by people with Ikusi."


def write(answers: Answers, output: Path) -> dict[str, int]:
    """Write the ids of the rows that people keep, a line each; returns counts.

    What was dropped or is not agreed on, by whom and why, stands in comments.

    Raises:
        InputError: an id cannot stand in a list, or ``output`` is another file.
    """
    items = answers.project.items
    decided = {id: answers.decisions.get(id) for id in items}
    kept = sorted(id for id, one in decided.items() if one and one.verdict == "keep")
    for id in kept:
        if id != id.strip() or id.startswith("#"):
            raise InputError(f"row {id}: expected an id that a list can hold, found {id!r}")
    dropped = {id: one for id, one in decided.items() if one and one.verdict == "drop"}
    disputed = {id: one for id, one in decided.items() if one and not one.verdict}
    counts = {"rows_in": len(items), "kept": len(kept), "dropped": len(dropped)}
    counts |= {"disputed": len(disputed), "unjudged": sum(one is None for one in decided.values())}
    sheet = answers.figures.sheet
    lines = [
        MARK,
        f"# {', '.join(f'{count} {name}' for name, count in counts.items())}".replace("_", " "),
    ]
    lines.append(f"# by {len(sheet.raters)} raters ({sheet.kind})")
    lines += [f"# {one.name}: {_describe(one)}" for one in answers.figures.agreement]
    for word, those in (("dropped", dropped), ("disputed", disputed)):
        lines += [f"# {word} {id}: {one.in_words()}" for id, one in sorted(those.items())]
    disk.write_text(
        claim.check_file(output, MARK, [answers.project.folder]),
        "".join(f"{line}\n" for line in (*lines, *kept)),
    )
    return counts


def _describe(figure: Figure) -> str:
    if figure.value is None:
        return f"undefined, because {figure.why}"
    sure = "" if figure.low is None else f" ({figure.low:.3f} to {figure.high:.3f})"
    return f"{figure.value:.3f}{sure}, {figure.items} items"
