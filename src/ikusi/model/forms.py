"""Many prompts of one form at once.

The questions of a benchmark differ in one text. What stands around it, a form, is rendered and
tokenised once; the texts go through the tokenizer together, several at a time. What comes out is,
token for token, what ``chat.encode_prompt`` and ``chat.encode`` give: a form is held to it when it
is made. Texts that a template may treat in its own way, and templates that do more than write texts
in their place, go through those, one by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase

from ikusi.errors import InputError
from ikusi.model import chat
from ikusi.model.pieces import encode_piece, encode_texts
from ikusi.model.tokens import compile_control, find_control_tokens

Message = Mapping[str, Any]

PROBES = ("ikusi", "Zer da hau? 12 «ñ», a.\nb")
"""Texts that show what a template does with a text; the second has what templates trip over."""

HELD = 64  # forms remembered: one for each list of few-shots and languages


@dataclass(frozen=True)
class Form:
    """The tokens and texts around a question, and around its answer.

    ``head``: tokens up to the last control token before the question, that one included, images
    expanded. ``anchor``: that control token, or nothing; with ``before`` and ``after`` it makes the
    text ``anchor + before + question + after``, whose tokens follow. ``answer`` is the text from
    the last control token on, and ``end`` what ends an answer, where options can be read so.
    """

    head: tuple[int, ...]
    anchor: str
    before: str
    after: str
    answer: str | None = None
    end: str | None = None

    def text(self, question: str) -> str:
        """The text whose tokens, without the anchor's, follow the head."""
        return f"{self.anchor}{self.before}{question}{self.after}"


