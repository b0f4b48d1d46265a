"""The steps that made a corpus, read from the manifests of the folders that it came from.

Nothing of the machine goes along: of a place on a disk only its last name is kept, of a server
only the model it served.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ikusi import artifact
from ikusi.data import importing, sources
from ikusi.publish import licences
from ikusi.publish.licences import Use

IMPORT, TRANSLATE, PEOPLE = importing.KIND, "translate", "annotate apply"
KINDS = (IMPORT, TRANSLATE, PEOPLE)
LONGEST = 64  # steps, which a folder that names itself would go through without end
REASONS = 20  # of rows in quarantine; the rarest are counted together
LEFT_OUT = {"path", "corpus", "learnt", "made"}
"""Settings of a step that say where something lay, or are steps themselves."""

Step = dict[str, Any]
"""`kind` of the step, `settings`, `counts` of rows and, if there are any, `quarantined`: reason ->
rows."""

_PLACE = re.compile(r"(?<![\w:/.~<])(?:~|[A-Za-z]:)?[/\\](?:[^/\\\s:,;]+[/\\])+([^/\\\s:,;]*)")


def trace(folder: Path) -> list[Step]:
    """The steps that made a corpus, the first one first, as far back as their folders are there."""
    made: list[Step] = []
    while len(made) < LONGEST:
        record = artifact.read_manifest(folder) or {}
        settings = record.get("settings")
        settings = settings if isinstance(settings, dict) else {}
        if record.get("kind") in KINDS:
            made.insert(0, _describe(folder, record, settings))
        if isinstance(earlier := settings.get("made"), list):
            return [step for step in earlier if isinstance(step, dict)] + made
        before = settings.get("corpus")
        if not isinstance(before, str) or not Path(before).is_dir():
            return made
        folder = Path(before)
    return made


def _describe(folder: Path, record: Mapping[str, Any], settings: Mapping[str, Any]) -> Step:
    kept = {name: value for name, value in settings.items() if name not in LEFT_OUT}
    # An import's reasons are counted below, for all steps alike.
    counts = {
        name: count
        for name, count in record["counts"].items()
        if not name.startswith("quarantined: ")
    }
    step: Step = {"kind": record["kind"], "settings": kept, "counts": counts}
    if reasons := _count_reasons(folder, record["kind"]):
        step["quarantined"] = reasons
    return dict(strip_places(step))


def _count_reasons(folder: Path, kind: str) -> dict[str, int]:
    """Quarantined rows by reason, without what single rows had or people wrote."""
    reasons: Counter[str] = Counter()
    for reason, count in importing.count_reasons(folder / "quarantine.parquet").items():
        reasons[reason.partition(":")[0] if kind == PEOPLE else reason] += count
    most = dict(reasons.most_common(REASONS))
    rest = sum(reasons.values()) - sum(most.values())
    return most | ({"other reasons": rest} if rest else {})


def strip_places(value: Any) -> Any:
    """JSON values with the last name alone of every place on a disk, in keys and texts.

    >>> strip_places(["/home/ane/photos/1.jpg: expected a picture", "https://a.eus/b/c"])
    ['1.jpg: expected a picture', 'https://a.eus/b/c']
    """
    if isinstance(value, str):
        return _PLACE.sub(r"\1", value)
    if isinstance(value, Mapping):
        return {strip_places(key): strip_places(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [strip_places(one) for one in value]
    return value


def list_uses(made: Sequence[Step], stated: str | None = None) -> list[Use]:
    """Things that a corpus was made of, each with its licence: data set, its pictures, translators.

    Args:
        made: as `trace` gives it.
        stated: the licence of a corpus of one's own; it stands for that of a data set, too.
    """
    uses = list(_list_uses(made, stated))
    if stated and not any(use.role == "data" for use in uses):
        uses.insert(0, Use("the corpus", "data", licences.find(stated), stated))
    return list({(use.what, use.role): use for use in uses}.values())


def _list_uses(made: Sequence[Step], stated: str | None) -> Iterator[Use]:
    for step in made:
        settings = step.get("settings") or {}
        if step.get("kind") == IMPORT and settings.get("source") in sources.REGISTRY.names():
            source = sources.load(settings["source"])
            words = stated or source.licence
            named = f"the data set {source.name}" if source.home else "a table of one's own"
            yield Use(named, "data", licences.find(words), words)
            if source.pictures:
                yield Use(
                    f"the pictures of {source.name}", "pictures", licences.find(source.pictures)
                )
        elif step.get("kind") == TRANSLATE and (model := name_model(settings)):
            licence = licences.find_of_model(model)
            yield Use(f"the translation by {model}", "translator", licence, licence.name)
        elif step.get("kind") == PEOPLE:
            for name in settings.get("licences") or {}:
                yield Use(f"what people gave under {name}", "data", licences.find(name), name)


def name_model(settings: Mapping[str, Any]) -> str:
    """The model that a translation asked; empty where none was, but a program."""
    engine = settings.get("engine")
    return str(engine.get("model") or "") if isinstance(engine, dict) else ""
