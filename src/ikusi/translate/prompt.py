"""Prompts as data: what an LLM reads before a row, and how the row is laid out.

The beginning (system message, examples) is the same to the byte for every row and the row comes
last, so that a server computes the beginning once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ikusi import artifact, catalogue, yamlfile
from ikusi.data import rows as row_types
from ikusi.data.rows.shape import Layout
from ikusi.errors import InputError
from ikusi.language import LanguagePack
from ikusi.translate.contract import Row
from ikusi.translate.engines.chat import Chat
from ikusi.yamlfile import Section

PACKAGED = Path(__file__).parent / "prompts"
ANY = "any"
Message = dict[str, str]
Format = Literal["labels", "json"]
JSON_RULE = (
    "Answer with one JSON object of the same keys and list lengths, its texts translated, "
    "and nothing else."
)


class Shot(Section):
    """An example: a row and its translation."""

    user: str | None = Field(default=None, description="The request, word for word, for `labels`.")
    assistant: str | None = Field(
        default=None, description="The answer, word for word, for `labels`."
    )
    row_type: row_types.Name = Field(description="Type of the row.")
    source: list[str] = Field(min_length=1, description="The row's texts.")
    target: list[str] = Field(min_length=1, description="Their translations.")


class Prompt(Section):
    """A prompt.

    `{language}` and `{source_language}` stand for the languages' English names, `{question_label}`
    and `{answer_label}` for the words that the language pack labels questions and answers with.
    """

    about: str = Field(default="", description="What it is for, and where it is from.")
    system: str = Field(description="The system message.")
    shots: list[Shot] = Field(default=[], description="Examples, in order.")
    request: str = Field(
        description="The request for a row with answers: `{question}` and `{answer}` are filled in."
    )
    question_request: str = Field(
        description="The request for a row with a question alone, or a caption: `{question}`."
    )
    json_request: str = Field(
        default="Translate the texts of this JSON object into {language}:\n{row}",
        description="The request in the `json` format: `{row}` is filled in.",
    )


@dataclass(frozen=True)
class Labels:
    """The words that a question and its answer are marked with: asked for, and in the source."""

    question: str
    answer: str
    source_question: str
    source_answer: str


def open_prompts(language: str) -> catalogue.Files:
    """A person's own prompts come before the packaged ones; a language's before any language's."""
    places = [Path("prompts") / language, PACKAGED / language, PACKAGED / ANY]
    return catalogue.Files("engine.prompt", places)


def load(name: str, language: str) -> Prompt:
    """Read a prompt, by name or by the path of a YAML file.

    Raises:
        InputError: there is none, or a key in it is wrong.
    """
    there = open_prompts(language)
    document = yamlfile.read(there.find(name), there.folders)
    return yamlfile.validate(Prompt, document, yamlfile.list_field_names(Prompt))


