"""From a row of a benchmark to what is put to a model."""

import hashlib
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from ikusi.answer.engine import Message, Query
from ikusi.data.corpus import Corpus
from ikusi.errors import InputError
from ikusi.evaluate.benchmark import Benchmark
from ikusi.language import LanguagePack

Row = Mapping[str, Any]


class Asker:
    """Words the questions of one benchmark in one language.

    Pictures go by their content, so that those that several corpora hold are one.

    Its few-shots are the rows whose hashed ids are smallest, the same for all questions, so that
    they are read once; a row among them is asked after the next one instead of itself.

    Args:
        benchmark: how rows are worded.
        corpus: where they are.
        pack: of their language.
    """

    def __init__(self, benchmark: Benchmark, corpus: Corpus, pack: LanguagePack) -> None:
        self.benchmark, self.corpus, self.pack = benchmark, corpus, pack
        self.type = benchmark.type

    def query(self, row: Row) -> Query:
        """Return what is put to the model for a row."""
        options = self.type.options(row) if self.benchmark.scorer == "options" else ()
        return Query(
            f"{self.benchmark.corpus}/{self.pack.code}: row {row['id']}",
            (*self._shots(row["id"]), self._question(row)),
            self.benchmark.list_options(options),
            self.benchmark.max_new_tokens,
            shared=2 * self.benchmark.few_shots,
            completion=self.benchmark.format == "completion",
        )

    def shot_ids(self) -> list[str]:
        """Ids of the few-shots, and of the row that stands in for one that is asked."""
        return [str(row["id"]) for row, _ in self._few_shots] if self.benchmark.few_shots else []

    def pictures(self, row: Row) -> dict[str, str]:
        """Key -> image id of the pictures that a row's query may have, its few-shots' included."""
        shots = self._few_shots if self.benchmark.few_shots else []
        shown = [row["image_id"], *(shot["image_id"] for shot, _ in shots)]
        return {self.corpus.image_digest(name): name for name in shown if name is not None}

    def _shots(self, asked: str) -> list[Message]:
        if not self.benchmark.few_shots:
            return []
        others = [messages for row, messages in self._few_shots if row["id"] != asked]
        return [message for messages in others[: self.benchmark.few_shots] for message in messages]

    def _question(self, row: Row) -> Message:
        question, options = self.type.question(row), self.type.options(row)
        text = self.benchmark.prompt(self.pack, question, options)
        name, image = row["image_id"], []
        if name is not None:
            image = [{"type": "image", "key": self.corpus.image_digest(name)}]
        return {"role": "user", "content": [*image, {"type": "text", "text": text}]}

    @cached_property
    def _few_shots(self) -> list[tuple[Row, list[Message]]]:
        wanted = self.benchmark.few_shots
        ids = self.corpus.ids
        if len(ids) <= wanted:
            raise InputError(
                f"{self.benchmark.name}: corpus {self.benchmark.corpus}: expected more than "
                f"{wanted} rows, as {wanted} are shown before each question, found {len(ids)}"
            )
        places = sorted(range(len(ids)), key=lambda place: _rank(ids[place]))[: wanted + 1]
        rows = [self.corpus.row(self.pack.code, place) for place in places]
        return [(row, [self._question(row), self._answer(row)]) for row in rows]

    def _answer(self, row: Row) -> Message:
        if self.benchmark.scorer == "options":
            text = self.benchmark.list_options(self.type.options(row))[self.type.right(row)]
        else:
            answers = self.type.answers(row)
            text = max(answers, key=answers.count)
        return {"role": "assistant", "content": [{"type": "text", "text": text}]}


def _rank(id: str) -> str:
    return hashlib.sha256(id.encode()).hexdigest()
