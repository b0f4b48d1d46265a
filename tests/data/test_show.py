"""Looking at a corpus: what is drawn, and that nothing in it is obeyed."""

import base64
import io
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console

from data_rows import picture
from ikusi.data.corpus import Corpus, CorpusWriter
from ikusi.data.show import draw_samples, to_page, to_terminal
from ikusi.errors import InputError

NASTY = "<script>alert(1)</script> [bold]x[/bold] & \x1b[31mred\x07 {{ 7 * 7 }}"


@pytest.fixture
def choices(tmp_path: Path) -> Corpus:
    with CorpusWriter(tmp_path / "corpus", "choice", ["en", "eu"]) as writer:
        writer.add_image("image-1", picture(side=900), "png", 900, 900, "made here")
        for number in range(6):
            english: dict[str, Any] = {"question": NASTY, "choices": ["a", "b"], "answer": 1}
            basque: dict[str, Any] = {"question": "Zer?", "choices": ["x", "y"], "answer": 1}
            if number % 3 == 1:
                basque |= {"translator": "engine <i>", "flags": ["copied"], "score": -0.5}
            writer.add_row(f"row-{number}", "image-1", {"en": english, "eu": basque}, group="<g>")
    return Corpus.open(tmp_path / "corpus")


def printed(corpus: Corpus, **draw: Any) -> str:
    console = Console(file=io.StringIO(), width=100, force_terminal=False)
    to_terminal(draw_samples(corpus, **draw), console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_rows_are_drawn_by_seed_in_order(instructions: Callable[..., Corpus]) -> None:
    corpus = instructions(20)
    drawn = [sample.id for sample in draw_samples(corpus, 5)]
    assert len(set(drawn)) == 5 and drawn == sorted(drawn, key=corpus.ids.index)
    assert [sample.id for sample in draw_samples(corpus, 5)] == drawn
    assert [sample.id for sample in draw_samples(corpus, 5, seed=1)] != drawn
    assert len(draw_samples(corpus, 99)) == 20


def test_flagged_rows_are_found_in_any_language(choices: Corpus) -> None:
    drawn = draw_samples(choices, 9, flagged=True)
    assert [sample.id for sample in drawn] == ["row-1", "row-4"]
    assert drawn[0].sides[1].flags == ["copied"] and drawn[0].sides[0].flags == []


def test_nothing_to_draw_is_told(instructions: Callable[..., Corpus]) -> None:
    corpus = instructions(2)
    with pytest.raises(InputError, match="expected flagged rows, found none"):
        draw_samples(corpus, 1, flagged=True)
    with pytest.raises(InputError, match="count: expected 1 or more, found 0"):
        draw_samples(corpus, 0)


def test_the_terminal_shows_languages_side_by_side(choices: Corpus) -> None:
    text = printed(choices, count=9, flagged=True)
    header = next(line for line in text.splitlines() if " en " in line)
    assert header.index(" en ") < header.index(" eu ")
    assert "row-1 · <g> · 900 x 900" in text and "image image-1" in text
    assert "choice 2: y ✓" in text and "choice 1: x ✓" not in text
    assert "copied" in text and "score -0.50" in text and "engine <i>" in text


def test_the_terminal_obeys_nothing(choices: Corpus) -> None:
    text = printed(choices, count=1)
    assert "\x1b" not in text and "\x07" not in text
    assert "[bold]x[/bold]" in text.replace("\n", "")


class Page(HTMLParser):
    """The tags of a page and the pictures in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]


def test_the_page_holds_its_pictures_and_escapes_the_rest(choices: Corpus, tmp_path: Path) -> None:
    path = to_page(choices, draw_samples(choices, 9), tmp_path / "new" / "page.html")
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert "script" not in page.tags and "i" not in page.tags and "g" not in page.tags
    assert page.tags.count("article") == page.tags.count("img") == 6
    assert "&lt;script&gt;" in text and "{{ 7 * 7 }}" in text
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.sources)
    data = base64.b64decode(page.sources[0].partition(",")[2])
    assert Image.open(io.BytesIO(data)).size == (384, 384)
    assert re.search(r'<dd dir="auto" class="right">y</dd>', text) and '<dl lang="eu">' in text
    assert not re.search(r"https?://|url\(", text)


def test_rows_without_pictures_are_shown(
    instructions: Callable[..., Corpus], tmp_path: Path
) -> None:
    corpus = instructions(3, pictures=False)
    drawn = draw_samples(corpus, 3)
    assert "<img" not in to_page(corpus, drawn, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "user: what 0?" in printed(corpus, count=3)
