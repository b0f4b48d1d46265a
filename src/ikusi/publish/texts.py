"""The texts of licences that go with a release: copied from the models that it was made of."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from ikusi import disk

BEGINNINGS = ("LICENSE", "LICENCE", "COPYING", "NOTICE", "USE_POLICY")
"""How the names of such files begin, in capital letters."""

NOTICE = "NOTICE"


def copy_texts(bases: Sequence[Path], folder: Path, notices: Sequence[str]) -> None:
    """Copy the texts that lie with the bases, and write `NOTICE`.

    Where two bases have a file of one name, that of the second gets the base's name at its end.

    Args:
        bases: folders of the models that a release was made of.
        folder: of the release.
        notices: lines for `NOTICE`, which also gets what the bases' own say.
    """
    lines = list(notices)
    for base in bases:
        for file in _list_texts(base):
            if file.name.upper().startswith(NOTICE):
                own = file.read_text(encoding="utf-8", errors="replace").strip()
                lines += [own] if own and own not in lines else []
            else:
                _copy(file, folder, base.name)
    if lines:
        disk.write_text(folder / NOTICE, "\n\n".join(lines) + "\n")


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
