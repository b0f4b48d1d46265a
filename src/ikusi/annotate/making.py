"""Write a project of annotation: its pictures, items, turns and secret words."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

from ikusi import artifact, disk
from ikusi.annotate.project import (
    ABOUT,
    ADMIN,
    ITEMS,
    LINKS,
    PICTURES,
    TURNS,
    About,
    Asked,
    Item,
    Seat,
)
from ikusi.data.images import decode_and_describe
from ikusi.yamlfile import Section

WORD_BYTES = 16  # of a secret word: 128 bits, too many to guess


class Pictures:
    """Pictures of a project that is being made: each once, under the digest of its bytes."""

    def __init__(self, staging: Path) -> None:
        self._folder = staging / PICTURES
        self._folder.mkdir()

    def add(self, data: bytes, label: str) -> str:
        """Store a picture as it is; returns the name of its file.

        Raises:
            InputError: it is no picture that can be shown; the message begins with `label`.
        """
        ending = decode_and_describe(data, name=label)[1].format
        name = f"{hashlib.sha256(data).hexdigest()[:32]}.{ending}"
        (self._folder / name).write_bytes(data)
        return name


def write(
    staging: Path, about: About, items: Iterable[Item], seats: Iterable[Seat]
) -> dict[str, str]:
    """Write a project into a folder that is being made; returns the secret word of each seat."""
    _write_lines(staging / ITEMS, items)
    asked = (Asked(seat=seat.code, **turn.model_dump()) for seat in seats for turn in seat.turns)
    _write_lines(staging / TURNS, asked)
    words = {code: secrets.token_urlsafe(WORD_BYTES) for code in (*about.seats, ADMIN)}
    _write_secret(staging / LINKS, {word: code for code, word in words.items()})
    artifact.write_json(staging / ABOUT, about)
    return words


def _write_lines(path: Path, lines: Iterable[Section]) -> None:
    disk.write_text(path, "".join(f"{line.model_dump_json()}\n" for line in lines))


def _write_secret(path: Path, links: Mapping[str, str]) -> None:
    """Write a file that from the beginning only its owner can read."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    with path.open("w", encoding="utf-8") as file:
        json.dump(links, file, indent=2)
        file.write("\n")
