"""Releases on the hub, brought here at one revision, into the cache of the hub's library."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ikusi.data import released
from ikusi.data.released import ABOUT
from ikusi.errors import InputError
from ikusi.recipe.folder import HUB

_NAMED = re.compile(r"hub:([\w.-]+/[\w.-]+)(?:@([\w./-]+))?")


@dataclass(frozen=True)
class Place:
    """The place of a release on the hub: its name, and a branch, tag or commit if one is named."""

    name: str
    revision: str | None

    def __str__(self) -> str:
        return f"{HUB}{self.name}" + (f"@{self.revision}" if self.revision else "")


def parse_place(text: str) -> Place:
    """Read the name of a release on the hub.

    Raises:
        InputError: it names no release.

    >>> parse_place("hub:org/name@v1.0")
    Place(name='org/name', revision='v1.0')
    """
    match = _NAMED.fullmatch(text)
    if match is None:
        raise InputError(f"{text}: expected hub:ORG/NAME or hub:ORG/NAME@REVISION")
    return Place(match[1], match[2])


def fetch_release(
    place: Place, *, cache: Path | None = None, endpoint: str | None = None
) -> tuple[Path, str]:
    """Bring a release here, or what of it is not here yet.

    Args:
        place: its name, and a revision if not the newest is wanted.
        cache: where to; else where the hub's library keeps what it brings.
        endpoint: address of the hub, if it is another.

    Returns:
        The folder, and the commit that it is of.

    Raises:
        InputError: it cannot be had, or is no release of a corpus.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    def fetch(revision: str | None, names: list[str]) -> Path:
        try:
            return Path(
                snapshot_download(
                    place.name,
                    repo_type="dataset",
                    revision=revision,
                    cache_dir=cache,
                    endpoint=endpoint,
                    allow_patterns=names,
                )
            )
        except (HfHubHTTPError, HFValidationError, OfflineModeIsEnabled, OSError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise InputError(f"{place}: expected to reach it, found: {reason:.300}") from error

    folder = fetch(place.revision, [ABOUT])
    if not released.is_release(folder):
        raise InputError(f"{place}: expected a release made by Ikusi, found no {ABOUT}")
    commit = folder.name  # the library's cache has a folder for each commit
    release = released.read_about(folder)
    return fetch(commit, [ABOUT, *release.files]), commit
