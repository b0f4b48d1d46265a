"""PixMo (Deitke et al. 2024): pictures behind URLs, asked about by people and by a model.

Ask-Model-Anything is the paper's instruction data. Cap-QA was written by a model that read
captions and saw no picture; its yes/no questions are one of the paper's benchmarks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from ikusi.data.rows.cells import pick_value
from ikusi.data.rows.instruction import exchange
from ikusi.data.sources.base import (
    Item,
    LeftOut,
    NoOptions,
    Source,
    SourceRow,
    convert_rows,
    find_yes_no,
    make_id,
)
from ikusi.data.sources.pictures import Picture, find_at_url, find_in_cell
from ikusi.data.sources.tables import Origin
from ikusi.errors import InputError
from ikusi.yamlfile import Section

AMA = "allenai/pixmo-ask-model-anything"
CAP_QA = "allenai/pixmo-cap-qa"
GUIDELINES = "research and educational use in accordance with Ai2's Responsible Use Guidelines"
_TAG = re.compile(r"\[(USER|ASSISTANT)\]")


class CapQA(Section):
    """Settings of PixMo-CapQA."""

    answer: Literal["strict", "loose"] = Field(
        default="strict", description="Answers that are yes or no, or that begin with it."
    )
    balance: bool = Field(default=True, description="Sample as many questions with yes as with no.")


def find_picture(row: dict[str, Any]) -> Picture:
    """The picture of a row, behind its URL; mirrors hold the bytes.

    Raises:
        InputError: it has none.
    """
    if row.get("image") is not None:
        url = row.get("image_url")
        return find_in_cell(row["image"], source=url if isinstance(url, str) else "image column")
    return find_at_url(pick_value(row, "image_url"), row.get("image_sha256"))


def _question_and_answer(row: dict[str, Any]) -> Item:
    question, answer = str(pick_value(row, "question")), str(pick_value(row, "answer"))
    id = make_id(str(row.get("image_url")), question, answer)
    return SourceRow(id, find_picture(row), {"en": {"turns": exchange(question, answer)}})


def _read_ama(origin: Origin, options: NoOptions) -> Iterator[Item]:
    return convert_rows(origin.rows(AMA, "train"), _question_and_answer, "image_url")


def read_conversation(row: dict[str, Any]) -> list[str]:
    """The texts of all turns, the user's first: from `messages`, else from the tagged question.

    Raises:
        InputError: the turns do not alternate.
    """
    messages = row.get("messages")
    if messages:
        return [str(message).strip() for message in messages]
    question, answer = str(pick_value(row, "question")), str(pick_value(row, "answer")).strip()
    before, *tagged = _TAG.split(question)
    if not tagged:
        return [before.strip(), answer]
    texts = [text.strip() for text in tagged[1::2]]
    roles = tagged[0::2]
    if roles[-1] == "ASSISTANT" and not texts[-1]:
        roles, texts = roles[:-1], texts[:-1]
    if before.strip() or roles != ["USER", "ASSISTANT"] * (len(roles) // 2) + ["USER"]:
        raise InputError(f"question: expected turns of [USER], found {question!r:.80}")
    return [*texts, answer]


def _stance(answer: str, rule: str, words: tuple[str, str]) -> int | None:
    """0 for yes, 1 for no, None for anything else."""
    plain = answer.lower().strip(" \n\t.!,;:\"'")
    for number, word in enumerate(word.lower() for word in words):
        if plain == word or (rule == "loose" and re.match(rf"{word}\b", plain)):
            return number
    return None


def _read_cap_qa(origin: Origin, options: CapQA) -> Iterator[Item]:
    words = find_yes_no("en")

    def convert(row: dict[str, Any]) -> Item:
        turns = read_conversation(row)
        if len(turns) != 2:
            return LeftOut("several turns")
        stance = _stance(turns[1], options.answer, words)
        if stance is None:
            return LeftOut("no question of yes or no")
        columns = {"question": turns[0], "choices": list(words), "answer": stance}
        shown = find_picture(row)
        id = make_id(shown.url or shown.image_id, turns[0])
        stratum = words[stance] if options.balance else ""
        return SourceRow(id, shown, {"en": columns}, stratum=stratum)

    return convert_rows(origin.rows(CAP_QA, "train"), convert, "image_url")


SOURCES = (
    Source(
        name="pixmo_ama",
        about="162 thousand questions of people about pictures, answered with a model's help",
        row_type="instruction",
        languages=("en",),
        licence=f"ODC-BY-1.0 ({GUIDELINES})",
        home=f"https://huggingface.co/datasets/{AMA}",
        pictures="web-pictures",
        read=_read_ama,
        remote=True,
    ),
    Source(
        name="pixmo_capqa",
        about="the yes/no questions of PixMo-CapQA as a choice between the two words",
        row_type="choice",
        languages=("en",),
        licence=(
            f"ODC-BY-1.0 ({GUIDELINES}; includes data generated from Claude which are subject to "
            "Anthropic terms)"
        ),
        home=f"https://huggingface.co/datasets/{CAP_QA}",
        pictures="web-pictures",
        read=_read_cap_qa,
        options=CapQA,
        remote=True,
    ),
)
