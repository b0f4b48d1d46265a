"""The prompts of a translation, passed on with what they made where they are still the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ikusi import disk, language
from ikusi.errors import InputError
from ikusi.publish import origins
from ikusi.translate import prompt
from ikusi.translate.prompt import Writer

FOLDER = "prompts"


def copy_prompts(made: Sequence[origins.Step], folder: Path) -> list[str]:
    """Copy the prompts that asked for a corpus's translations into a release.

    A prompt that is no longer there, or is another one now, is left out: the record of the
    translation keeps its digest.

    Returns:
        Names of the files in the release.
    """
    names = []
    for step in made:
        settings = step.get("settings") or {}
        engine = settings.get("engine") or {}
        if step.get("kind") != origins.TRANSLATE or not engine.get("prompt"):
            continue
        if text := _find_text(settings, engine):
            stem = Path(str(engine["prompt"])).stem
            name = f"{FOLDER}/{settings['language']}-{stem}.yaml"
            disk.make_folder(folder / FOLDER)
            disk.write_text(folder / name, text)
            names.append(name)
    return list(dict.fromkeys(names))


def _find_text(settings: Mapping[str, Any], engine: Mapping[str, Any]) -> str | None:
    """A prompt as YAML, if it still gives what the server was sent."""
    try:
        target, source = (language.load(settings[key]) for key in ("language", "source_language"))
        loaded = prompt.load(engine["prompt"], target.code)
        writer = Writer(loaded, engine["format"], source, target)
        if writer.fingerprint() != engine.get("prompt_hash"):
            return None
        whole = loaded.model_dump()  # with what it takes over from other files
        return yaml.safe_dump(whole, allow_unicode=True, sort_keys=False, width=100)
    except (InputError, LookupError, OSError, TypeError):
        return None
