"""Captions: one text about a picture, the answer to a request for one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from ikusi.data.rows.base import RowType, take_first
from ikusi.data.rows.columns import Row, Text
from ikusi.data.rows.shape import Layout, Line
from ikusi.errors import InputError


class Captions(RowType):
    """Rows of one text each."""

    name = "caption"
    columns = (Text("text"),)
    layout = Layout.TEXT
    prompts = "caption"

    def texts(self, row: Row) -> list[str]:
        """The one text."""
        return [row["text"]]

    def with_texts(self, table: pa.Table, texts: pa.ListArray) -> dict[str, Any]:
        """The one text of each."""
        return {"text": take_first(texts)}

    def name_texts(self, texts: Sequence[str]) -> dict[str, str | list[str]]:
        """The one text."""
        return {"text": texts[0]}

    def turns(self, row: Row, prompts: Sequence[str]) -> list[tuple[str, str]]:
        """The request, in a wording that the row's id chooses, and the text.

        Raises:
            InputError: there is no wording.
        """
        if not prompts:
            raise InputError(f"row {row['id']}: expected a caption prompt, found none")
        digest = hashlib.sha256(f"prompt {row['id']}".encode()).digest()
        return [
            ("user", prompts[int.from_bytes(digest) % len(prompts)]),
            ("assistant", row["text"]),
        ]

    def lines(self, row: Row) -> list[Line]:
        """The one text."""
        return [Line("text", row["text"])]


ROW_TYPES = [Captions()]
