"""A pack written out as YAML for a speaker to finish."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ikusi import artifact, yamltext
from ikusi.errors import InputError
from ikusi.language.pack import LanguagePack, list_keys


def write(
    pack: Mapping[str, Any],
    path: Path,
    to_review: Iterable[str],
    reference: LanguagePack | None = None,
) -> None:
    """Write a pack as YAML for a speaker to finish.

    Every key of ``to_review`` carries a comment on its line: *supply* where the pack has
    nothing, *check* where it has a draft, with the reference pack's words when one is given.

    Args:
        pack: the values, as in ``LanguagePack``; drafts may leave some empty.
        path: the file to write, atomically.
        to_review: dotted keys, such as ``prompts.left`` or ``yes``.
        reference: whose words to quote in the comments.

    Raises:
        InputError: ``to_review`` names a key that the pack does not have.
    """
    marked = sorted(set(to_review))
    values = {**pack, "to_review": marked}
    for key in marked:
        if key not in list_keys(values):
            raise InputError(f"{path}: to_review: expected a key of the pack, found {key}")
    order = [name for name in LanguagePack.model_fields if name in values]
    order += [name for name in values if name not in LanguagePack.model_fields]
    quoted = reference.model_dump() if reference else {}
    lines = [
        f"# Language pack: {values.get('name', values.get('code', ''))}.",
        "# A line marked `supply` or `check` waits for someone who speaks the language; words in",
        "# {braces} are filled in and must stay. When a key is right, take it off `to_review`.",
    ]
    for name in order:
        lines += _write_key(name, values[name], name, set(marked), quoted.get(name))
    artifact.write_text(path, "\n".join(lines) + "\n")


def _write_key(name: str, value: Any, key: str, marked: set[str], quoted: Any) -> list[str]:
    """The YAML lines of one key, its comment included; nested keys are indented."""
    comment = _comment(value, quoted) if key in marked else ""
    label = yamltext.quote(name) if _needs_quotes(name) else name
    if isinstance(value, Mapping) and value:
        lines = [f"{label}:{comment}"]
        for inner, item in value.items():
            words = quoted.get(inner) if isinstance(quoted, Mapping) else None
            lines += [
                f"  {line}"
                for line in _write_key(str(inner), item, f"{key}.{inner}", marked, words)
            ]
        return lines
    if isinstance(value, list) and value and key != "numbers":
        items = [f"  - {yamltext.quote(item)}" for item in value]
        return [f"{label}:{comment}", *items]
    return [f"{label}: {yamltext.quote(value)}{comment}"]


def _needs_quotes(name: str) -> bool:
    # Plain `yes` and `no` are booleans to a reader of YAML 1.1.
    return (
        not name.replace("_", "").isalnum() or name.isdigit() or name in {"yes", "no", "on", "off"}
    )


def _comment(value: Any, quoted: Any) -> str:
    empty = not value or (isinstance(value, list) and not any(value))
    words = quoted[0] if isinstance(quoted, list) and quoted else quoted
    shown = f": {words}" if isinstance(words, str) and words else ""
    return f"  # {'supply' if empty else 'check'}{shown}"
