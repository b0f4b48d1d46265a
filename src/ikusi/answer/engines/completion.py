"""Prompts of plain text that the answer goes on from, as lm-evaluation-harness asks bare LLMs.

A question and its answer are one space apart, few-shots a blank line. Where the last characters of
the prompt and the first of an option would share a token they are tokenised apart, as in a chat.
"""

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from ikusi.answer.engine import Message, Query
from ikusi.errors import InputError

BETWEEN_SHOTS = "\n\n"
BEFORE_ANSWER = " "


def write_context(messages: Sequence[Message], where: str) -> str:
    """Return the text to go on from.

    Raises:
        InputError: there is a picture in it, or turns that are no questions and answers.
    """
    parts = []
    for number, message in enumerate(messages):
        expected = ("user", "assistant")[number % 2]
        kinds = {part["type"] for part in message["content"]}
        if message["role"] != expected or kinds != {"text"}:
            actual = f"{message['role']} with {', '.join(sorted(kinds))}"
            raise InputError(f"{where}: expected {expected} with text in a completion, {actual}")
        text = "".join(part["text"] for part in message["content"])
        parts.append(BEFORE_ANSWER + text + BETWEEN_SHOTS if number % 2 else text)
    return "".join(parts)


def encode_prompts(
    tokenizer: PreTrainedTokenizerBase, queries: Sequence[Query]
) -> list[tuple[tuple[int, ...], int]]:
    """Tokens of each prompt, and how many of them all queries of the same few-shots share."""
    if not queries:
        return []
    texts = [write_context(query.messages, query.where) for query in queries]
    shots = [write_context(query.messages[: query.shared], query.where) for query in queries]
    known = list(dict.fromkeys(shots))
    openings = dict(zip(known, _ids(tokenizer, known), strict=True))
    encoded = []
    for ids, shot in zip(_ids(tokenizer, texts), shots, strict=True):
        shared = _alike(ids, openings[shot]) if shot else 0
        encoded.append((tuple(ids), min(shared, len(ids) - 1)))
    return encoded


def encode_continuations(
    tokenizer: PreTrainedTokenizerBase, queries: Sequence[Query]
) -> list[list[list[int]]]:
    """Tokens of each option of each query, as it goes on from the prompt."""
    endings = [query.question.rpartition("\n")[2] for query in queries]
    wanted = {
        (ending, option): [0]
        for ending, query in zip(endings, queries, strict=True)
        for option in query.options
    }
    known = list(wanted)
    whole = _ids(tokenizer, [end + BEFORE_ANSWER + option for end, option in known], bare=True)
    opening = _ids(tokenizer, [end for end, _ in known], bare=True)
    for key, ids, start in zip(known, whole, opening, strict=True):
        wanted[key] = ids[len(start) :] if ids[: len(start)] == start else _own(tokenizer, key[1])
    return [
        [wanted[ending, option] for option in query.options]
        for ending, query in zip(endings, queries, strict=True)
    ]


def _own(tokenizer: PreTrainedTokenizerBase, option: str) -> list[int]:
    return _ids(tokenizer, [BEFORE_ANSWER + option], bare=True)[0]


def _ids(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], bare: bool = False
) -> list[list[int]]:
    if not texts:
        return []
    tokens: list[list[int]] = tokenizer(list(texts), add_special_tokens=not bare).input_ids
    return tokens


def _alike(one: Sequence[int], other: Sequence[int]) -> int:
    """Number of tokens that two lists have in common at their beginning."""
    for place, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return place
    return min(len(one), len(other))
