"""The tokens of texts, whole or in pieces that are tokenised apart."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

from transformers import PreTrainedTokenizerBase

from ikusi.model.tokens import Control


def encode_text(tokenizer: PreTrainedTokenizerBase, text: str, cuts: Sequence[int]) -> list[int]:
    """Ids of `text`, tokenised apart at each of `cuts`; one BOS where the tokenizer wants one."""
    edges = [0, *cuts, len(text)]
    ids = _opening(tokenizer, text)
    for begin, end in pairwise(edges):
        ids += encode_piece(tokenizer, text[begin:end], continued=begin > 0)
    return ids


def encode_with_borders(
    tokenizer: PreTrainedTokenizerBase, control: Control, text: str, borders: Sequence[int]
) -> tuple[list[int], list[int] | None]:
    """Ids of `text`, and how many of them the text before each of `borders` has.

    A tokenizer cuts a text at its control tokens before all else. So of the text before a border,
    the last control token and what follows it are tokenised on their own, and all before them has
    the ids that it has in the whole. None for the borders where that cannot be known by the control
    tokens, or where a token lies across one of them.
    """
    marks = list(control.pattern.finditer(text))
    ends = [mark.end() for mark in marks]
    last = [bisect_right(ends, border) - 1 for border in borders]
    begins = [marks[n].start() if n >= 0 else 0 for n in last]
    tails = [text[begin:border] for begin, border in zip(begins, borders, strict=True)]
    kinds = dict.fromkeys(tails)
    ids, *parts = encode_texts(tokenizer, [text, *kinds])
    tokens = dict(zip(kinds, parts, strict=True))
    opening = _opening(tokenizer, text)
    whole = opening + ids
    places = [place for place, token in enumerate(ids) if token in control.ids]
    if [ids[place] for place in places] != [control.numbers[mark[0]] for mark in marks]:
        return whole, None
    starts = []
    for n, tail in zip(last, tails, strict=True):
        begin = places[n] if n >= 0 else 0
        end = begin + len(tokens[tail])
        if not tail or ids[begin:end] != tokens[tail]:
            return whole, None
        starts.append(len(opening) + end)
    return whole, starts


def encode_texts(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    """Ids of each text as it stands; without offsets and masks where its tokenizer can leave them
    out."""
    fast = getattr(tokenizer, "backend_tokenizer", None)
    if fast is None or fast.padding or fast.truncation or fast.encode_special_tokens:
        ids: list[list[int]] = tokenizer(list(texts), add_special_tokens=False).input_ids
        return ids
    return [one.ids for one in fast.encode_batch_fast(list(texts), add_special_tokens=False)]


def _opening(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """The BOS the tokenizer itself adds, unless the template has written one."""
    bos = tokenizer.bos_token
    if bos is None or text.startswith(bos):
        return []
    first = tokenizer("").input_ids[:1]
    return list(first) if first == [tokenizer.bos_token_id] else []


def encode_piece(tokenizer: PreTrainedTokenizerBase, text: str, continued: bool) -> list[int]:
    """Ids of one piece; one that continues a text hangs on a control token, so that tokenizers
    which put a space before a text's first word do not put one here."""
    if not continued or not text:
        return list(tokenizer(text, add_special_tokens=False).input_ids) if text else []
    anchor = str(tokenizer.eos_token)
    return list(tokenizer(anchor + text, add_special_tokens=False).input_ids)[1:]
