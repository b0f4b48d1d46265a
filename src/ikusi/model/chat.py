"""From a conversation to tokens, and which of them the model learns to write.

The chat template is the LLM's own. A conversation is rendered once, as a whole, and the
assistant's spans are read off the render itself: whatever a generation prompt leaves for the
model to write, up to and including the token that ends its turn, is supervised; headers, system
blocks and user turns never are. Nothing here knows any LLM by name.

One rule for images, whatever the template: a template that takes message contents as strings
(those of text-only LLMs) gets an image as the image token followed by a newline, in its place
among the texts; a template that takes lists of parts alone, or that writes images in a way of its
own (those of models that see), gets the parts and writes its own image token.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase

from ikusi.errors import InputError
from ikusi.model.expansion import Images, place_images
from ikusi.model.pieces import encode_text, encode_with_borders
from ikusi.model.rendering import Message, accepts_flattened, apply_template, flatten
from ikusi.model.tokens import Control, compile_control, find_image_token

ROLES = ("system", "user", "assistant")


@dataclass(frozen=True)
class Encoded:
    """A conversation as token ids.

    `input_ids`: ids, each image expanded to its run of image tokens. `supervised`: of the same
    length; True where the token is one the model learns to predict (assistant text and the token
    that ends its turn). `image_tokens`: how many of `input_ids` stand for images. `cut`: tokens
    dropped from the end to respect the maximum length.
    """

    input_ids: list[int]
    supervised: list[bool]
    image_tokens: int
    cut: int


@dataclass(frozen=True)
class _Rendered:
    """A rendered conversation: its text and, for each assistant turn, where it starts and how many
    control tokens to pass before the turn is over."""

    text: str
    turns: list[tuple[int, int]]


def end_of_turn(tokenizer: PreTrainedTokenizerBase) -> str:
    """The token with which the chat template ends an assistant's turn.

    Raises InputError where it ends without one: a model trained so would never stop.
    """
    probe = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    control = compile_control(tokenizer)
    rendered = _render(tokenizer, probe, control, row="")
    start, passed = rendered.turns[0]
    return str(control.pattern.findall(rendered.text, start)[passed])


def list_stops(tokenizer: PreTrainedTokenizerBase, settings: Any) -> list[int]:
    """Token ids that end an answer: those of a model's generation settings, and the one that the
    chat template writes."""
    known = settings.eos_token_id
    stops = set(known if isinstance(known, list) else [] if known is None else [known])
    if tokenizer.chat_template is not None:
        stops.add(int(tokenizer.convert_tokens_to_ids(end_of_turn(tokenizer))))
    return sorted(stops)


def render(
    tokenizer: PreTrainedTokenizerBase,
    messages: Sequence[Message],
    add_generation_prompt: bool = False,
    *,
    row: str = "",
) -> str:
    """The whole conversation as the template writes it, each image as one image token.

    `messages`: `{"role", "content"}` with content a string or a list of `{"type": "image"}` and
    `{"type": "text", "text": ...}`. `row` names the conversation in errors. Raises InputError for
    unknown roles, contents that spell control tokens, images the template loses, and whatever the
    template itself refuses.
    """
    given = _prepare(tokenizer, messages, compile_control(tokenizer), row)
    return _write(tokenizer, messages, given, add_generation_prompt, row)


def _prepare(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], control: Control, row: str
) -> list[dict[str, Any]]:
    """The messages, checked, with contents as the template takes them."""
    strings = [_check_message(tokenizer, message, control, row) for message in messages]
    return strings if accepts_flattened(tokenizer) else _as_parts(messages)


def encode(
    tokenizer: PreTrainedTokenizerBase,
    messages: Sequence[Message],
    images: Images = 0,
    image_token_id: int | None = None,
    max_length: int | None = None,
    *,
    row: str = "",
) -> Encoded:
    """Tokens of a conversation, with the ones to learn marked.

    `images`: what takes the place of each `image_token_id`, which the template writes. What exceeds
    `max_length` tokens is dropped from the end and counted. Raises InputError (starting with `row`)
    where the cut would fall inside an image or leaves nothing to learn, and where the template
    cannot be followed (see `render`).
    """
    control = compile_control(tokenizer)
    rendered = _render(tokenizer, messages, control, row)
    if not rendered.turns:
        raise InputError(f"{_where(row)}expected an assistant turn to learn from, found none")
    ids, starts = _tokens(tokenizer, rendered, control)
    supervised = _mark(ids, starts, rendered.turns, control)
    count = ids.count(image_token_id) if image_token_id is not None else 0
    wide, supervised, end = place_images(ids, supervised, images, image_token_id)
    limit = len(wide) if max_length is None else max_length
    _check_cut(wide, supervised, limit, end, row)
    kept = wide[:limit]
    return Encoded(kept, supervised[:limit], len(wide) - len(ids) + count, len(wide) - len(kept))


def encode_prompt(
    tokenizer: PreTrainedTokenizerBase,
    messages: Sequence[Message],
    images: Images = 0,
    image_token_id: int | None = None,
    *,
    row: str = "",
) -> list[int]:
    """Tokens to generate from: the conversation up to where the assistant's next turn begins.

    Token for token the beginning of what `encode` gives for the same messages with an answer
    appended, so a model is asked exactly as it was trained.
    """
    control = compile_control(tokenizer)
    rendered = _render(tokenizer, messages, control, row, add_generation_prompt=True)
    ids, _ = _tokens(tokenizer, rendered, control)
    return place_images(ids, [False] * len(ids), images, image_token_id)[0]


def _where(row: str) -> str:
    return f"{row}: " if row else ""


def count_images(messages: Sequence[Message]) -> int:
    """Number of images that a conversation shows."""
    contents = (message["content"] for message in messages)
    return sum(
        part["type"] == "image"
        for parts in contents
        if not isinstance(parts, str)
        for part in parts
    )


def _check_message(
    tokenizer: PreTrainedTokenizerBase, message: Message, control: Control, row: str
) -> dict[str, str]:
    """The message with its content as a string, refused if its text spells a control token."""
    role, content = message["role"], message["content"]
    if role not in ROLES:
        raise InputError(f"{_where(row)}role: expected one of {', '.join(ROLES)}, found {role!r}")
    text = flatten(content, "")
    if spelled := control.pattern.search(text):
        raise InputError(
            f"{_where(row)}{role} turn: expected text, found the control token {spelled[0]!r} in it"
        )
    pictured = bool(count_images([message]))
    return {
        "role": role,
        "content": flatten(content, find_image_token(tokenizer)) if pictured else text,
    }


def _as_parts(messages: Sequence[Message]) -> list[dict[str, Any]]:
    def parts(content: str | Sequence[Message]) -> list[Message]:
        return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)

    return [{"role": m["role"], "content": parts(m["content"])} for m in messages]


def _check_images(tokenizer: PreTrainedTokenizerBase, expected: int, text: str, row: str) -> None:
    if not expected:
        return
    count = text.count(find_image_token(tokenizer))
    if count != expected:
        raise InputError(
            f"{_where(row)}expected {expected} image tokens in the rendered conversation, "
            f"found {count}: the chat template drops or repeats images"
        )


def _write(
    tokenizer: PreTrainedTokenizerBase,
    messages: Sequence[Message],
    given: list[dict[str, Any]],
    add_generation_prompt: bool,
    row: str,
) -> str:
    """The whole conversation as text, of `messages` as they are `given`."""
    text = apply_template(tokenizer, [given], add_generation_prompt, _where(row))[0]
    _check_images(tokenizer, count_images(messages), text, row)
    return text


def _render(
    tokenizer: PreTrainedTokenizerBase,
    messages: Sequence[Message],
    control: Control,
    row: str,
    add_generation_prompt: bool = False,
) -> _Rendered:
    """Render the whole conversation and find its assistant turns."""
    given = _prepare(tokenizer, messages, control, row)
    text = _write(tokenizer, messages, given, add_generation_prompt, row)
    answers = [index for index, message in enumerate(messages) if message["role"] == "assistant"]
    asked = _ask(tokenizer, [given[:index] for index in answers], row)
    turns = []
    for index in answers:
        where = f"{_where(row)}message {index + 1}: "
        answer = flatten(messages[index]["content"], "").strip()
        if not answer:
            raise InputError(f"{where}expected an answer, found an empty assistant turn")
        prompt = next(asked)
        _check_images(tokenizer, count_images(messages[:index]), prompt, row)
        turns.append(_find_turn(text, prompt, answer, control, where))
    return _Rendered(text, turns)


def _ask(
    tokenizer: PreTrainedTokenizerBase, conversations: list[list[dict[str, Any]]], row: str
) -> Iterator[str]:
    """Conversations up to where an answer begins, rendered in one call; where one of them is
    refused, each when it is its turn, so that what is wrong in an earlier turn is said first."""
    try:
        yield from apply_template(tokenizer, conversations, True, _where(row))
    except InputError:
        for one in conversations:
            yield from apply_template(tokenizer, [one], True, _where(row))


def _find_turn(
    text: str, prompt: str, answer: str, control: Control, where: str
) -> tuple[int, int]:
    """Find where the turn that follows `prompt` starts in `text`, and count the control tokens
    that come in it before its answer."""
    if not text.startswith(prompt):
        raise InputError(
            f"{where}the chat template renders the conversation before this turn differently "
            "when more follows, so its spans cannot be supervised"
        )
    place = text.find(answer, len(prompt))
    if place < 0:
        raise InputError(f"{where}the chat template rewrites the assistant's text")
    passed = len(control.pattern.findall(text, len(prompt), place))
    if not control.pattern.search(text, place + len(answer)):
        raise InputError(
            f"{where}the chat template ends the assistant's turn without a control token, "
            "so a model could not learn to stop"
        )
    return len(prompt), passed


def _tokens(
    tokenizer: PreTrainedTokenizerBase, rendered: _Rendered, control: Control
) -> tuple[list[int], list[int]]:
    """Ids of the text, and the index at which each assistant turn's tokens start.

    Where the prompt's last characters and the answer's first would share a token, the text is
    tokenised apart at that point, because that is what generation does: the prompt is there first.
    Offsets alone do not show such tokens (byte-level tokenizers trim spaces from them), so the
    prompt's own tokens are compared.
    """
    borders = [start for start, _ in rendered.turns]
    ids, places = encode_with_borders(tokenizer, control, rendered.text, borders)
    if places is not None:
        return ids, places
    cuts: list[int] = []
    starts = []
    for start in borders:
        prompt = encode_text(tokenizer, rendered.text[:start], cuts)
        if ids[: len(prompt)] != prompt:
            cuts.append(start)
            ids = encode_text(tokenizer, rendered.text, cuts)
        starts.append(len(prompt))
    return ids, starts


def _mark(
    ids: Sequence[int], starts: Sequence[int], turns: Sequence[tuple[int, int]], control: Control
) -> list[bool]:
    """Supervise each turn from its start through the control token that ends it."""
    supervised = [False] * len(ids)
    for index, (_, passed) in zip(starts, turns, strict=True):
        while passed >= 0:
            supervised[index] = True
            passed -= ids[index] in control.ids
            index += 1
    return supervised


def _check_cut(
    ids: Sequence[int], supervised: Sequence[bool], limit: int, end: int, row: str
) -> None:
    if end > limit:
        raise InputError(
            f"{_where(row)}expected its images within {limit} tokens, found them to end at {end}"
        )
    if not any(supervised[:limit]):
        raise InputError(
            f"{_where(row)}expected a token to learn within {limit} tokens, found none: "
            f"the conversation has {len(ids)}"
        )
