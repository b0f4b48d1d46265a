"""Sentence-level translation of whole texts: taken apart, translated once each, put back whole."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ikusi.errors import InputError
from ikusi.translate.contract import (
    CUT,
    Attempt,
    Check,
    Outcome,
    Row,
    Sentence,
    SentenceEngine,
)
from ikusi.translate.settings import AnySentenceEngine, Command, CTranslate2

# Never sent to an engine: code, the picture's place, addresses, line breaks with list marks.
ITEM = r"(?:[-*•+]|\d+[.)])[^\S\n]+"
KEPT = re.compile(
    rf"```.*?```|`[^`\n]+`|<image>|https?://\S+|www\.\S+|[^\S\n]*\n\s*(?:{ITEM})?", re.DOTALL
)
MARK = re.compile(rf"\s*{ITEM}")
PLAIN = re.compile(r"[^\n`<]*")
INNER_END = re.compile(r"[^\w\s,]\s+\S|www\.|://")
LETTER = re.compile(r"[^\W\d_]")
REMEMBERED = 50_000  # sentences: yes, no and red come back again and again
CHARACTERS_PER_TOKEN = 4  # of English; a dry run needs no better

Piece = tuple[str, bool]


class SentenceTranslator:
    """Translates rows by an engine that knows sentences alone.

    Args:
        engine: what translates sentences.
        source_language: code of the rows' language, which says where sentences end.
    """

    costly = False

    def __init__(self, engine: SentenceEngine, source_language: str) -> None:
        self.engine, self.source_language = engine, source_language
        self.name = engine.name
        self._known: OrderedDict[str, Sentence] = OrderedDict()

    def settings(self) -> dict[str, Any]:
        """All that its translations depend on, as JSON."""
        return self.engine.settings()

    def tokens(self, row: Row) -> tuple[int, int]:
        """Estimated tokens read and written for a row."""
        count = -(-sum(map(len, row.texts)) // CHARACTERS_PER_TOKEN)
        return count, count

    def translate(self, rows: Iterable[Row], check: Check) -> Iterator[Outcome]:
        """Translate rows, in order, as many at a time as suit the engine."""
        held: list[tuple[Row, list[list[Piece]]]] = []
        wanted: dict[str, None] = {}
        for row in rows:
            texts = [pieces(text, self.source_language) for text in row.texts]
            held.append((row, texts))
            for text in texts:
                for piece, is_sentence in text:
                    if is_sentence and piece not in self._known:
                        wanted[piece] = None
            if len(wanted) >= self.engine.batch or len(held) >= REMEMBERED:
                yield from self._settled(held, wanted, check)
                held, wanted = [], {}
        yield from self._settled(held, wanted, check)

    def _settled(
        self,
        held: Sequence[tuple[Row, list[list[Piece]]]],
        wanted: Iterable[str],
        check: Check,
    ) -> Iterator[Outcome]:
        sentences = list(wanted)
        self._known.update(zip(sentences, _translated(self.engine, sentences), strict=True))
        for row, texts in held:
            yield self._outcome(row, texts, check)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    def _outcome(self, row: Row, texts: Sequence[Sequence[Piece]], check: Check) -> Outcome:
        said = [
            "".join([self._known[piece].text if sent else piece for piece, sent in text])
            for text in texts
        ]
        used = [self._known[piece] for text in texts for piece, sent in text if sent]
        scores = [sentence.score for sentence in used if sentence.score is not None]
        score = sum(scores) / len(scores) if scores else None
        cut = (CUT,) if any(sentence.cut for sentence in used) else ()
        verdict = check(row, said)
        if verdict.refused:
            attempt = Attempt("\n".join(said), verdict.refused)
            return Outcome(row.place, None, score, cut, (attempt,))
        return Outcome(row.place, said, score, (*verdict.flags, *cut))

    def close(self) -> None:
        """Free what the engine holds."""
        self.engine.close()


def _translated(engine: SentenceEngine, sentences: Sequence[str]) -> list[Sentence]:
    """Translate sentences; those that the engine breaks on come back empty.

    Raises:
        InputError: it breaks on everything.
    """
    if not sentences:
        return []
    try:
        return engine.translate(sentences)
    except RuntimeError as error:
        if len(sentences) == 1:
            return [Sentence("")]
        half = len(sentences) // 2
        parts = [_translated(engine, part) for part in (sentences[:half], sentences[half:])]
        found = [sentence for part in parts for sentence in part]
        if len(found) > 1 and not any(sentence.text for sentence in found):
            told = " ".join(str(error).split())
            raise InputError(f"{engine.name}: expected translations, found: {told}") from error
        return found


def translated(engine: SentenceEngine, texts: Sequence[str], language: str) -> list[str]:
    """Translate whole texts in `language`, in order, without any check."""
    taken = [pieces(text, language) for text in texts]
    wanted = list(dict.fromkeys(piece for text in taken for piece, sent in text if sent))
    said = dict(zip(wanted, _translated(engine, wanted), strict=True))
    return ["".join(said[piece].text if sent else piece for piece, sent in text) for text in taken]


def pieces(text: str, language: str) -> list[Piece]:
    """Take a text apart into sentences and what stands between; joined they are the text again.

    Returns:
        Pairs of a piece and whether it is a sentence to translate.

    >>> pieces("A cat. ", "en")
    [('A cat.', True), (' ', False)]
    """
    if PLAIN.fullmatch(text) and not INNER_END.search(text):
        return _bare(text)
    found: list[Piece] = []
    mark = MARK.match(text)
    place = mark.end() if mark else 0
    if mark:
        found.append((mark[0], False))
    for kept in KEPT.finditer(text, place):
        found += [*_sentences(text[place : kept.start()], language), (kept[0], False)]
        place = kept.end()
    return [*found, *_sentences(text[place:], language)]


def _sentences(text: str, language: str) -> list[Piece]:
    if not LETTER.search(text):
        return [(text, False)] if text else []
    from sentencex import segment

    return [piece for sentence in segment(language, text) for piece in _bare(sentence)]


def _bare(text: str) -> list[Piece]:
    """A sentence and the white space around it."""
    bare = text.strip()
    if not LETTER.search(bare):
        return [(text, False)] if text else []
    start = text.index(bare[0])
    around = (text[:start], False), (bare, True), (text[start + len(bare) :], False)
    return [piece for piece in around if piece[0]]


def engine(settings: AnySentenceEngine) -> SentenceEngine:
    """The sentence-level engine of these settings.

    Raises:
        InputError: its model or program is not there.
    """
    if isinstance(settings, Command):
        from ikusi.translate.command import CommandEngine

        return CommandEngine(settings)
    if isinstance(settings, CTranslate2):
        from ikusi.translate.nmt import CTranslate2Engine

        return CTranslate2Engine(settings)
    from ikusi.translate.reference import TransformersEngine

    return TransformersEngine(settings)
