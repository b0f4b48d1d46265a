"""A pack compared with the English one, key by key."""

from collections.abc import Iterable, Mapping

from ikusi import yamlfile
from ikusi.language.pack import LanguagePack, find_placeholders, load


def check(pack: LanguagePack, reference: LanguagePack | None = None) -> list[str]:
    """Compare a pack with the reference (English) pack, key by key.

    Returns one line per fault: a word or sentence that is missing, a task or statement without
    counterpart, another number of wordings, other fields. An empty list means it can be used.
    """
    reference = reference or load("en")
    words = {"yes": pack.yes, "no": pack.no, "and_word": pack.and_word}
    words |= {f"numbers[{i}]": word for i, word in enumerate(pack.numbers)}
    words |= {f"colours.{name}": word for name, word in pack.colours.items()}
    words |= {f"labels.{name}": pack.labels.get(name, "") for name in reference.labels}
    messages = [
        f"{pack.code}.yaml: {key}: expected a word, found none"
        for key, word in words.items()
        if not word.strip()
    ]
    messages += [
        f"{pack.code}.yaml: articles: expected no word for a number, found {word}"
        for word in pack.articles
        if word in pack.numbers or word in pack.number_words
    ]
    for part in ("prompts", "statements"):
        messages += _check_templates(pack.code, part, getattr(pack, part), getattr(reference, part))
    return messages


def _check_templates(
    code: str, part: str, ours: Mapping[str, list[str]], theirs: Mapping[str, list[str]]
) -> list[str]:
    messages = []
    for key in sorted(set(ours) - set(theirs)):
        near = yamlfile.suggest(key, theirs)
        hint = f" (did you mean {near}?)" if near else ""
        messages.append(f"{code}.yaml: {part}.{key}: expected a known name, found {key}{hint}")
    for key, reference in theirs.items():
        wordings = ours.get(key, [])
        if len(wordings) != len(reference):
            messages.append(
                f"{code}.yaml: {part}.{key}: expected {len(reference)} wordings, "
                f"found {len(wordings)}"
            )
        for i, (wording, model) in enumerate(zip(wordings, reference, strict=False)):
            if not wording.strip():
                messages.append(f"{code}.yaml: {part}.{key}[{i}]: expected a sentence, found none")
            elif find_placeholders(wording) != find_placeholders(model):
                messages.append(
                    f"{code}.yaml: {part}.{key}[{i}]: expected {_show(find_placeholders(model))}, "
                    f"found {_show(find_placeholders(wording))}"
                )
    return messages


def _show(names: Iterable[str]) -> str:
    return " ".join(f"{{{name}}}" for name in sorted(names)) or "no fields"
