"""The tokens of texts, whole or in pieces that are tokenised apart."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from transformers import PreTrainedTokenizerBase


def encode_text(tokenizer: PreTrainedTokenizerBase, text: str, cuts: Sequence[int]) -> list[int]:
    """Ids of `text`, tokenised apart at each of `cuts`; one BOS where the tokenizer wants one."""
    edges = [0, *cuts, len(text)]
    ids = _opening(tokenizer, text)
    for begin, end in pairwise(edges):
        ids += encode_piece(tokenizer, text[begin:end], continued=begin > 0)
    return ids


def encode_texts(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> list[list[int]]:
    """The same for several texts without cuts, which begin alike; a call for each costs more than
    its tokens."""
    if not all(texts):
        return [encode_text(tokenizer, text, []) for text in texts]
    opening = _opening(tokenizer, texts[0])
    return [opening + ids for ids in tokenizer(texts, add_special_tokens=False).input_ids]


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
