"""Scores of many translations at once: back to the source, or by a learned metric."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ikusi import processes
from ikusi.errors import InputError
from ikusi.translate.command import hash_named_files
from ikusi.translate.contract import SentenceEngine
from ikusi.translate.settings import Quality

START, SLOWEST = 3600, 60  # seconds that a metric may take, to load and for each text
LINE = 10_000  # bytes that it may print for each text

Pairs = Sequence[tuple[str, str]]


class RoundTripScorer:
    """chrF (Popović 2015) of a translation, translated back by another engine, with its source.

    A rank, not a measure of quality: it separates rows that belong to another row, or lost half of
    their content, from good ones.

    Args:
        engine: from the target language to the source language.
    """

    measure = "chrF (0 to 100)"

    def __init__(self, engine: SentenceEngine, source_language: str) -> None:
        self.engine, self.language = engine, source_language

    def settings(self) -> Any:
        """The engine's, with the content of its model."""
        return self.engine.settings()

    def score(self, pairs: Pairs) -> list[float]:
        """chrF of each pair of source and translation, 0 to 100."""
        from sacrebleu.metrics import CHRF

        from ikusi.translate.sentences import translate_texts

        metric = CHRF()
        backs = translate_texts(self.engine, [target for _, target in pairs], self.language)
        return [
            float(metric.sentence_score(back, [source]).score)
            for (source, _), back in zip(pairs, backs, strict=True)
        ]


class CommandScorer:
    """A learned metric that runs in an environment of its own, such as COMET's `comet-score`.

    Args:
        settings: the program, given files of sources and of translations, a text a line.
    """

    def __init__(self, settings: Quality) -> None:
        self._settings = settings
        self.measure = f"score of {Path(settings.command[0]).name}"

    def settings(self) -> Any:
        """The content of the files that its command names."""
        return hash_named_files(self._settings.command)

    def score(self, pairs: Pairs) -> list[float]:
        """The last number of each line that the program prints.

        Raises:
            InputError: it failed, or printed another number of scores than there are texts.
        """
        if not pairs:
            return []
        with tempfile.TemporaryDirectory() as folder:
            files = {"source": Path(folder, "source.txt"), "target": Path(folder, "target.txt")}
            for file, texts in zip(files.values(), zip(*pairs, strict=True), strict=True):
                lines = (" ".join(text.split()) + "\n" for text in texts)
                file.write_text("".join(lines), encoding="utf-8")
            command = [part.format(**files) for part in self._settings.command]
            scores = self._run_command(command, len(pairs))
        if len(scores) != len(pairs):
            problem = f"expected {len(pairs)} scores, found {len(scores)}"
            raise InputError(f"{self._settings.command[0]}: {problem}")
        return scores

    def _run_command(self, command: Sequence[str], texts: int) -> list[float]:
        try:
            done = processes.run(command, seconds=START + SLOWEST * texts, most=LINE * texts)
        except subprocess.TimeoutExpired:
            raise InputError(f"{command[0]}: expected its end in time, found it at work") from None
        except OSError:
            raise InputError(f"{command[0]}: expected a program, found none") from None
        if done.returncode != 0:
            reason = " ".join(done.stderr.split())[-200:]
            raise InputError(f"{command[0]}: expected it to end well, found: {reason}")
        return [number for line in done.stdout.splitlines() if (number := _last(line)) is not None]


def _last(line: str) -> float | None:
    """The number that a line ends in; None for a line of something else."""
    try:
        return float(line.split()[-1])
    except (IndexError, ValueError):
        return None
