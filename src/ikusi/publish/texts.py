"""The texts of licences that go with a release: copied from the models that it was made of."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ikusi import disk
from ikusi.publish.licences import Licence

BEGINNINGS = ("LICENSE", "LICENCE", "COPYING", "NOTICE", "USE_POLICY")
"""How the names of such files begin, in capital letters."""

NOTICE = "NOTICE"


@dataclass(frozen=True)
class Missing:
    """A text that a licence asks for and that lay nowhere."""

    text: str
    licence: str
    link: str

    def describe(self) -> str:
        """What a person has to do, in one line."""
        return (
            f"{self.text}: expected with the release, as the {self.licence} asks; see {self.link}"
        )


def copy_texts(
    bases: Mapping[Path, Licence], folder: Path, notices: Sequence[str]
) -> list[Missing]:
    """Copy the texts that lie with the bases, and write `NOTICE`.

    Where two bases have a file of one name, that of the second gets the base's name at its end.

    Args:
        bases: folder of a model -> its licence.
        folder: of the release.
        notices: lines for `NOTICE`, which also gets what the bases' own say.

    Returns:
        What is asked for and was not there.
    """
    lines, missing = list(notices), []
    for base, licence in bases.items():
        texts = _list_texts(base)
        for file in texts:
            if file.name.upper().startswith(NOTICE):
                own = file.read_text(encoding="utf-8", errors="replace").strip()
                lines += [own] if own and own not in lines else []
            else:
                _copy(file, folder, base.name)
        names = [file.name.upper() for file in texts]
        for wanted in licence.texts:
            if not any(name.startswith(wanted) for name in names):
                missing.append(Missing(wanted, licence.name, licence.link or licence.name))
    if lines:
        disk.write_text(folder / NOTICE, "\n\n".join(lines) + "\n")
    return missing


def has_text(folder: Path, wanted: str) -> bool:
    """Whether a release has a text that a licence asks for."""
    return any(file.name.upper().startswith(wanted) for file in _list_texts(folder))


def _list_texts(folder: Path) -> list[Path]:
    files = (path for path in folder.iterdir() if path.is_file())
    return sorted(path for path in files if path.name.upper().startswith(BEGINNINGS))


def _copy(file: Path, folder: Path, base: str) -> None:
    target = folder / file.name
    if target.exists():
        if target.read_bytes() == file.read_bytes():
            return
        target = folder / f"{file.stem}-{base}{file.suffix}"
    shutil.copyfile(file, target)
