"""Whether two languages of a corpus say the same, as after a table's one column was read twice."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from itertools import combinations

from ikusi.data.corpus import Corpus

WINDOWS, ROWS = 8, 64  # of rows that are looked at, spread over the corpus
MOST = 0.5  # of rows with prose, that may be the same: two close languages share a sentence or so
FEWEST = 8  # such rows, below which nothing is said
WORDS, LOWER = 3, 2  # of prose: words, and how many of them do not begin with a capital
LETTERS = 20  # of prose in a script without capitals, where no space divides the words
# Code, markup, addresses, placeholders, paths and files: whatever is in them, it is no prose.
SIGNS = re.compile(
    r"```.*?```|`[^`\n]+`|<[^<>\s][^<>]*>|\{\w*\}|%[-#0-9.]*l*[a-zA-Z]|\S*[/\\=_()@]\S*"
    r"|(?<!\S)--?\w\S*|\S+\.\w+",
    re.DOTALL,
)

logger = logging.getLogger(__name__)


def warn_if_alike(corpus: Corpus, languages: Sequence[str]) -> None:
    """Say which of these languages of a corpus are mostly the same text."""
    for pair in combinations(sorted({code for code in languages if code in corpus.languages}), 2):
        same, rows = count_alike(corpus, *pair)
        if rows >= FEWEST and same > MOST * rows:
            logger.warning(
                "%s: %s and %s say the same in %.0f %% of rows (%d of %d looked at): "
                "is one of them translated?",
                corpus.folder, *pair, 100 * same / rows, same, rows,
            )  # fmt: skip


def count_alike(corpus: Corpus, one: str, other: str) -> tuple[int, int]:
    """Count the rows that have the same text in two languages, and the rows that were compared.

    Names, numbers and yes and no are the same in many languages, so only prose counts. Some 512
    rows are looked at.
    """
    same = rows = 0
    for start in _starts(len(corpus)):
        stop = min(start + ROWS, len(corpus))
        tables = (corpus.rows(code, start, stop).to_pylist() for code in (one, other))
        for pair in zip(*tables, strict=True):
            ours, theirs = (corpus.row_type.texts(row) for row in pair)
            prose = [text for text in ours if is_prose(text)]
            rows += bool(prose)
            same += bool(prose) and all(text in theirs for text in prose)
    return same, rows


def _starts(count: int) -> Iterator[int]:
    """First rows of the windows that are compared; all rows are compared where there are few."""
    step = max(ROWS, count // WINDOWS)
    yield from range(0, count, step)


def is_prose(text: str) -> bool:
    """Whether a text is prose, which differs from language to language, and no name, title or code.

    >>> is_prose("A man is riding a horse."), is_prose("The Coca-Cola Company"), is_prose("7 x 3")
    (True, False, False)
    """
    words = [word for word in SIGNS.sub(" ", text).split() if sum(map(str.isalpha, word)) > 1]
    lower = sum(word == word.lower() and word[0].isalpha() for word in words)
    if len(words) >= WORDS and lower >= LOWER:
        return True
    return any(len(word) >= LETTERS and word.lower() == word.upper() for word in words)
