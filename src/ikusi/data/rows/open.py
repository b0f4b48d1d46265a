"""Questions alone: what a model answers is kept, for people or models to judge."""

from __future__ import annotations

from collections.abc import Sequence

from ikusi.data.rows.base import Asked
from ikusi.data.rows.columns import Row, Text
from ikusi.data.rows.shape import Gold, Line
from ikusi.errors import InputError


class OpenQuestions(Asked):
    """Rows of a question, whose answer is not known."""

    name = "open"
    columns = (Text("question"),)
    gold = Gold.NOTHING

    def turns(self, row: Row, prompts: Sequence[str]) -> list[tuple[str, str]]:
        """Refuse: there is nothing to learn."""
        raise InputError(
            f"row {row['id']}: expected rows with an answer to train on, found {self.name}"
        )

    def lines(self, row: Row) -> list[Line]:
        """The question."""
        return [Line("question", row["question"])]


ROW_TYPES = [OpenQuestions()]
