"""Questions with what people answered: any of the answers is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ikusi.data.rows import cells as cells_of
from ikusi.data.rows.base import Asked
from ikusi.data.rows.columns import Answers, Row, Text
from ikusi.data.rows.shape import Gold, Line


class Questions(Asked):
    """Rows of a question and its answers, in their order, with those that several people gave."""

    name = "vqa"
    columns = (Text("question"), Answers("answers"))
    gold = Gold.ANSWERS
    listed = "answers"

    def answers(self, row: Row) -> list[str]:
        """The answers that people gave."""
        return list(row["answers"])

    def turns(self, row: Row, prompts: Sequence[str]) -> list[tuple[str, str]]:
        """The question and the first answer."""
        return [("user", row["question"]), ("assistant", row["answers"][0])]

    def lines(self, row: Row) -> list[Line]:
        """The question and all answers."""
        answers = (Line("answer", text) for text in row["answers"])
        return [Line("question", row["question"]), *answers]

    def read(self, cells: Mapping[str, Any]) -> dict[str, Any]:
        """Answers in any of the forms that tables have them in."""
        return {**cells, "answers": cells_of.read_answers(cells["answers"])}


ROW_TYPES = [Questions()]
