"""One page about a study, in one file that needs nothing else, with its figures and tables."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ikusi import artifact, claim, recipe
from ikusi.compare import evidence, findings
from ikusi.compare.claims import list_fullest
from ikusi.compare.evidence import ALPHA, MARGIN, RESAMPLES, Resampling
from ikusi.compare.findings import Finding
from ikusi.compare.reading import Study
from ikusi.page import fill_template
from ikusi.report import (
    drawing,
    figures,
    forgetting,
    gallery,
    merged,
    people,
    read_before,
    tables,
)
from ikusi.report.drawing import Figure
from ikusi.report.tables import Table
from ikusi.statistics import FEWEST

KIND = "report"
TEMPLATE = Path(__file__).with_name("template.html.j2")
SYMBOLS = {"supported": "✓", "not supported": "✗", "inconclusive": "?", "not tested": "–"}


def write(study_folder: Path, output: Path) -> Path:
    """Write the report on what a study has so far and return the path of its page.

    Reads the study's folder and the corpora that its recipe names. ``output`` gets
    ``index.html``, ``figures/*.svg`` and ``*.png``, and ``tables/*.csv``; the same results give
    the same bytes.

    Raises:
        InputError: the folder is no study's, what it holds does not fit together, or ``output``
            holds what is not ours.
    """
    with claim.claim_folder(output, KIND) as place:
        return _write_files(Study(Path(study_folder)), place)


def _write_files(study: Study, output: Path) -> Path:
    examined = findings.examine(study)
    heard = people.gather(study)
    drawn = [
        *figures.draw_all(study),
        *read_before.draw_dial(study),
        *merged.draw_merges(study),
        *forgetting.draw_forgetting(study),
    ]
    if heard and heard.figure:
        drawn.append(heard.figure)
    for figure in drawn:
        drawing.write(figure, output / "figures")
    written = [*tables.make_all(study, examined), forgetting.tabulate_forgetting(study)]
    written += read_before.tabulate_dial(study)
    for table in (*written, *(heard.tables if heard else ())):
        table.write(output / "tables")
    page = output / "index.html"
    text = _render(study, examined, drawn, {t.name: t for t in written}, heard)
    artifact.write_text(page, text)
    return page


def _render(
    study: Study,
    examined: Sequence[Finding],
    drawn: Sequence[Figure],
    made: dict[str, Table],
    heard: people.Heard | None,
) -> str:
    values = {
        "study": study,
        "recipe": study.recipe,
        "target": study.target,
        "source": study.source,
        "packs": {pack.code: pack for pack in study.languages},
        "answer": list(_answer(study, examined)),
        "findings": examined,
        "verdicts": list(findings.count_verdicts(examined)),
        "symbols": SYMBOLS,
        "figures": [_to_svg(figure) for figure in drawn],
        "in_short": made["in-short"],
        "boards": tables.make_boards(study),
        "seeds": made.get("seeds"),
        "steps": made["steps"],
        "corpora": made["corpora"],
        "tables": list(made.values()),
        "total": _totals(study),
        "exhibits": gallery.choose_exhibits(study),
        "heard": heard,
        "recipe_text": recipe.show(study.recipe),
        "versions": _versions(study),
        "attribution": list(_blocks(study.attribution())),
        "margin": MARGIN,
        "alpha": ALPHA,
        "resamples": max(study.recipe.bootstrap, RESAMPLES),
    }
    return re.sub(r"\n\s*\n+", "\n", fill_template(TEMPLATE, values, _filters()))


def _filters() -> dict[str, Callable[..., object]]:
    """The filters by which the template writes numbers and names."""
    return {
        "signed": findings.format_signed,
        "bound": findings.format_bound,
        "score": lambda value: f"{value:.2f}",
        "percent": lambda value: f"{value * 100:.0f}\N{NO-BREAK SPACE}%",
        "p": findings.format_p_value,
        "cell": _cell,
        "duration": _duration,
        "spaced": lambda name: name.replace("_", " "),
    }


def _to_svg(figure: Figure) -> dict[str, Any]:
    """A figure's panels and legend as SVG elements."""
    panels = [
        (panel.alt, drawing.to_svg(panel, f"{figure.name}-{i}"))
        for i, panel in enumerate(figure.panels)
    ]
    legend = [
        (look.label, drawing.sample(look, f"{figure.name}-look-{i}"))
        for i, look in enumerate(figure.looks)
    ]
    return {"figure": figure, "panels": panels, "legend": legend}


def _answer(study: Study, examined: Sequence[Finding]) -> Iterator[str]:
    """The study's answer in a few sentences, all of them computed."""
    rows = [
        row
        for row in tables.tabulate_in_short(study).rows
        if row[1] == min(study.recipe.grid.text_only)
    ]
    if not rows:
        yield "Nothing is measured yet."
        return
    target, source = study.target.name, study.source.name
    measured = {int(str(row[0])): (float(str(row[3])), float(str(row[6]))) for row in rows}
    none, best = measured.get(0), max(measured, key=lambda share: measured[share][0])
    text = " without text-only rows" if len(study.recipe.grid.text_only) > 1 else ""
    backbones = list_fullest(study, min(study.recipe.grid.text_only))
    if some := tables.describe_some(study, backbones):
        text = f" made from {some}{text}"
    trained = list(
        filter(None, (tables.describe_overlap(study, name) for name in study.benchmarks))
    )
    pictures = "pictures" if trained else "new pictures"
    top = f"{measured[best][0]:.2f} with {best} % {target}"
    if none and best:
        yield (
            f"Asked in {target} about {pictures}, models{text} that saw pictures only with "
            f"{source} score {none[0]:.2f}; the best share reaches {top}."
        )
    else:
        yield f"Asked in {target} about {pictures}, models{text} score at best {top}."
    yield from trained
    if {20, best} <= set(measured) and best != 20:
        yield f"With 20 % they score {measured[20][0]:.2f}."
    yield f"Guessing reaches {_guessing(study):.2f}."
    if guessed := list(_no_better_than_guessing(study, best)):
        yield f"These means include scores that are no better than guessing: {'; '.join(guessed)}."
    kept = max(measured, key=lambda share: measured[share][1])
    alone = f", and {measured[100][1]:.2f} with {target} alone" if 100 in measured else ""
    yield (
        f"Asked in {source}, they score {measured[kept][1]:.2f} at best, with {kept} % {target}"
        + (f"{alone}." if kept != 100 else ".")
    )
    tested = [finding for finding in examined if finding.verdict != "not tested"]
    counts = [f"{n} {verdict}" for verdict, n in findings.count_verdicts(tested) if n]
    if counts:
        listed = ", ".join(counts)
        yield f"Of {len(examined)} findings, {len(tested)} could be tested here: {listed}."
    if few := _few(study):
        yield f"With fewer than {FEWEST} pictures, too few to decide anything: {', '.join(few)}."


def _few(study: Study) -> list[str]:
    """Benchmarks of which some run was asked about too few pictures for an interval."""
    asked = {
        name: [figures["all"] for figures in languages.values()]
        for one in study.evaluations.values()
        for name, languages in one.results.items()
    }
    return sorted(name for name, groups in asked.items() if any(one.get("few") for one in groups))


def _no_better_than_guessing(study: Study, share: int) -> Iterator[str]:
    """Benchmarks at a share of the target language, asked in it, whose interval holds guessing."""
    code, text = study.target.code, min(study.recipe.grid.text_only)
    resampling = Resampling(study.recipe.bootstrap, study.recipe.seed)
    for name in study.close_ended:
        for backbone in list_fullest(study, text):
            trained = study.find_trained(backbone, share, text)
            estimate = evidence.estimate_score(trained, name, code, resampling)
            guess = evidence.score_guessing(trained, name, code)
            if estimate and estimate.low <= guess:
                title = study.benchmarks[name].title
                yield f"{title}, {backbone} ({estimate.mean:.2f} beside {guess:.2f})"


def _guessing(study: Study) -> float:
    """Mean score of guessing in the target language, over the close-ended benchmarks."""
    one = next(iter(study.models.values()))
    reached = [evidence.score_guessing(one, name, study.target.code) for name in study.close_ended]
    return sum(reached) / len(reached)


def _cell(value: object) -> str:
    """A cell as text: thousands apart, few decimals, a dash for what is unknown."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    if isinstance(value, float):
        decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
        return f"{value:,.{decimals}f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return str(value)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _totals(study: Study) -> dict[str, float]:
    """Computing time by kind of step, in seconds."""
    totals: dict[str, float] = {}
    for name, manifest, _ in study.steps():
        kind = name.split("/")[0]
        totals[kind] = totals.get(kind, 0.0) + manifest["seconds"]
    return totals


def _versions(study: Study) -> dict[str, str]:
    """Versions that the steps ran with; several are joined where they differ."""
    seen: dict[str, list[str]] = {}
    for _, manifest, _ in study.steps():
        for name, version in manifest["versions"].items():
            if version not in seen.setdefault(name, []):
                seen[name].append(version)
    return {name: ", ".join(versions) for name, versions in seen.items()}


def _blocks(markdown: str) -> Iterator[dict[str, Any]]:
    """Markdown as paragraphs and tables, which is all that an attribution holds."""
    for block in re.split(r"\n\s*\n", markdown.strip()):
        lines = [line.strip() for line in block.splitlines()]
        if len(lines) > 2 and all(line.startswith("|") for line in lines):
            cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
            yield {"head": cells[0], "rows": cells[2:]}
        elif block:
            yield {"text": " ".join(line.lstrip("# ") for line in lines)}