class Forms:
    """The prompts of one tokenizer.

    Args:
        tokenizer: with a chat template.
        image_tokens: features per image.
        image_token_id: the id that stands for them.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        image_tokens: int = 0,
        image_token_id: int | None = None,
    ) -> None:
        self.tokenizer = tokenizer
        self.image = (image_tokens, image_token_id)
        self._forms: dict[Any, Form | None] = {}
        self._control = compile_control(tokenizer).pattern

    def prompts(
        self, conversations: Sequence[Sequence[Message]], rows: Sequence[str]
    ) -> list[tuple[tuple[int, ...], int]]:
        """Tokens of each conversation up to its answer, and how many others of its form share.

        ``rows`` names conversations in errors. The last message of each holds the question.
        """
        forms = [self._form(messages) for messages in conversations]
        texts = [_last(messages) for messages in conversations]
        fast = [n for n, form in enumerate(forms) if form and self._plain(texts[n])]
        results: list[Any] = [None] * len(texts)
        asked = [forms[n].text(texts[n]) for n in fast]  # type: ignore[union-attr]
        for n, ids in zip(fast, self._ids(asked), strict=True):
            form = forms[n]
            assert form is not None
            results[n] = ((*form.head, *ids[bool(form.anchor) :]), len(form.head))
        for n, messages in enumerate(conversations):
            if results[n] is None:
                results[n] = self._slow(messages, rows[n])
        return results

    def continuations(
        self,
        conversations: Sequence[Sequence[Message]],
        options: Sequence[Sequence[str]],
        rows: Sequence[str],
    ) -> list[list[list[int]]]:
        """Tokens of each option as the answer to its conversation, the end of the turn included.

        They are those that training supervises.
        """
        known: dict[tuple[str, str, str], list[int]] = {}
        forms = [self._form(messages) for messages in conversations]
        for form, texts in zip(forms, options, strict=True):
            if form and form.answer and form.end:
                plain = filter(self._plain, texts)
                known |= {(form.answer, text, form.end): [] for text in plain}
        known = dict(zip(known, self._encode_after(list(known)), strict=True))
        return [
            [self._option(form, messages, text, row, known) for text in texts]
            for form, messages, texts, row in zip(forms, conversations, options, rows, strict=True)
        ]

    def _option(
        self,
        form: Form | None,
        messages: Sequence[Message],
        text: str,
        row: str,
        known: Mapping[tuple[str, str, str], list[int]],
    ) -> list[int]:
        if form and form.answer and form.end and (form.answer, text, form.end) in known:
            return known[form.answer, text, form.end]
        return self._find_supervised(messages, text, row)

    def _encode_after(self, wanted: Sequence[tuple[str, str, str]]) -> list[list[int]]:
        """Tokens of ``text`` and ``end`` after ``answer``, for each (answer, text, end).

        Where the last characters before the text and its first would share a token, it is
        tokenised apart, as ``chat.encode`` does.
        """
        whole = self._ids(["".join(parts) for parts in wanted])
        openings = self._openings(wanted)
        tokens = []
        for (answer, text, end), ids in zip(wanted, whole, strict=True):
            opening = openings[answer]
            if ids[: len(opening)] == opening:
                tokens.append(ids[len(opening) :])
            else:
                tokens.append(encode_piece(self.tokenizer, text + end, continued=True))
        return tokens

    def _openings(self, wanted: Sequence[tuple[str, str, str]]) -> dict[str, list[int]]:
        texts = list({answer for answer, _, _ in wanted})
        return dict(zip(texts, self._ids(texts), strict=True))

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        return encode_texts(self.tokenizer, texts) if texts else []

    def _plain(self, text: str) -> bool:
        """Whether a template can do nothing to a text but write it."""
        plain = bool(text) and text == text.strip() and "<" not in text
        return plain and not self._control.search(text)

    def _slow(self, messages: Sequence[Message], row: str) -> tuple[tuple[int, ...], int]:
        ids = chat.encode_prompt(self.tokenizer, messages, *self.image, row=row)
        image = self.image[1]
        shared = len(ids) - ids[::-1].index(image) if image in ids else 0
        return tuple(ids), shared

    def _find_supervised(self, messages: Sequence[Message], text: str, row: str) -> list[int]:
        answer = {"role": "assistant", "content": [{"type": "text", "text": text}]}
        whole = chat.encode(self.tokenizer, [*messages, answer], *self.image, row=row)
        start = len(chat.encode_prompt(self.tokenizer, messages, *self.image, row=row))
        pairs = zip(whole.input_ids[start:], whole.supervised[start:], strict=True)
        return [token for token, supervised in pairs if supervised]

    def _form(self, messages: Sequence[Message]) -> Form | None:
        key = (*map(_signature, messages[:-1]), _kinds(messages[-1]))
        if key not in self._forms:
            while len(self._forms) >= HELD:
                self._forms.pop(next(iter(self._forms)))
            try:
                self._forms[key] = self._make_form(messages)
            except InputError:  # reported with its row by the way one by one
                self._forms[key] = None
        return self._forms[key]

    def _make_form(self, messages: Sequence[Message]) -> Form | None:
        """The form of a conversation, or none where its template does not keep to one."""
        if _kinds(messages[-1])[1][-1:] != ("text",) or _kinds(messages[-1])[1].count("text") != 1:
            return None
        first, second = ([*messages[:-1], _with_text(messages[-1], probe)] for probe in PROBES)
        rendered = chat.render(self.tokenizer, first, add_generation_prompt=True)
        before, middle, after = rendered.partition(PROBES[0])
        again = before + PROBES[1] + after
        if not middle or PROBES[0] in after or PROBES[0] in before:
            return None
        if chat.render(self.tokenizer, second, add_generation_prompt=True) != again:
            return None
        form = self._split(before, after, first)
        if not form or not self._agrees(form, second, PROBES[1]):
            return None
        return self._with_answers(form, first, second)

    def _split(self, before: str, after: str, probe: Sequence[Message]) -> Form | None:
        marks = list(self._control.finditer(before))
        anchor = marks[-1][0] if marks else ""
        rest = before[marks[-1].end() :] if marks else before
        ids = chat.encode_prompt(self.tokenizer, probe, *self.image)
        own = self._ids([anchor + rest + PROBES[0] + after])[0][bool(anchor) :]
        if ids[len(ids) - len(own) :] != own:
            return None
        return Form(tuple(ids[: len(ids) - len(own)]), anchor, rest, after)

    def _agrees(self, form: Form, messages: Sequence[Message], text: str) -> bool:
        ids = self._ids([form.text(text)])[0][bool(form.anchor) :]
        return [*form.head, *ids] == chat.encode_prompt(self.tokenizer, messages, *self.image)

    def _with_answers(self, form: Form, *probes: Sequence[Message]) -> Form:
        """Add what stands around an answer, where a text can be read there on its own."""
        marks = list(self._control.finditer(form.after))
        answer = {"role": "assistant", "content": [{"type": "text", "text": PROBES[0]}]}
        if not marks:
            return form
        whole = chat.render(self.tokenizer, [*probes[0], answer])
        start = chat.render(self.tokenizer, probes[0], add_generation_prompt=True) + PROBES[0]
        ends = find_control_tokens(self.tokenizer, whole[len(start) :])
        if not whole.startswith(start) or not ends:
            return form
        rest = whole[len(start) :]
        end = rest[: rest.index(ends[0]) + len(ends[0])]
        full = Form(
            form.head, form.anchor, form.before, form.after, form.after[marks[-1].start() :], end
        )
        return full if self._answers_agree(full, probes) else form

    def _answers_agree(self, form: Form, probes: Sequence[Sequence[Message]]) -> bool:
        assert form.answer is not None and form.end is not None
        wanted = [(form.answer, text, form.end) for text in PROBES]
        expected = [
            self._find_supervised(probe, text, "")
            for probe, text in zip(probes, PROBES, strict=True)
        ]
        return self._encode_after(wanted) == expected


def _last(messages: Sequence[Message]) -> str:
    return "".join(part["text"] for part in messages[-1]["content"] if part["type"] == "text")


def _kinds(message: Message) -> tuple[str, tuple[str, ...]]:
    return message["role"], tuple(part["type"] for part in message["content"])


def _signature(message: Message) -> tuple[str, tuple[str, ...]]:
    return message["role"], tuple(part.get("text", "\0image") for part in message["content"])


def _with_text(message: Message, text: str) -> dict[str, Any]:
    parts = [
        {"type": "text", "text": text} if part["type"] == "text" else part
        for part in message["content"]
    ]
    return {"role": message["role"], "content": parts}
