"""Signs that no person writes: what a model or a decoder leaves in a text when it goes wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Control tokens as the tokenizers of LLMs and translation models spell them.
TOKENS = (
    r"<[|｜][^<>\s]{1,60}[|｜]>",  # <|im_end|>, <|eot_id|>
    r"</?(?:s|unk|pad|bos|eos|mask|cls|sep|think|tool_call|pad_token|eod|eop)>",
    r"<(?:start|end)_of_(?:turn|text|image)>|<(?:extra_id|unused)_?\d+>",
    r"\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|PAD|UNK|CLS|SEP|MASK|BOS|EOS)\]|<</?SYS>>",
    r"<0x[0-9A-Fa-f]{2}>",  # a byte of a letter that was never put together
    r">>[a-z]{2,8}<<|<2[a-z]{2,3}(?:_[A-Za-z]{2,4})?>|\b[a-z]{3}_[A-Z][a-z]{3}\b",
)
CONTROL = (
    # NUL and other control characters, half of a surrogate pair, the sign of a lost letter, and
    # code points that stand for nothing.
    r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffd\ufdd0-\ufdef\ufffe\uffff"
)
BROKEN = re.compile(rf"[{CONTROL}]|" + "|".join(TOKENS))
# Without one of these there is none of those. One set of letters comes first, as `re` then looks in
# half the time.
LIKELY = re.compile(rf"[{CONTROL}<\[_](?:(?<!_)|[A-Z])")
# What changes how other letters are shown, stands for a space in a vocabulary, or has no meaning
# but between two who agreed on one.
ODD = re.compile("[\u202a-\u202e\u2066-\u2069\u2581\ue000-\uf8ff]")


def find_broken(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """Find signs in texts that no person writes and their sources lack, each once."""
    return _find_new(BROKEN, before, after) if any(map(LIKELY.search, after)) else []


def find_odd(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """The same for what few people write."""
    return _find_new(ODD, before, after) if any(map(ODD.search, after)) else []


def _find_new(pattern: re.Pattern[str], before: Sequence[str], after: Sequence[str]) -> list[str]:
    signs = dict.fromkeys(sign for text in after for sign in pattern.findall(text))
    return [sign for sign in signs if not any(sign in text for text in before)]


def spell(sign: str) -> str:
    """A sign as it can be shown anywhere: what has no shape is written as its number.

    >>> spell("<unk>"), spell(chr(0xFFFD))
    ('<unk>', 'U+FFFD')
    """
    return "".join(letter if "!" <= letter <= "~" else f"U+{ord(letter):04X}" for letter in sign)
