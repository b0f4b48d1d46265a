"""A study as a release: all that its numbers follow from, so that anybody can compute them again.

The folder is one of a study for `ikusi report`: recipe, results, rows, judgements under code names,
what each step took. Models and corpora do not go along; they are releases of their own.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ikusi import artifact, claim, disk, recipe
from ikusi.annotate.store import FILE as ANSWERS
from ikusi.annotate.store import open_store
from ikusi.compare import absent
from ikusi.compare.judged import read_judgements
from ikusi.compare.reading import Study
from ikusi.errors import InputError
from ikusi.judgements import journal
from ikusi.judgements.judgement import Judgement
from ikusi.publish import card, guard, licences, origins, trained
from ikusi.publish.licences import Terms, Use
from ikusi.publish.model import KIND, Released
from ikusi.recipe import folder as names
from ikusi.recipe.folder import METRICS, MINIATURE, RESULTS, ROWS, SUMMARY
from ikusi.report import page, tables

VERSION = 1  # of what a release holds of the same study
JUDGEMENTS, REPORT = "judgements", names.REPORT
KEPT = (RESULTS, ROWS, SUMMARY, METRICS)
"""Files of a step that go along."""


def publish_study(
    study: Path, output: Path, *, hub_name: str | None = None, allowed: Collection[str] = ()
) -> Released:
    """Write a release of a study, finished or not; do nothing where it is there already.

    Args:
        study: its folder.
        output: folder to write; its name, or that on the hub, is the release's.
        hub_name: `ORG/NAME`, where it is known.
        allowed: licences whose prohibitions are set aside.

    Raises:
        InputError: nothing is measured yet, a licence forbids the release, or it would hold a name
            of somebody who took part.
    """
    opened = Study(Path(study))
    if not opened.evaluations:
        raise InputError(f"{study}: expected a study with results, found none that are up to date")
    name = (hub_name or output.name).rpartition("/")[2]
    terms = licences.bind(list(dict.fromkeys(_list_uses(opened))), "data", name)
    set_aside = terms.check(allowed)
    settings: dict[str, Any] = {"name": name, "hub": hub_name, "texts": {}}
    settings |= {"allowed": sorted(allowed)}
    by_place = _mask({place: read_judgements([place]) for place in opened.recipe.judgements})
    steps = {step: manifest["fingerprint"] for step, manifest, _ in opened.steps()}
    made = artifact.fingerprint(VERSION, steps, by_place, settings, terms)
    root = opened.folder.root
    claim.expect_whole(output, KIND, [root])
    if not artifact.is_current(output, made):
        with artifact.write_folder(
            output,
            fingerprint=made,
            kind=KIND,
            inputs={"study": artifact.fingerprint(steps)},
            settings={"of": "study", **settings},
            reads=[root],
        ) as staging:
            _write_steps(opened, staging)
            tables_of = _write_judgements(by_place, staging, list(_list_people(by_place)))
            _write_recipe(opened, staging, tables_of)
            _write_absent(opened, staging)
            _write_card(opened, staging, hub_name or name, terms, set_aside, by_place)
            page.write(staging, staging / REPORT)
    return Released(output, "study", [])


def _list_uses(study: Study) -> Iterator[Use]:
    """The benchmarks' rows, and the models whose answers go along."""
    for name in study.benchmarks:
        if name.startswith(MINIATURE):
            yield from trained.list_packages()
            continue
        corpus = study.corpus(name)
        steps = origins.trace(corpus.folder) if corpus else []
        yield from (use for use in origins.list_uses(steps) if use.role != "pictures")
        if not steps:
            yield Use(f"the questions of {name}", "data", licences.find(None))
    for backbone in study.recipe.list_llms():
        base = trained.describe_base("the LLM", study.recipe.backbone(backbone))
        yield Use(f"answers of models made from {base.name}", "answers", base.licence)


def _mask(by_place: Mapping[str, list[Judgement]]) -> dict[str, list[Judgement]]:
    """Judgements under code names, the same in all tables and in the order of the names, and
    without people's own notes."""
    every = (one for judgements in by_place.values() for one in judgements)
    people = sorted({one.rater for one in every if one.kind == "person"})
    width = len(str(len(people)))
    codes = {name: f"person-{place:0{width}}" for place, name in enumerate(people, start=1)}

    def mask(one: Judgement) -> Judgement:
        if one.kind != "person":
            return one
        return one.model_copy(update={"rater": codes[one.rater], "note": ""})

    return {place: [mask(one) for one in judgements] for place, judgements in by_place.items()}


def _list_people(places: Iterable[str]) -> Iterator[str]:
    """Names that people gave where they judged."""
    for place in map(Path, places):
        if (place / ANSWERS).is_file():
            store = open_store(place)
            try:
                yield from (one.name for one in store.people().values() if one.name)
            finally:
                store.close()


def _write_steps(study: Study, folder: Path) -> None:
    """Write what each step found and took, under its own name; without places of this machine."""
    for name, manifest, _ in study.steps():
        place, target = study.folder.step(name), folder / name
        disk.make_folder(target)
        kept = [file for file in KEPT if (place / file).is_file()]
        for file in kept:
            shutil.copyfile(place / file, target / file)
        listed = {file: size for file, size in manifest.get("files", {}).items() if file in kept}
        shown = origins.strip_places({**manifest, "files": listed})
        artifact.write_json(target / artifact.MANIFEST, shown)
    if study.folder.results.is_file():
        shutil.copyfile(study.folder.results, folder / RESULTS)
    if attribution := study.attribution():
        disk.make_folder(folder / names.DATA)
        disk.write_text(folder / names.DATA / study.folder.attribution.name, attribution)


