"""Corpora of every row type, and an engine whose answers can be told from the question alone."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from data_rows import picture
from ikusi.data.corpus import Corpus, CorpusWriter
from ikusi.translate.contract import Attempt, Check, Outcome, Row
from ikusi.translate.engines.command import Command
from ikusi.translate.job import Job
from ikusi.translate.settings import Checks, Translation

OFF: dict[str, Any] = dict.fromkeys(
    ("language", "copied", "length_ratio", "repetition", "preserved", "yes_no"), "off"
)


def columns(row_type: str, number: int) -> dict[str, Any]:
    """A row's own columns, in English; every number gives another row."""
    question = f"what is drawn in picture {number}"
    if row_type == "caption":
        return {"text": f"a cat sits on mat {number}"}
    if row_type == "vqa":
        return {"question": question, "answers": ["red", f"red {number}", "red"]}
    if row_type == "choice":
        return {"question": question, "choices": ["a cat", "a dog", f"hat {number}"], "answer": 2}
    if row_type == "instruction":
        turns = [("user", question), ("assistant", f"a hat {number}")] * (1 + number % 2)
        return {"turns": [{"role": role, "content": content} for role, content in turns]}
    return {"question": question}


def corpus(folder: Path, row_type: str, rows: Iterable[dict[str, Any]]) -> Corpus:
    """A corpus in English; every second row has a picture."""
    with CorpusWriter(folder, row_type, ["en"]) as writer:
        writer.add_image("one", picture(), "png", 8, 8, "made here")
        for number, texts in enumerate(rows):
            writer.add_row(f"row-{number}", "one" if number % 2 else None, {"en": texts}, task="t")
    return Corpus.open(folder)


def numbered(folder: Path, row_type: str, count: int) -> Corpus:
    return corpus(folder, row_type, (columns(row_type, number) for number in range(count)))


def settings(shard_rows: int = 4, **checks: Any) -> Translation:
    engine = Command(kind="command", command=["none"])
    chosen = Checks(**{**OFF, **checks})
    return Translation(
        name="test", language="eu", engine=engine, checks=chosen, shard_rows=shard_rows
    )


class Capitals:
    """Writes every text in capitals. Refuses texts with `bad` in them and is not reached for those
    with `far`; keeps what it was asked in `asked` and, if given, in a file."""

    def __init__(
        self, costly: bool = True, version: int = 0, ledger: Path | None = None, bad: str = "bad"
    ) -> None:
        self.name, self.costly, self.version = "capitals", costly, version
        self.ledger, self.bad, self.reached = ledger, bad, False
        self.asked: list[list[str]] = []

    def settings(self) -> dict[str, Any]:
        return {"kind": "capitals", "version": self.version}

    def list_learnt(self) -> dict[str, Any]:
        return {}

    def tokens(self, row: Row) -> tuple[int, int]:
        return sum(map(len, row.texts)), sum(map(len, row.texts))

    def translate(self, rows: Iterable[Row], check: Check) -> Iterator[Outcome]:
        for row in rows:
            self.asked.append(row.texts)
            if self.ledger is not None:
                with self.ledger.open("a") as file:
                    file.write(json.dumps(row.texts) + "\n")
            yield self.outcome(row, check)

    def outcome(self, row: Row, check: Check) -> Outcome:
        text = " ".join(row.texts)
        if "far" in text and not self.reached:
            return Outcome(row.place, None, unreached=True)
        said = [text.upper() + f" v{self.version}" * bool(self.version) for text in row.texts]
        if self.bad in text:
            attempt = Attempt("\n".join(said), "engine: expected words, found a bad one")
            return Outcome(row.place, None, attempts=(attempt,), tokens_read=3)
        verdict = check(row, said)
        if verdict.refused:
            attempt = Attempt("\n".join(said), verdict.refused)
            return Outcome(row.place, None, attempts=(attempt,))
        return Outcome(row.place, said, -0.5, verdict.flags, tokens_read=5, tokens_written=7)

    def close(self) -> None:
        pass


def job(
    found: Corpus,
    folder: Path,
    engine: Capitals | None = None,
    chosen: Translation | None = None,
    **more: Any,
) -> Job:
    return Job(chosen or settings(), found, folder, engine or Capitals(), **more)
