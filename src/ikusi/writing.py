"""Functions on written text: letters with their marks, digits, words and scripts, by Unicode.

Nothing here knows a language. What is said of a script comes from Unicode's tables (the `regex`
package has them): which characters are marks, which scripts write words without spaces between,
which consonants are read as one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache

import regex

_JOINERS = "\u200c\u200d"  # ZERO WIDTH NON-JOINER, ZERO WIDTH JOINER
# Letters that are another letter in another shape: full and half width, Arabic in its places,
# ligatures. Not superscripts and fractions, which say something else.
_SHAPES = regex.compile(
    r"[[\p{dt=wide}\p{dt=narrow}\p{dt=initial}\p{dt=medial}\p{dt=final}\p{dt=isolated}"
    r"\p{dt=compat}]&&[\p{L}\p{M}\p{N}]]+",
    regex.V1,
)
_UNSEEN = regex.compile(rf"[[\p{{DI}}\u0640]--[{_JOINERS}]]+", regex.V1)  # and Arabic's kashida
# A joiner says something after a virama, and a non-joiner between Arabic's joining letters
# (Unicode Standard Annex 31, section 2.3); elsewhere it is dust.
_DUST = regex.compile(
    r"(?<!\p{ccc=9})\u200d"
    r"|(?<!\p{ccc=9})(?<![\p{jt=D}\p{jt=L}]\p{jt=T}*)\u200c"
    r"|(?<!\p{ccc=9})\u200c(?!\p{jt=T}*[\p{jt=D}\p{jt=R}])"
)
_APOSTROPHES = str.maketrans(dict.fromkeys("\u2018\u2019\u201b\u02bb\u02bc\ua78b\ua78c", "'"))
_OTHER_DIGIT = regex.compile(r"[\p{Nd}--[0-9]]", regex.V1)

_LETTER = r"[\p{L}\p{N}_]"
# Letters of scripts that write words without spaces between: those whose lines are broken by
# dictionary (Thai, Lao, Khmer, Burmese ...) or anywhere (Chinese, Japanese). A run of Katakana is
# one word, as in Unicode Standard Annex 29.
_UNSPACED = r"[[[\p{lb=SA}\p{lb=ID}\p{lb=CJ}]&&\p{L}]--\p{wb=Katakana}]"
# One such letter with its marks, the letters stacked below it, and the consonants that a killer
# makes its syllable's end.
_CLUSTER = (
    rf"{_UNSPACED}\p{{M}}*(?:(?<=\p{{InSC=Invisible_Stacker}}){_UNSPACED}\p{{M}}*"
    rf"|{_UNSPACED}(?=\p{{InSC=Tone_Mark}}?\p{{InSC=Pure_Killer}})\p{{M}}*)*"
)
_SPACED = rf"[{_LETTER}--{_UNSPACED}][[{_LETTER}--{_UNSPACED}]\p{{M}}{_JOINERS}]*"
_WORD = regex.compile(rf"\d+(?:[.,]\d+)+|{_CLUSTER}|{_SPACED}(?:'{_SPACED})*", regex.V1)
_GRAPHEME = regex.compile(r"\X")
_ONE_UNSPACED = regex.compile(_CLUSTER, regex.V1)
_SCRIPTED = regex.compile(r"[\p{L}--[\p{sc=Zyyy}\p{sc=Zinh}]]", regex.V1)
_IDEOGRAPH = regex.compile(r"\p{Ideographic}")
_INNER = regex.compile(rf"[\p{{M}}{_JOINERS}]")


def to_plain(text: str) -> str:
    """Return ``text`` with one spelling for what reads alike, in Unicode's form NFC.

    Letters in another shape become the plain ones, digits of all scripts 0 to 9, apostrophes one
    character; what is never seen goes, joiners only where they change nothing.

    >>> to_plain("o\\u02bbn \\u0968\\ufeff")
    "o'n 2"
    """
    if text.isascii():
        return text
    text = _SHAPES.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)
    text = _UNSEEN.sub("", unicodedata.normalize("NFC", text))
    return to_ascii_digits(_DUST.sub("", text).translate(_APOSTROPHES))


def to_ascii_digits(text: str) -> str:
    """Return ``text`` with the decimal digits of all scripts as 0 to 9.

    >>> to_ascii_digits("\\u0967\\u0660\\uff13")
    '103'
    """
    if text.isascii():
        return text
    return _OTHER_DIGIT.sub(lambda match: str(unicodedata.decimal(match[0], match[0])), text)


def to_small(text: str, capitals: Mapping[str, str]) -> str:
    """Return ``text`` in small letters; ``capitals`` has those that a language writes otherwise."""
    for capital, letter in capitals.items():
        text = text.replace(capital, letter)
    return text.lower()


def split_words(text: str) -> list[str]:
    """Return the words of a ``plain`` text, with their marks; numbers keep their points.

    Where a script has no spaces between words, each letter with its marks is one, for only a
    dictionary knows more.

    >>> split_words("a red t-shirt, 1,000.5")
    ['a', 'red', 't', 'shirt', '1,000.5']
    """
    words: list[str] = _WORD.findall(text)
    return words


def occurs(part: str, text: str) -> bool:
    """Return whether ``part`` is in ``text`` without cutting a letter from its marks.

    >>> occurs("\\u0915", "\\u0915\\u093e"), occurs("\\u0915\\u093e", "\\u0915\\u093e\\u0932")
    (False, True)
    """
    place = text.find(part)
    if place < 0 or text.isascii():
        return place >= 0
    cuts = {match.start() for match in _GRAPHEME.finditer(text) if not _INNER.match(match[0])}
    cuts |= {0, len(text)}
    while place >= 0:
        if place in cuts and place + len(part) in cuts:
            return True
        place = text.find(part, place + 1)
    return False


def count_words(text: str) -> int:
    """Return about how many words ``text`` has; without spaces, two letters count as one.

    >>> count_words("a red cat"), count_words("\u8fd9\u662f\u4e00\u53ea\u72d7")
    (3, 3)
    """
    spaced = text.count(" ") + 1
    return spaced if text.isascii() else spaced + len(_ONE_UNSPACED.findall(text)) // 2


def count_ideographs(text: str) -> int:
    """Return how many Chinese characters, or others that stand for a word or half, ``text`` has."""
    return 0 if text.isascii() else len(_IDEOGRAPH.findall(text))


def count_letters_in(text: str, scripts: Sequence[str]) -> tuple[int, int]:
    """Return how many letters of a text are of these scripts (by ISO 15924), and of any script.

    >>> count_letters_in("Athens, \u0391\u03b8\u03ae\u03bd\u03b1", ["Grek"])
    (5, 11)
    """
    return len(_of(tuple(scripts)).findall(text)), len(_SCRIPTED.findall(text))


@cache
def _of(scripts: tuple[str, ...]) -> regex.Pattern[str]:
    listed = "".join(rf"\p{{sc={script}}}" for script in scripts)
    return regex.compile(rf"[\p{{L}}&&[{listed}]]", regex.V1)
