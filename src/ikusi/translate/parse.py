"""Parser of an LLM's answer into a row's texts. Only what is unambiguous is repaired.

Whatever else comes is refused with a reason, and asked for again: a guess would put a wrong
answer beside a picture, unseen.
"""

from __future__ import annotations

import json
import re
from functools import cache

from ikusi.data.rows.shape import Gold, Layout
from ikusi.server import objects
from ikusi.server.objects import UnreadableError
from ikusi.translate.contract import Row
from ikusi.translate.prompt import Format, Labels

MARKER = re.compile(r"(?:^|[\n,;])[ \t]*(?:\*\*)?(\d{1,3})[.)](?:\*\*)?[ \t]*")
QUOTES = {'"': '"', "'": "'", "“": "”", "«": "»", "`": "`"}


def parse(text: str, row: Row, labels: Labels, format: Format) -> list[str]:
    """Read a translation: as many texts as the row has, in its order.

    Raises:
        UnreadableError: it is cut, empty, ambiguous, or has other parts than the row.
    """
    bare = _unwrap(text, row)
    texts = _from_json(bare, row) if format == "json" else _from_labels(bare, row, labels)
    if len(texts) != len(row.texts):
        raise UnreadableError(f"texts: expected {len(row.texts)}, found {len(texts)}")
    if not all(part.strip() for part in texts):
        raise UnreadableError("texts: expected words in all, found an empty one")
    return texts


def _unwrap(text: str, row: Row) -> str:
    """Without a code fence around the whole, unless the row has fences of its own."""
    if "```" not in "".join(row.texts):
        return objects.drop_fence(text)
    if not text.strip():
        raise UnreadableError("answer: expected text, found none")
    return text.strip()


def _from_json(text: str, row: Row) -> list[str]:
    fields = objects.read(text)
    texts: list[str] = []
    for key, value in row.row_type.name_texts(row.texts).items():
        if key not in fields:
            raise UnreadableError(
                f"{key}: expected it in the object, found {', '.join(fields) or 'none'}"
            )
        parts = fields[key] if isinstance(value, list) else [fields[key]]
        if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
            raise UnreadableError(f"{key}: expected text, found {json.dumps(fields[key])[:60]}")
        if isinstance(value, list) and len(parts) != len(value):
            raise UnreadableError(f"{key}: expected {len(value)} texts, found {len(parts)}")
        texts += [part.strip() for part in parts]
    return texts


def _from_labels(text: str, row: Row, labels: Labels) -> list[str]:
    layout = row.row_type.layout
    if layout is Layout.TEXT:
        return [_unquote(_one_line(text, row.texts[0]), row.texts[0])]
    parts = _sections(text, row, labels)
    if layout is Layout.TURNS or len(row.texts) == 1:
        return [_one_line(part, source) for part, source in zip(parts, row.texts, strict=True)]
    question, answers = parts
    ordered = row.row_type.gold is Gold.OPTION
    items = _items(_one_list(answers), len(row.texts) - 1, ordered)
    return [_one_line(question, row.texts[0]), *items]


@cache
def _headers(labels: Labels, strict: bool) -> re.Pattern[str]:
    """Labels as they come: bold, half bold, colon inside or outside, in either language.

    Without bold they count at the beginning of a line, or (unless strict) after a space.
    """
    words = {
        "q": {labels.question, labels.source_question},
        "a": {labels.answer, labels.source_answer},
    }
    either = "|".join(
        rf"(?P<{name}>{'|'.join(re.escape(word) for word in sorted(some))})"
        for name, some in words.items()
    )
    before = r"(?:^[-#>* \t]*|\*\*[ \t]*" + ("" if strict else r"|(?<=\s)") + ")"
    return re.compile(
        rf"{before}(?:{either})(?:[ \t]*\d{{1,2}})?[ \t]*(?:\*\*[ \t]*:|:[ \t]*\*\*|:)[ \t]*",
        re.IGNORECASE | re.MULTILINE,
    )


