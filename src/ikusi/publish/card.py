"""The card of a release: `README.md`, with a header that the hub reads and sections for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ikusi import __version__, disk
from ikusi.publish import guard
from ikusi.publish.licences import Terms

CARD = "README.md"
LICENCES = "Licences, and what they ask"


def write_card(
    folder: Path,
    header: Mapping[str, Any],
    title: str,
    summary: str,
    sections: Mapping[str, str],
    shows: Sequence[str] = (),
) -> None:
    """Write a card.

    Args:
        folder: of the release.
        header: what the hub reads, as JSON values; keys without a value are left out.
        title: what the release is called.
        summary: what it is, in a sentence or two of Markdown.
        sections: heading -> Markdown; those that say nothing are left out.
        shows: words that licences want displayed.

    Raises:
        InputError: it would show a secret or a path of this machine.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    kept = {key: value for key, value in header.items() if value not in (None, "", [], {})}
    # Markdown for a reader, and no page: nothing is escaped.
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    text = templates.get_template("card.md.j2").render(
        header=format_yaml(kept),
        title=title,
        summary=summary.strip(),
        sections={name: text.strip() for name, text in sections.items() if text.strip()},
        shows=shows,
        version=__version__,
    )
    guard.check_text(text, folder / CARD)
    disk.write_text(folder / CARD, text)


def describe_terms(terms: Terms, done_all_the_same: Iterable[str] = ()) -> str:
    """The section on licences: of everything that the release was made of, what is asked."""
    lines = ["No legal advice: read the licences themselves."]
    for use in terms.uses:
        licence = use.licence
        linked = f"[{licence.name}]({licence.link})" if licence.link else licence.name
        stated = f", stated as “{use.stated}”" if licence.is_known and use.stated else ""
        lines += ["", f"**{use.what}**: {linked}{stated}"]
        lines += ["", *(f"- {sentence}" for sentence in use.asks)] if use.asks else []
    if done := list(done_all_the_same):
        lines += ["", "Released nevertheless, by decision of its publisher:"]
        lines += ["", *(f"- {reason}" for reason in done)]
    return "\n".join(lines)


def format_yaml(values: Any) -> str:
    """JSON values as YAML that the hub reads."""
    return str(yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=1000))


def tabulate(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table, bars inside cells escaped."""
    cells = [[str(cell).replace("|", "\\|") for cell in row] for row in rows]
    lines = [list(header), ["---"] * len(header), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
