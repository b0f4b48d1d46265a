"""The card of a corpus that is released: what it holds, how it was made, how it is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ikusi import disk
from ikusi.data.released import ABOUT, PICTURES, Release
from ikusi.data.rows.base import RowType
from ikusi.data.rows.shape import Gold, Layout
from ikusi.publish import card, origins
from ikusi.publish.licences import Terms

SIZES = (10**3, 10**4, 10**5, 10**6, 10**7, 10**8, 10**9)
SIZE_NAMES = ("1K", "10K", "100K", "1M", "10M", "100M", "1B")
STEPS = {
    origins.IMPORT: "imported",
    origins.TRANSLATE: "translated",
    origins.PEOPLE: "judged by people",
}
COLUMNS = {
    "id": "name of the row, the same in all languages",
    "image_id": "its picture, in the table of pictures; none for a row of text alone",
    "group": "a part that is reported by itself, if there are any",
    "task": "kind of question, if there are several",
    "translator": "who translated the row, and who corrected it",
    "flags": "what a check found worth a look in the translation",
    "score": "how sure the translator was, where it says so",
}
READ = """```python
from datasets import load_dataset

place = "{name}"  # {place}
rows = load_dataset(place, "{language}", split="{split}")
print(rows[0])
```"""
READ_PICTURES = """Each picture is stored once, in the table `images`. A row names its own:

```python
pictures = load_dataset(place, "images", split="{split}")
numbers = {{name: number for number, name in enumerate(pictures["image_id"])}}
image = pictures[numbers[rows[0]["image_id"]]]["image"]  # of Pillow
```"""
READ_ADDRESSES = (
    "The table `images` says where each picture is (`source`) and which bytes are meant "
    "(`sha256`); the pictures themselves are not passed on. Ikusi fetches them:"
)
READ_IKUSI = """```sh
ikusi data import {whence} --output corpora/{short}
```"""


def summarise(release: Release, row_type: RowType) -> str:
    """A sentence that says what a release is."""
    codes = ", ".join(release.languages)
    shown = f" about {release.images:,} pictures" if release.images else ""
    return f"{release.rows:,} rows of the type {row_type.name}{shown}, in {codes}."


def write_card(
    folder: Path,
    release: Release,
    row_type: RowType,
    terms: Terms,
    done_all_the_same: Sequence[str],
) -> None:
    """Write the card of a release whose files are there.

    Raises:
        InputError: it would show something private.
    """
    sections = {
        "What it holds": _describe_tables(release, row_type),
        "How to read it": _describe_reading(release),
        "How it was made": _describe_steps(release),
        "Translation": "\n\n".join(_describe_translations(release)),
        "Rows that were trained on": _describe_used(release),
        "What people said of it": _describe_people(release),
        card.LICENCES: card.describe_terms(terms, done_all_the_same),
    }
    summary = summarise(release, row_type)
    header = make_header(release, row_type, terms)
    card.write_card(folder, header, release.name, summary, sections, terms.shows)


def make_header(release: Release, row_type: RowType, terms: Terms) -> dict[str, Any]:
    """The header of a card of data, which the hub reads."""
    kinds = [step.get("kind") for step in release.made]
    translated = origins.TRANSLATE in kinds
    several = len(release.languages) > 1
    return {
        "language": release.languages,
        **terms.header,
        "pretty_name": release.name,
        "task_categories": _name_tasks(release, row_type),
        "size_categories": [_name_size(release.rows)],
        "multilinguality": [
            "translation" if translated else "multilingual" if several else "monolingual"
        ],
        "language_creators": ["machine-generated"] if translated else None,
        "configs": [_configure(release, name) for name in release.tables],
        "tags": ["ikusi", *(["image"] if release.images else [])],
    }


def _configure(release: Release, table: str) -> dict[str, Any]:
    config: dict[str, Any] = {"config_name": table}
    if table == find_default(release):
        config["default"] = True
    folder = release.tables[table][0].rpartition("/")[0]
    files = [{"split": release.split, "path": f"{folder}/{release.split}-*.parquet"}]
    return config | {"data_files": files}


def find_default(release: Release) -> str:
    """The language that is read where none is asked for: the one that was last translated into."""
    into = [
        step["settings"].get("language")
        for step in release.made
        if step.get("kind") == origins.TRANSLATE and step.get("settings")
    ]
    known = [code for code in into if code in release.languages]
    return str(known[-1]) if known else release.languages[0]


def _name_tasks(release: Release, row_type: RowType) -> list[str]:
    """The hub's names of what the rows are for, by how their texts belong together."""
    with_pictures = release.images > 0
    if row_type.layout is Layout.TEXT:
        return ["image-to-text" if with_pictures else "text-generation"]
    if row_type.layout is Layout.TURNS:
        return ["image-text-to-text" if with_pictures else "text-generation"]
    asks = ["visual-question-answering" if with_pictures else "question-answering"]
    return [*asks, *(["multiple-choice"] if row_type.gold is Gold.OPTION else [])]


