"""A release of a run, a study or a corpus, recognised by what its folder holds."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from ikusi.data.integrity import ABOUT
from ikusi.errors import InputError
from ikusi.publish.data import publish_corpus
from ikusi.publish.model import Released, publish_model
from ikusi.publish.study import publish_study
from ikusi.recipe.folder import MODELS, StudyFolder

Thing = Literal["run", "study", "corpus"]


def name_thing(folder: Path) -> Thing:
    """The kind of thing that a folder holds.

    Raises:
        InputError: nothing that can be released.
    """
    resolved = Path(folder).resolve()
    if resolved.parent.name in MODELS and StudyFolder.around(resolved) is not None:
        return "run"
    if StudyFolder(resolved).recipe.is_file():
        return "study"
    if (resolved / ABOUT).is_file():
        return "corpus"
    raise InputError(
        f"{folder}: expected the folder of a study, of a corpus, or of a run such as "
        f"studies/STUDY/instruct/RUN, found {'another' if resolved.is_dir() else 'none'}"
    )


def publish(
    folder: Path,
    output: Path,
    *,
    hub_name: str | None = None,
    forms: Sequence[str] = (),
    llama_cpp: Path | None = None,
    allowed: Collection[str] = (),
    of_data: Mapping[str, Any] | None = None,
) -> Released:
    """Write a release of a run, a study or a corpus.

    Args:
        folder: of what is released.
        output: of the release.
        hub_name: see `publish_model`.
        forms: see `publish_model`.
        llama_cpp: see `publish_model`.
        allowed: see `publish_model`.
        of_data: `pictures`, `licence`, `split` and `used_by`; see `publish_corpus`.

    Raises:
        InputError: it is none of them, or an option does not apply to it.
    """
    thing = name_thing(folder)
    asked = {name: value for name, value in (of_data or {}).items() if value is not None}
    if asked and thing != "corpus":
        (first, *_) = asked
        raise InputError(f"{first}: expected nothing, as {folder} is a {thing}, found it")
    if thing == "run":
        return publish_model(
            folder,
            output,
            hub_name=hub_name,
            forms=forms,
            llama_cpp=llama_cpp,
            allowed=allowed,
        )
    if forms:
        raise InputError(f"with: expected nothing, as {folder} is a {thing}, found {forms[0]}")
    if thing == "corpus":
        counts = publish_corpus(folder, output, hub_name=hub_name, allowed=allowed, **asked)
        lost = counts.get("images_without_address", 0)
        note = f"{lost:,} pictures are not in it and have no address: say where they can be had"
        return Released(output, "dataset", [note] if lost else [])
    return publish_study(folder, output, hub_name=hub_name, allowed=allowed)