class Writer:
    """Writes the messages for rows of one prompt, one format and one pair of languages."""

    def __init__(
        self, prompt: Prompt, format: Format, source: LanguagePack, target: LanguagePack
    ) -> None:
        self.prompt, self.format = prompt, format
        self.source, self.target = source, target
        words = [
            pack.labels.get(name) for pack in (target, source) for name in ("question", "answer")
        ]
        if not all(words):
            raise InputError(
                f"{target.code}.yaml: labels: expected question and answer, found none"
            )
        self.labels = Labels(*(word or "" for word in words))
        self._beginning = [{"role": "system", "content": self._system()}]
        for shot in prompt.shots:
            self._beginning += self._example(shot)

    def messages(self, row: Row) -> list[Message]:
        """The whole conversation for a row."""
        return [*self._beginning, {"role": "user", "content": self.request(row)}]

    def request(self, row: Row) -> str:
        """The last message: what changes from row to row."""
        if self.format == "json":
            encoded = json.dumps(row.row_type.name_texts(row.texts), ensure_ascii=False)
            return self._fill(self.prompt.json_request).replace("{row}", encoded)
        answer = answer_text(row.row_type.layout, row.texts)
        if row.row_type.layout is Layout.TURNS and len(row.texts) != 2:
            return self._fill(self.prompt.question_request).replace(
                "{question}", self.conversation(row.texts)
            )
        template = self.prompt.request if answer is not None else self.prompt.question_request
        return _put(self._fill(template), row.texts[0], answer or "")

    def conversation(self, texts: Sequence[str]) -> str:
        """Turns, each but the first under its label."""
        words = (self.labels.source_question, self.labels.source_answer)
        turns = (f"**{words[place % 2]}:** {text}" for place, text in enumerate(texts) if place)
        return "\n".join([texts[0], *turns])

    def fingerprint(self) -> str:
        """Names everything that is sent but the row."""
        requests = [self.prompt.request, self.prompt.question_request, self.prompt.json_request]
        return artifact.fingerprint(self._beginning, requests, self.format)

    def _system(self) -> str:
        system = self._fill(self.prompt.system).strip()
        return f"{system}\n\n{JSON_RULE}" if self.format == "json" else system

    def _example(self, shot: Shot) -> list[Message]:
        row = Row(0, "shot", row_types.load(shot.row_type), shot.source)
        user, assistant = (
            self.request(row),
            write_expected(self.format, row, shot.target, self.labels),
        )
        if self.format == "labels":
            user, assistant = shot.user or user, shot.assistant or assistant
        return [{"role": "user", "content": user}, {"role": "assistant", "content": assistant}]

    def _fill(self, text: str) -> str:
        words = {
            "{language}": self.target.name,
            "{source_language}": self.source.name,
            "{question_label}": self.labels.question,
            "{answer_label}": self.labels.answer,
        }
        for field, word in words.items():
            text = text.replace(field, word)
        return text


def _put(template: str, question: str, answer: str) -> str:
    """Fill in both at once, so that a question with `{answer}` in it stays as it is."""
    before, field, after = template.partition("{question}")
    return before + (question if field else "") + after.replace("{answer}", answer)


def answer_text(layout: Layout, texts: Sequence[str]) -> str | None:
    """The text under the answer's label: the answer, or a numbered list; None if nothing.

    >>> answer_text(Layout.QUESTION, ["What is it?", "a cat", "a dog"])
    '1.a cat, 2.a dog'
    """
    if len(texts) < 2:
        return None
    if layout is Layout.TURNS:
        return texts[1]
    return ", ".join(f"{number}.{text}" for number, text in enumerate(texts[1:], 1))


def make_json_schema(row: Row) -> dict[str, Any]:
    """The JSON Schema of a row's translation: the same keys, lists of the same length."""
    texts = row.row_type.name_texts(row.texts)
    properties: dict[str, Any] = {}
    for key, value in texts.items():
        text = {"type": "string"}
        if isinstance(value, list):
            count = {"minItems": len(value), "maxItems": len(value)}
            properties[key] = {"type": "array", "items": text, **count}
        else:
            properties[key] = text
    return {
        "type": "object",
        "properties": properties,
        "required": list(texts),
        "additionalProperties": False,
    }


def write_expected(format: Format, row: Row, texts: Sequence[str], labels: Labels) -> str:
    """A translation, laid out as the answer ought to be."""
    if format == "json":
        return json.dumps(row.row_type.name_texts(texts), ensure_ascii=False)
    layout = row.row_type.layout
    if layout is Layout.TEXT:
        return texts[0]
    if layout is Layout.TURNS:
        words = (labels.question, labels.answer)
        return "\n".join(f"**{words[place % 2]}:** {text}" for place, text in enumerate(texts))
    answer = answer_text(layout, texts)
    written = f"**{labels.question}:** {texts[0]}"
    return written if answer is None else f"{written}\n**{labels.answer}:** {answer}"


def open_writer(settings: Chat, source: LanguagePack, target: LanguagePack) -> Writer:
    """The writer of a recipe's prompt."""
    return Writer(load(settings.prompt, target.code), settings.format, source, target)


def show_messages(settings: Chat, row: Row, source: LanguagePack, target: LanguagePack) -> str:
    """The messages that would be sent for a row, for people to read."""
    messages = open_writer(settings, source, target).messages(row)
    return "\n\n".join(f"[{message['role']}]\n{message['content']}" for message in messages)