def _name_size(rows: int) -> str:
    """The hub's name of a number of rows.

    >>> _name_size(999), _name_size(1000)
    ('n<1K', '1K<n<10K')
    """
    place = sum(rows >= size for size in SIZES)
    if place == 0:
        return "n<1K"
    if place == len(SIZES):
        return "n>1B"
    return f"{SIZE_NAMES[place - 1]}<n<{SIZE_NAMES[place]}"


def _describe_tables(release: Release, row_type: RowType) -> str:
    lines = []
    for table, names in release.tables.items():
        files = [release.files[name] for name in names]
        what = "pictures" if table == PICTURES else "rows"
        rows = sum(file.rows or 0 for file in files)
        size = disk.format_bytes(sum(file.bytes for file in files))
        lines.append([f"`{table}`", f"{rows:,} {what}", len(files), size])
    tables = card.tabulate(["table", "holds", "files", "size"], lines)
    own = ", ".join(f"`{name}`" for name in row_type.names)
    columns = [[f"`{name}`", meaning] for name, meaning in COLUMNS.items()]
    return "\n\n".join(
        [
            tables,
            f"All languages have the same rows in the same order. The text is in {own}. Besides:",
            card.tabulate(["column", "meaning"], columns),
            f"`{ABOUT}` lists every file with its SHA-256, and says how the corpus was made.",
        ]
    )


def _describe_reading(release: Release) -> str:
    organisation, _, short = release.name.rpartition("/")
    words = {
        "name": release.name,
        "short": short,
        "place": "or this folder" if organisation else "this folder, or ORGANISATION/NAME",
        "whence": f"hub:{organisation or 'ORGANISATION'}/{short}",
        "language": find_default(release),
        "split": release.split,
    }
    parts = [READ.format(**words)]
    if release.images and release.pictures == "inline":
        parts.append(READ_PICTURES.format(**words))
        parts.append("Ikusi makes the corpus again of it, each file checked against its digest:")
    elif release.images:
        parts.append(READ_ADDRESSES)
    else:
        parts.append("Ikusi makes the corpus again of it, each file checked against its digest:")
    return "\n\n".join([*parts, READ_IKUSI.format(**words)])


def _describe_steps(release: Release) -> str:
    """Rows in and out of every step, and why rows were set aside."""
    if not release.made:
        return "Not recorded: the corpus was written by a program of its own."
    lines, reasons = [], []
    for step in release.made:
        counts = step.get("counts") or {}
        name = _name_step(step)
        parts = ("rows_in", "rows", "quarantined", "left_out")
        numbers = (counts.get(part) for part in parts)
        lines.append([name, *(f"{number:,}" if number is not None else "" for number in numbers)])
        counted = dict(step.get("quarantined") or {})
        counted |= {key: count for key, count in counts.items() if key.startswith("left out: ")}
        reasons += [[name, reason, f"{count:,}"] for reason, count in counted.items()]
    head = ["step", "rows in", "rows out", "in quarantine", "left out"]
    blocks = [card.tabulate(head, lines)]
    if reasons:
        blocks.append("Why rows were set aside:")
        blocks.append(card.tabulate(["step", "reason", "rows"], reasons))
    return "\n\n".join(blocks)


def _name_step(step: Mapping[str, Any]) -> str:
    settings = step.get("settings") or {}
    of = {
        origins.IMPORT: settings.get("source") or settings.get("release"),
        origins.TRANSLATE: f"into {settings.get('language')}",
    }
    what = STEPS.get(str(step.get("kind")), str(step.get("kind")))
    detail = of.get(str(step.get("kind")))
    return f"{what}: {detail}" if detail else what


def _describe_translations(release: Release) -> Iterator[str]:
    for step in release.made:
        settings = step.get("settings") or {}
        if step.get("kind") != origins.TRANSLATE:
            continue
        engine = settings.get("engine") or {}
        what = f"**{settings.get('source_language')} to {settings.get('language')}**"
        yield f"{what}, by `{settings.get('translator')}`. With these settings:"
        values = {key: value for key, value in engine.items() if value not in (None, {}, [])}
        yield card.tabulate(["setting", "value"], [[key, values[key]] for key in sorted(values)])
        flagged = (step.get("counts") or {}).get("flagged")
        if flagged is not None:
            yield f"{flagged:,} rows have a flag: a check found something worth a look."
        if engine.get("prompt"):
            yield "`prompts/` has the prompt in full, if it could still be had."


def _describe_used(release: Release) -> str:
    if not release.used:
        return ""
    lines = []
    for step, counts in release.used.items():
        listed = ", ".join(f"{count:,} {code}" for code, count in counts.items())
        lines.append([step, f"{sum(counts.values()):,}", listed])
    return (
        "`used/` has a table for each training: ids, the language in which a row was read, and "
        "how many times.\n\n" + card.tabulate(["training", "rows", "by language"], lines)
    )


def _describe_people(release: Release) -> str:
    if release.accepted is None:
        return ""
    return (
        f"{release.accepted.in_words()}. `judged.jsonl` has what was said of each row, by code "
        "name, and what a corrected row was before."
    )
