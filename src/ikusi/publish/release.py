"""A release of whatever somebody has made: it is found out what that is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal

from ikusi.errors import InputError
from ikusi.publish.model import Released, publish_model
from ikusi.publish.study import publish_study
from ikusi.recipe.folder import INSTRUCT, StudyFolder

Thing = Literal["run", "study"]


def name_thing(folder: Path) -> Thing:
    """What a folder holds.

    Raises:
        InputError: nothing that can be released.
    """
    found = Path(folder).resolve()
    if found.parent.name == INSTRUCT and StudyFolder.around(found) is not None:
        return "run"
    if StudyFolder(found).recipe.is_file():
        return "study"
    raise InputError(
        f"{folder}: expected the folder of a study, or of a run such as "
        f"studies/STUDY/instruct/RUN, found {'another' if found.is_dir() else 'none'}"
    )


def publish(
    folder: Path,
    output: Path,
    *,
    hub_name: str | None = None,
    forms: Sequence[str] = (),
    llama_cpp: Path | None = None,
    allowed: Collection[str] = (),
) -> Released:
    """Write a release of a run or a study; see `publish_model` and `publish_study`.

    Raises:
        InputError: it is neither, or something is asked for that it has not.
    """
    if name_thing(folder) == "run":
        return publish_model(
            folder,
            output,
            hub_name=hub_name,
            forms=forms,
            llama_cpp=llama_cpp,
            allowed=allowed,
        )
    if forms:
        raise InputError(f"with: expected nothing, as {folder} is a study, found {forms[0]}")
    return publish_study(folder, output, hub_name=hub_name, allowed=allowed)
