"""Sentence-level translation of whole texts: taken apart, translated once each, put back whole."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ikusi.data import rows as row_types
from ikusi.errors import InputError
from ikusi.translate.contract import (
    CUT,
    Attempt,
    Check,
    Outcome,
    Row,
    Sentence,
    SentenceEngine,
    Verdict,
)

# Never sent to an engine: code, the picture's place, addresses, line breaks with list marks.
BREAK = r"\n\r\v\f\x1c-\x1e\x85\u2028\u2029"
ITEM = rf"(?:[-*•+]|\d+[.)])[^\S{BREAK}]+"
KEPT = re.compile(
    rf"```.*?```|`[^`{BREAK}]+`|<image>|https?://\S+|www\.\S+|\s*[{BREAK}]\s*(?:{ITEM})?", re.DOTALL
)
MARK = re.compile(rf"\s*{ITEM}")
ANOTHER_ITEM = re.compile(rf"[{BREAK}]\s*{ITEM}")
# "2." and "XX." before a small letter are ordinal numbers (Basque "2. mailakoa"), not an end.
ORDINAL = re.compile(r"\b(?:\d+|[IVXLCDM]+)\.\s*\Z")
# Most captions: one sentence, nothing in or around it that needs a closer look.
PLAIN = re.compile(r"""(?=["\d ]*[^\W\d_])["\w][\w ,'"/&-]*(?<! )[^\w\s`<]?""")
LETTER = re.compile(r"[^\W\d_]")
REMEMBERED = 50_000  # sentences: yes, no and red come back again and again
CHARACTERS_PER_TOKEN = 4  # of English; a dry run needs no better
# Halving a batch of 8,192 down to the one sentence at fault takes 14 failures.
MOST_FAILURES = 50

NOTHING = Sentence("")

Piece = tuple[str, bool]


@dataclass(slots=True)
class _Asked:
    """A sentence that the engine is asked for, and what it said or why it said nothing."""

    source: str
    translation: Sentence = NOTHING
    fault: str | None = None


_Taken = list[list["str | _Asked"]]  # the texts of a row, taken apart
_Chunk = list[tuple[Row, _Taken]]


class SentenceTranslator:
    """Translates rows by an engine that knows sentences alone.

    The engine works on one batch of sentences while the last one is checked and the next one read.

    Args:
        engine: what translates sentences.
        source_language: code of the rows' language, which says where sentences end.
    """

    costly = False

    def __init__(self, engine: SentenceEngine, source_language: str) -> None:
        self.engine, self.source_language = engine, source_language
        self.name = engine.name
        self._known: OrderedDict[str, _Asked] = OrderedDict()
        self._works = False

    def settings(self) -> dict[str, Any]:
        """All that its translations depend on, as JSON."""
        return self.engine.settings()

    def list_learnt(self) -> dict[str, Any]:
        """Nothing: all is known before."""
        return {}

    def tokens(self, row: Row) -> tuple[int, int]:
        """Estimated tokens read and written for a row."""
        count = -(-sum(map(len, row.texts)) // CHARACTERS_PER_TOKEN)
        return count, count

    def translate(self, rows: Iterable[Row], check: Check) -> Iterator[Outcome]:
        """Translate rows, in order, as many at a time as suit the engine.

        Raises:
            InputError: the engine fails on everything.
        """
        worker = ThreadPoolExecutor(max_workers=1)
        before: tuple[_Chunk, Future[None]] | None = None
        try:
            for chunk, wanted in self._chunks(rows):
                now = chunk, worker.submit(self._ask, wanted)
                if before:
                    yield from _outcomes(*before, check)
                before = now
            if before:
                yield from _outcomes(*before, check)
        finally:
            worker.shutdown(cancel_futures=True)

    def _chunks(self, rows: Iterable[Row]) -> Iterator[tuple[_Chunk, list[_Asked]]]:
        """Rows by the batch, with those of their sentences that were not asked for of late."""
        chunk: _Chunk = []
        wanted: list[_Asked] = []
        for row in rows:
            chunk.append((row, [self._take_apart(text, wanted) for text in row.texts]))
            if len(wanted) >= self.engine.batch or len(chunk) >= REMEMBERED:
                yield chunk, wanted
                chunk, wanted = [], []
                while len(self._known) > REMEMBERED:
                    self._known.popitem(last=False)
        yield chunk, wanted

    def _take_apart(self, text: str, wanted: list[_Asked]) -> list[str | _Asked]:
        taken: list[str | _Asked] = []
        for piece, is_sentence in split_pieces(text, self.source_language):
            if not is_sentence:
                taken.append(piece)
                continue
            asked = self._known.get(piece)
            if asked is None:
                asked = self._known[piece] = _Asked(piece)
                wanted.append(asked)
            taken.append(asked)
        return taken

    def _ask(self, wanted: list[_Asked]) -> None:
        """Have sentences translated; one that the engine fails on even alone gets a fault."""
        parts, failures, reason = [wanted] if wanted else [], 0, ""
        while parts:
            part = parts.pop()
            try:
                translated = self.engine.translate([asked.source for asked in part])
            except (RuntimeError, MemoryError) as error:
                failures, reason = failures + 1, " ".join(str(error).split()) or repr(error)
                if failures == MOST_FAILURES:
                    break
                if len(part) == 1:
                    part[0].fault = f"engine: expected a translation, found: {reason}"
                else:
                    half = len(part) // 2
                    parts += [part[half:], part[:half]]
                continue
            failures, self._works = 0, True
            for asked, sentence in zip(part, translated, strict=True):
                asked.translation = sentence
        if failures == MOST_FAILURES or (failures > 1 and not self._works):
            raise InputError(f"{self.name}: expected translations, found: {reason}")

    def close(self) -> None:
        """Free what the engine holds."""
        self.engine.close()


def _outcomes(chunk: _Chunk, answered: Future[None], check: Check) -> Iterator[Outcome]:
    answered.result()
    for row, taken in chunk:
        yield _outcome(row, taken, check)


def _outcome(row: Row, taken: _Taken, check: Check) -> Outcome:
    texts = [
        "".join([piece if isinstance(piece, str) else piece.translation.text for piece in text])
        for text in taken
    ]
    used = [piece for text in taken for piece in text if not isinstance(piece, str)]
    score = _score(used)
    cut = (CUT,) if any(asked.translation.cut for asked in used) else ()
    faults = [asked.fault for asked in used if asked.fault]
    verdict = Verdict(faults[0]) if faults else check(row, texts)
    if verdict.refused:
        attempt = Attempt("\n".join(texts), verdict.refused)
        return Outcome(row.place, None, score, cut, (attempt,))
    return Outcome(row.place, texts, score, (*verdict.flags, *cut))


def _score(used: Sequence[_Asked]) -> float | None:
    """The mean of the sentences' scores, each as heavy as it is long."""
    if len(used) == 1:
        return used[0].translation.score
    scores = [
        (one.translation.score, len(one.source))
        for one in used
        if one.translation.score is not None
    ]
    weight = sum(length for _, length in scores)
    return sum(score * length for score, length in scores) / weight if scores else None


def translate_texts(engine: SentenceEngine, texts: Sequence[str], language: str) -> list[str]:
    """Translate whole texts in `language`, in order, without any check; empty where it fails.

    Raises:
        InputError: the engine fails on everything.
    """
    rows = (
        Row(place, str(place), row_types.load("caption"), [text])
        for place, text in enumerate(texts)
    )
    outcomes = SentenceTranslator(engine, language).translate(rows, lambda row, texts: Verdict())
    return [outcome.texts[0] if outcome.texts else "" for outcome in outcomes]


def split_pieces(text: str, language: str) -> list[Piece]:
    """Take a text apart into sentences and what stands between; joined they are the text again.

    Returns:
        Pairs of a piece and whether it is a sentence to translate.

    >>> split_pieces("A cat. ", "en")
    [('A cat.', True), (' ', False)]
    """
    if PLAIN.fullmatch(text):
        return [(text, True)]
    pieces: list[Piece] = []
    mark = MARK.match(text)
    if mark and _is_ordinal(mark[0], text[mark.end() :]) and not ANOTHER_ITEM.search(text):
        mark = None
    place = mark.end() if mark else 0
    if mark:
        pieces.append((mark[0], False))
    for kept in KEPT.finditer(text, place):
        pieces += [*_sentences(text[place : kept.start()], language), (kept[0], False)]
        place = kept.end()
    return [*pieces, *_sentences(text[place:], language)]


def _sentences(text: str, language: str) -> list[Piece]:
    if not LETTER.search(text):
        return [(text, False)] if text else []
    from sentencex import segment

    whole: list[str] = []
    for part in segment(language, text):
        if whole and _is_ordinal(whole[-1], part):
            whole[-1] += part
        else:
            whole.append(part)
    return [piece for sentence in whole for piece in _bare(sentence)]


def _is_ordinal(before: str, after: str) -> bool:
    return after.lstrip()[:1].islower() and ORDINAL.search(before) is not None


def _bare(text: str) -> list[Piece]:
    """A sentence and the white space around it."""
    bare = text.strip()
    if not LETTER.search(bare):
        return [(text, False)] if text else []
    start = text.index(bare[0])
    around = (text[:start], False), (bare, True), (text[start + len(bare) :], False)
    return [piece for piece in around if piece[0]]
