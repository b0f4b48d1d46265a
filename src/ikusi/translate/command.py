"""Any command-line translator as an engine; Apertium (https://apertium.org) first.

Nothing of such a program is linked or imported: it reads lines and writes lines.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ikusi import content, processes
from ikusi.errors import InputError
from ikusi.translate.contract import Sentence
from ikusi.translate.engines.command import Command

START, SLOWEST = 60, 1  # seconds that a program may take, to load and for each sentence
LONGER = 100  # times what it is given that a program may write
INSTALL = {"apertium": "apt-get install apertium and a pair such as apertium-en-gl"}


class CommandEngine:
    """Runs a program on sentences, a line each.

    Raises:
        InputError: the program is not there, or fails on a word.
    """

    batch = 2000

    def __init__(self, settings: Command) -> None:
        self._settings = settings
        self.name = " ".join(settings.command)
        self._run("a")

    def settings(self) -> dict[str, Any]:
        """All that its translations depend on, as JSON."""
        return self._settings.model_dump() | {"files": hash_named_files(self._settings.command)}

    def translate(self, sentences: Sequence[str]) -> list[Sentence]:
        """Translate sentences, in order.

        Raises:
            RuntimeError: the program broke off, or wrote another number of lines.
        """
        gap = "\n\n" if self._settings.blank_lines else "\n"
        try:
            written = self._run(gap.join(" ".join(text.split()) for text in sentences))
        except InputError as error:
            raise RuntimeError(str(error)) from error
        lines = written.rstrip("\n").split("\n")
        if self._settings.blank_lines:
            lines = lines[::2] if not any(line.strip() for line in lines[1::2]) else []
        if len(lines) != len(sentences):
            raise RuntimeError(f"expected {len(sentences)} lines, found {len(lines)}")
        return [Sentence(line.strip()) for line in lines]

    def _run(self, text: str) -> str:
        name = self._settings.command[0]
        seconds = START + SLOWEST * (text.count("\n") + 1)
        most = LONGER * len(text.encode())
        try:
            done = processes.run(
                self._settings.command, text=text + "\n", seconds=seconds, most=most
            )
        except OSError:
            hint = INSTALL.get(name, "install it, or give its whole path")
            raise InputError(f"{name}: expected a program, found none ({hint})") from None
        except subprocess.TimeoutExpired:
            raise InputError(f"{name}: expected lines within {seconds} s, found none") from None
        if done.returncode != 0:
            reason = " ".join((done.stderr or done.stdout).split())[:200]
            raise InputError(
                f"{self.name}: expected it to end well, found exit code {done.returncode}: {reason}"
            )
        return done.stdout

    def close(self) -> None:
        """Nothing is held: the program ends with each batch."""


def hash_named_files(command: Sequence[str]) -> dict[str, str]:
    """Content of the files that a command names, such as a script or a model."""
    return {part: content.hash_file(Path(part)) for part in command if Path(part).is_file()}
