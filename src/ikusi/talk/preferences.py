"""People's preferences between two models: judgements in a table, the conversations beside it."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

from ikusi import disk
from ikusi.judgements.formats.arena import BOTH_BAD
from ikusi.judgements.journal import Journal, open_journal
from ikusi.judgements.judgement import Judgement, format_time
from ikusi.talk.conversation import Conversation
from ikusi.web.stripping import ENDING

BENCHMARK = "arena"
ITEMS = "items.jsonl"
PICTURES = "pictures"

CHOICES = {
    "left": ("A", ""),
    "right": ("B", ""),
    "good": ("tie", "both good"),
    "bad": ("tie", BOTH_BAD),
}
"""What people may say -> the verdict, and a reason. Both good and both bad are ties."""


@dataclass(frozen=True)
class Preferences:
    """The table that preferences go to. ``language``: that people ask in; empty where each says it
    for themselves. ``blind``: the models' names are shown once it is said which is better."""

    journal: Journal
    language: str = ""
    blind: bool = False
    _lock: Lock = field(default_factory=Lock)

    def keep(self, talk: Conversation, choice: str, rater: str, language: str) -> None:
        """Keep what somebody prefers, with the picture, the questions and the answers.

        All of it is on the disk on return; the judgement comes last.

        Raises:
            InputError: the disk is full or shut.
        """
        judgement = _make_judgement(talk, choice, rater, language)
        with self._lock:
            self._keep_picture(talk)
            self.journal.append_lines([json.dumps(_lay_out(talk, judgement))], ITEMS)
            self.journal.append([judgement])

    def _keep_picture(self, talk: Conversation) -> None:
        if talk.picture is None or (place := self.journal.folder / _name_picture(talk)).is_file():
            return
        with disk.explain_errors(place):
            disk.make_folder(place.parent)
        with disk.replace_file(place) as aside:
            aside.write_bytes(talk.picture.plain)


@contextmanager
def open_preferences(folder: Path, language: str, blind: bool) -> Iterator[Preferences]:
    """Open a table to add preferences to, or begin one.

    Raises:
        InputError: the folder is not ours, or another process adds to it.
    """
    with open_journal(folder, beside=[ITEMS]) as journal:
        yield Preferences(journal, language, blind)


def name_rater(word: str) -> str:
    """The code name of somebody whose pages are below a secret word."""
    return f"visitor-{hashlib.sha256(word.encode()).hexdigest()[:8]}"


def name_item(talk: Conversation) -> str:
    """The id of a judged conversation: a hash of its picture and questions."""
    about = [talk.picture.digest if talk.picture else "", *(one.question for one in talk.turns)]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:32]


def _make_judgement(talk: Conversation, choice: str, rater: str, language: str) -> Judgement:
    verdict, reason = CHOICES[choice]
    left, right = (desk.name for desk in talk.desks)
    there = max(answer.over for answer in talk.turns[-1].answers)
    return Judgement(
        benchmark=BENCHMARK,
        language=language,
        id=name_item(talk),
        task="compare",
        rater=rater,
        kind="person",
        left=left,
        right=right,
        verdict=verdict,
        reasons=[reason] if reason else [],
        seconds=round(time.monotonic() - there, 1),
        made=format_time(datetime.now(UTC)),
    )


def _lay_out(talk: Conversation, judgement: Judgement) -> dict[str, Any]:
    """A judged conversation as plain values, so that it can be shown again."""
    names = [desk.name for desk in talk.desks]
    turns = [
        {
            "question": turn.question,
            "answers": dict(zip(names, (one.text for one in turn.answers), strict=True)),
        }
        for turn in talk.turns
    ]
    about = judgement.model_dump(include={"id", "language", "rater", "left", "right", "made"})
    return about | {"picture": _name_picture(talk), "turns": turns}


def _name_picture(talk: Conversation) -> str:
    """The path of a conversation's picture in the table's folder; empty where there is none."""
    return f"{PICTURES}/{talk.picture.digest[:32]}.{ENDING}" if talk.picture else ""