def _sections(text: str, row: Row, labels: Labels) -> list[str]:
    """The text under each label, in the row's order."""
    listed = row.row_type.layout is Layout.QUESTION
    count = min(len(row.texts), 2) if listed else len(row.texts)
    wanted = ["qa"[place % 2] for place in range(count)]
    loose = _headers(labels, strict=False)
    own_labels = any(loose.search(source) for source in row.texts)
    headers = list(_headers(labels, strict=own_labels).finditer(text))
    kinds = ["q" if header["q"] else "a" for header in headers]
    if not headers:
        beginning = " ".join(text.split())[:40]
        raise UnreadableError(f"labels: expected {labels.question}, found none in: {beginning}")
    if own_labels and kinds != wanted:
        raise UnreadableError(
            "labels: expected none but the layout's, found the row's own among them"
        )
    ends = [*(header.start() for header in headers[1:]), len(text)]
    sections = [text[header.end() : end].strip() for header, end in zip(headers, ends, strict=True)]
    return _in_order(sections, kinds, wanted)


def _in_order(sections: list[str], kinds: list[str], wanted: list[str]) -> list[str]:
    """The sections of the first row, question first; `q` and `a` stand for the labels."""
    if kinds == ["a", "q"] and wanted == ["q", "a"]:
        return sections[::-1]
    if wanted == ["q"] and kinds[:2] == ["q", "a"]:
        kinds, sections = [kinds[0], *kinds[2:]], [sections[0], *sections[2:]]
    rest = kinds[len(wanted) :]
    if kinds[: len(wanted)] != wanted or (rest and rest[0] != wanted[0]):
        names = {"q": "question", "a": "answer"}
        lists = [", ".join(names[kind] for kind in some[:8]) for some in (wanted, kinds)]
        raise UnreadableError(f"labels: expected {lists[0]}, found {lists[1]}")
    return sections[: len(wanted)]  # what follows is a next row, made up


def _one_line(text: str, source: str) -> str:
    """A translation of one line; what a model adds below a blank line is not part of it."""
    text = text.strip()
    if "\n" in source.strip() or "\n" not in text:
        return text
    first, blank, _ = text.partition("\n\n")
    if not blank or "\n" in first.strip():
        raise UnreadableError(f"text: expected one line, found {text.count(chr(10)) + 1}")
    return first.strip()


def _one_list(text: str) -> str:
    """A list without what comes below a blank line, unless the list goes on there."""
    first, blank, rest = text.strip().partition("\n\n")
    return text.strip() if blank and MARKER.match(rest.lstrip()) else first


def _items(text: str, count: int, ordered: bool) -> list[str]:
    """The items of a numbered list, in the order of their numbers.

    `1.10.52` is item 1, `10.52`: a number counts as a marker at the beginning, after a line break
    or after a comma, and every marker must be there exactly once.
    """
    markers = list(MARKER.finditer(text))
    numbers = [int(marker[1]) for marker in markers]
    if not markers or markers[0].start() != 0:
        raise UnreadableError(
            "list: expected it to begin with 1., found " + " ".join(text.split())[:40]
        )
    if sorted(numbers) != list(range(1, count + 1)):
        listed = ", ".join(map(str, numbers[:20]))
        raise UnreadableError(f"list: expected the numbers 1 to {count}, found {listed}")
    if ordered and numbers != sorted(numbers):
        raise UnreadableError("list: expected the options in order, found them in another")
    ends = [*(marker.start() for marker in markers[1:]), len(text)]
    items = {
        number: text[marker.end() : end].strip().rstrip(",;").rstrip()
        for number, marker, end in zip(numbers, markers, ends, strict=True)
    }
    if any("\n" in item for item in items.values()):
        raise UnreadableError("list: expected items of one line, found more")
    return [items[number] for number in range(1, count + 1)]


def _unquote(text: str, source: str) -> str:
    """Without the quotation marks that some put around a whole translation."""
    closing = QUOTES.get(text[:1])
    if closing is None or source[:1] in QUOTES or len(text) < 2 or text[-1] != closing:
        return text
    inner = text[1:-1]
    return text if closing in inner or text[0] in inner else inner.strip()