def _write_judgements(
    by_place: Mapping[str, list[Judgement]], folder: Path, people: list[str]
) -> list[str]:
    """A table for each that the recipe names; returns their places in the release.

    Raises:
        InputError: a judgement holds the name of one of the people, elsewhere than in a corrected
            text, which may be about anybody.
    """
    written: list[str] = []
    for place, judgements in by_place.items():
        name = f"{JUDGEMENTS}/{Path(place).name}"
        name = f"{name}-{len(written) + 1}" if name in written else name
        disk.make_folder(folder / name)
        lines = "".join(f"{one.to_json()}\n" for one in judgements)
        bare = (one.model_copy(update={"correction": {}}).to_json() for one in judgements)
        guard.check_text("\n".join(bare), f"{name}/{journal.TABLE}", people)
        disk.write_text(folder / name / journal.TABLE, lines)
        written.append(name)
    return written


def _write_absent(study: Study, folder: Path) -> None:
    """Write what the report needs to know of corpora, without where they lie on this machine."""
    overlaps = {
        name: one and one._replace(folders=tuple(Path(place.name) for place in one.folders))
        for name, one in study.overlaps.items()
    }
    absent.write(folder, origins.strip_places(dict(study.corpora())).items(), overlaps)


def _write_recipe(study: Study, folder: Path, tables_of: list[str]) -> None:
    shown = study.recipe.model_copy(update={"judgements": tables_of})
    disk.write_text(folder / study.folder.recipe.name, origins.strip_places(recipe.show(shown)))


def _write_card(
    study: Study,
    folder: Path,
    name: str,
    terms: Terms,
    set_aside: list[str],
    by_place: Mapping[str, list[Judgement]],
) -> None:
    title, place = name.rpartition("/")[2], study.recipe.name
    sections = {
        "What is in it": _list_contents(study, by_place),
        "What was found": _describe_findings(study),
        "To compute everything again": (
            f"```sh\nikusi report {title} --output again\n```\n\nwrites the tables and figures of "
            f"[{REPORT}/]({REPORT}/index.html) once more, from the rows."
        ),
        "Models, and what each learnt from": _tabulate_runs(study),
        card.LICENCES: card.describe_terms(terms, set_aside),
        "Who made the pictures and words": study.attribution(),
    }
    header: dict[str, Any] = {
        "pretty_name": title,
        "language": [pack.code for pack in study.languages],
        **terms.header,
        "tags": ["ikusi", "evaluation"],
        "configs": [{"config_name": "rows", "data_files": f"{names.EVALUATE}/*/{ROWS}"}],
    }
    summary = (
        f"The study `{place}`: how well LLaVAs answer questions about pictures in "
        f"{study.target.name}, by how much {study.target.name} they have seen."
    )
    card.write_card(folder, header, title, summary, sections, terms.shows)


def _list_contents(study: Study, by_place: Mapping[str, list[Judgement]]) -> str:
    file = study.folder.recipe.name
    lines = [
        f"- [{file}]({file}): the study, written out in full",
        f"- `{names.EVALUATE}/RUN/{ROWS}`: every question, every answer, and what it was worth; "
        f"`{RESULTS}` beside it: the figures",
        f"- `{names.ALIGN}/`, `{names.INSTRUCT}/`, `{names.MERGE}/`: what each training or "
        "merge took, and losses",
        f"- [{absent.FILE}]({absent.FILE}): the corpora, which do not go along, in numbers",
        f"- [{REPORT}/index.html]({REPORT}/index.html): figures, tables, and what they say",
    ]
    for place, judgements in zip(by_place, by_place.values(), strict=True):
        raters = {one.rater for one in judgements}
        lines.append(
            f"- `{JUDGEMENTS}/{Path(place).name}`: {len(judgements)} judgements by {len(raters)} "
            "raters, people under code names and without their notes"
        )
    if study.missing:
        lines.append(f"- Not in it: {'; '.join(f'{k} ({v})' for k, v in study.missing.items())}")
    return "\n".join(lines)


def _describe_findings(study: Study) -> str:
    table = tables.tabulate_in_short(study)
    return f"{table.caption}:\n\n{card.tabulate(table.columns, map(_round, table.rows))}"


def _round(row: Any) -> list[object]:
    return [f"{cell:.4f}" if isinstance(cell, float) else cell for cell in row]


def _tabulate_runs(study: Study) -> str:
    several = study.several_seeds
    rows: list[tuple[object, ...]] = [
        (
            run.name,
            run.backbone,
            f"{run.ratio * 100:.0f} %",
            "yes" if run.text_only else "no",
            *([run.seed] if several else []),
        )
        for run in study.runs
        if run.name in study.evaluations
    ]
    header = ["run", "backbone", f"instructions in {study.target.name}", "text-only rows"]
    header += ["seed"] if several else []
    return card.tabulate(header, rows)
