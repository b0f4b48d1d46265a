"""Rows shown as training sees them: the text comes from the tokens, and nothing hides a mistake."""

import io
import re
from collections.abc import Sequence
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console

import tiny_llava
from data_rows import picture
from ikusi import cli, language
from ikusi.data.corpus import Corpus, CorpusWriter
from ikusi.errors import InputError
from ikusi.model import chat, fusion
from ikusi.model.inspect import (
    Piece,
    Reader,
    Row,
    count_total,
    describe_counts,
    find_places,
    open_reader,
    read,
    split_pieces,
)
from ikusi.model.inspect_view import to_page, to_terminal
from model.families import ENDS, FAMILIES, tokenizer
from model.pairs import llm, tower

FEATURES = 16
LONGEST = 8192
NASTY = "<script>alert(1)</script> [bold]x[/bold]\x1b[31m {{ 7 * 7 }}"
TURNS = [
    ("user", "Zer da hau?\nEsan labur, 日本 🐈."),
    ("assistant", "Katua da, 🐈 bat:\n  beltza."),
    ("user", "What is this?"),
    ("assistant", "A cat, and 3 dogs."),
]


def instruction(turns: Sequence[tuple[str, str]]) -> dict[str, Any]:
    return {"turns": [{"role": role, "content": content} for role, content in turns]}


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    with CorpusWriter(tmp_path / "corpus", "instruction", ["eu", "en"]) as writer:
        stripes = io.BytesIO()
        wide = Image.new("RGB", (96, 32), "black")
        wide.paste("white", (0, 0, 32, 32))
        wide.save(stripes, "PNG")
        writer.add_image("wide", stripes.getvalue(), "png", 96, 32, "made here")
        for id, image_id, turns in (
            ("pictured", "wide", TURNS),
            ("text", None, TURNS[2:]),
            ("nasty", "wide", [("user", NASTY), ("assistant", " ".join(["Bai"] * 30))]),
        ):
            told = instruction(turns)
            writer.add_row(id, image_id, {"eu": told, "en": told})
    return Corpus.open(tmp_path / "corpus")


@cache
def assembled(family: str, aspect: str) -> tuple[Any, Any]:
    words = tokenizer(family)
    return fusion.assemble(tower(), llm(words=len(words)), words, aspect=aspect)


def checkpoint(folder: Path, family: str = "chatml", aspect: str = "square") -> Path:
    fusion.save(*assembled(family, aspect), folder)
    return folder


def bare(folder: Path) -> Path:
    fusion.save(llm(), tokenizer("chatml"), folder)
    return folder


def texts(row: Row, kind: str) -> list[str]:
    return [piece.text for piece in row.pieces if piece.kind == kind]


def printed(reader: Reader, rows: Sequence[Row], **settings: Any) -> str:
    console = Console(file=io.StringIO(), width=100, **settings)
    to_terminal(reader, rows, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as end:
        cli.main([str(argument) for argument in arguments])
    return end.value.code if isinstance(end.value.code, int) else int(end.value.code is not None)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_shown_is_the_rendered_conversation(
    family: str, corpus: Corpus, tmp_path: Path
) -> None:
    reader = open_reader(checkpoint(tmp_path / "model", family))
    words = reader.tokenizer
    for row in read(reader, corpus, "eu", range(2), LONGEST):
        given = TURNS if row.picture else TURNS[2:]
        messages: list[Any] = [{"role": role, "content": text} for role, text in given]
        if row.picture:
            messages[0]["content"] = [{"type": "image"}, {"type": "text", "text": given[0][1]}]
        joined = "".join(piece.text for piece in row.pieces)
        rendered = chat.render(words, messages)
        # The tokenizer's own BOS, and the space that SentencePiece begins every text with, are
        # tokens like any other.
        begun = [opening + rendered for opening in ("", words.bos_token or "", "<s> ")]
        assert joined in begun
        answers = [text for role, text in given if role == "assistant"]
        for answer, learnt in zip(answers, texts(row, "supervised"), strict=True):
            assert answer in learnt and learnt.rstrip().endswith(ENDS[family])
        assert texts(row, "image") == [reader.processor.image_token] * (row.picture is not None)
        assert not any(answer in text for text in texts(row, "prompt") for answer in answers)


def test_counts_are_those_of_the_tokens(corpus: Corpus, tmp_path: Path) -> None:
    reader = open_reader(checkpoint(tmp_path / "model"))
    rows = read(reader, corpus, "eu", range(3), 100)
    for row in rows:
        counted = dict.fromkeys(("prompt", "supervised", "image", "cut"), 0)
        for piece in row.pieces:
            counted[piece.kind] += piece.tokens
        assert counted["image"] == row.image_tokens == (FEATURES if row.picture else 0)
        assert (counted["supervised"], counted["cut"]) == (row.supervised, row.cut)
        assert sum(counted.values()) == row.tokens + row.cut
    assert [row.cut > 0 for row in rows] == [True, False, True]
    assert {row.tokens for row in rows if row.cut} == {100}
    together = count_total(rows)
    assert together.rows == 3 and together.tokens == sum(row.tokens for row in rows)
    assert together.share == sum(row.supervised for row in rows) / together.tokens


@pytest.mark.parametrize("family", ["chatml", "gemma"])
def test_a_cut_anywhere_even_within_a_character_loses_no_text(family: str) -> None:
    words = tokenizer(family)
    messages = [{"role": role, "content": text} for role, text in TURNS]
    whole = chat.encode(words, messages)
    reader = Reader(words)
    text = "".join(piece.text for piece in split_pieces(reader, whole, len(whole.input_ids)))
    assert "日本 🐈" in text
    for kept in range(len(whole.input_ids)):
        found = split_pieces(reader, whole, kept)
        assert "".join(piece.text for piece in found) == text
        assert sum(piece.tokens for piece in found if piece.kind == "cut") == (
            len(whole.input_ids) - kept
        )
        seen = "".join(piece.text for piece in found if piece.kind != "cut")
        within = words.decode(whole.input_ids[:kept], clean_up_tokenization_spaces=False)
        assert seen == within.rstrip("\N{REPLACEMENT CHARACTER}")


def test_neighbouring_images_are_told_apart(tmp_path: Path) -> None:
    reader = open_reader(checkpoint(tmp_path / "model"))
    image = reader.image_token_id
    assert image is not None
    ids = [*[image] * (2 * FEATURES), 40]
    found = split_pieces(reader, chat.Encoded(ids, [False] * len(ids), 2 * FEATURES, 0), len(ids))
    assert [(piece.kind, piece.tokens) for piece in found[:2]] == [("image", FEATURES)] * 2
    assert found[0] == Piece("image", reader.processor.image_token, FEATURES)


@pytest.mark.slow
def test_the_picture_is_shown_as_the_encoder_is_given_it(corpus: Corpus, tmp_path: Path) -> None:
    def seen(aspect: str) -> Image.Image:
        reader = open_reader(checkpoint(tmp_path / aspect, aspect=aspect))
        image = read(reader, corpus, "eu", [0], LONGEST)[0].seen
        assert image is not None and image.size == (32, 32)
        return image

    assert seen("square").getextrema() == ((0, 0),) * 3  # the white third is cut off
    padded = seen("pad")
    assert padded.getpixel((2, 16)) == (255, 255, 255) and padded.getpixel((30, 16)) == (0, 0, 0)
    assert padded.getpixel((16, 1)) == (122, 116, 104)


def test_rows_are_inspected_without_the_weights(corpus: Corpus, tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "model")
    before = read(open_reader(folder), corpus, "eu", [1], LONGEST)
    (folder / "model.safetensors").unlink()
    assert read(open_reader(folder), corpus, "eu", [1], LONGEST) == before


def test_captions_are_asked_for_as_in_training(tmp_path: Path) -> None:
    with CorpusWriter(tmp_path / "captions", "caption", ["en"]) as writer:
        writer.add_image("1", picture(), "png", 8, 8, "made here")
        writer.add_row("caption-1", "1", {"en": {"text": "A red square."}})
    reader = open_reader(checkpoint(tmp_path / "model"))
    row = read(reader, Corpus.open(tmp_path / "captions"), "en", [0], LONGEST)[0]
    prompts = language.load("en").prompts["caption"]
    assert any(prompt in text for prompt in prompts for text in texts(row, "prompt"))
    assert texts(row, "supervised") == ["A red square.<|im_end|>"]


@pytest.mark.slow
def test_the_terminal_names_every_kind(corpus: Corpus, tmp_path: Path) -> None:
    reader = open_reader(checkpoint(tmp_path / "model"))
    rows = read(reader, corpus, "eu", range(3), 100)
    text = printed(reader, rows)
    for line in (
        r"image +×16 <\|image_pad\|>",
        r"supervised +×\d+ Katua da, 🐈 bat:↵",
        r"prompt +×\d+ <\|im_start\|>user↵",
        r"cut +×\d+ ",
        r"pictured · eu · picture 96 x 32",
        r"100 tokens, 16 of them image, \d+ supervised, \d+ cut",
        r"3 rows, .* supervised",
        r"cut +beyond the longest sample",
    ):
        assert re.search(line, text), line
    coloured = printed(reader, rows, force_terminal=True, color_system="standard")
    assert "\x1b[32mKatua da" in coloured and "\x1b[1;34m<|image_pad|>" in coloured
    assert "\x1b" not in text and "[bold]x[/bold]" in text


class Page(HTMLParser):
    """The text under each class of a page, and its tags."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str | None] = []
        self.text: dict[str, str] = {}
        self.sources: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag == "span":
            self.open.append(dict(attrs).get("class"))

    def handle_endtag(self, tag: str) -> None:
        if tag == "span":
            self.open.pop()

    def handle_data(self, data: str) -> None:
        for name in self.open:
            self.text[str(name)] = self.text.get(str(name), "") + data


def test_the_page_holds_every_kind_and_its_pictures(corpus: Corpus, tmp_path: Path) -> None:
    reader = open_reader(checkpoint(tmp_path / "model"))
    rows = read(reader, corpus, "eu", range(3), 100)
    page = Page(to_page(reader, corpus, rows, tmp_path / "new" / "page.html"))
    for kind in ("prompt", "supervised", "cut"):
        told = "".join(text for row in rows for text in texts(row, kind))
        assert page.text[kind] == kind + told.replace("\x1b", "\N{REPLACEMENT CHARACTER}")
    assert page.text["image"] == "image" + "<|image_pad|> ×16" * 2
    assert "<|im_start|>" in page.text["control"] and set(page.text["newline"]) == {"\n"}
    assert page.tags.count("article") == 3 and page.tags.count("img") == 4
    # Each piece of text has a direction of its own, whatever control tokens stand around it.
    assert page.tags.count("bdi") >= sum(len(row.pieces) > 0 for row in rows)
    assert "script" not in page.tags
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.sources)


@pytest.mark.slow
def test_the_command_prints_and_writes(
    corpus: Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = checkpoint(tmp_path / "model")
    assert run("inspect", folder, corpus.folder, "--count", "1") == 0
    shown = capsys.readouterr().out
    assert "pictured · eu" in shown and "text · eu" not in shown
    assert run("inspect", folder, corpus.folder, "--language", "en", "--id", "text") == 0
    assert "text · en" in capsys.readouterr().out
    assert run("inspect", folder, corpus.folder, "--html", tmp_path / "page.html") == 0
    assert (tmp_path / "page.html").exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--id", "text", "--max-length", "10"], "text: expected a token to learn within 10"),
        (["--max-length", "10"], "pictured: expected its images within 10 tokens"),
        (["--id", "txt"], "expected a row txt, found none; did you mean text?"),
        (["--language", "fr"], "expected a language of eu, en, found fr"),
    ],
)
def test_rows_that_cannot_be_learnt_from_are_told_in_one_line(
    options: list[str],
    told: str,
    corpus: Corpus,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = checkpoint(tmp_path / "model")
    capsys.readouterr()
    assert run("inspect", folder, corpus.folder, *options) == 3
    shown = capsys.readouterr()
    assert told in shown.err and shown.err.count("\n") == 1 and shown.out == ""


def test_a_bare_llm_reads_text_alone(corpus: Corpus, tmp_path: Path) -> None:
    reader = open_reader(bare(tmp_path / "llm"))
    row = read(reader, corpus, "eu", [1], LONGEST)[0]
    assert row.image_tokens == 0 and texts(row, "supervised") == ["A cat, and 3 dogs.<|im_end|>"]
    with pytest.raises(InputError, match=r"^pictured: expected text alone for a bare LLM"):
        read(reader, corpus, "eu", [0], LONGEST)


def test_words_that_the_tokenizer_cannot_spell_are_counted(corpus: Corpus) -> None:
    words = tiny_llava.tokenizer()
    words.unk_token = "[UNK]"
    row = read(Reader(words), corpus, "eu", [1], LONGEST)[0]
    assert (
        texts(row, "prompt")[0].count("[UNK]") + texts(row, "supervised")[0].count("[UNK]")
        == row.unknown
        > 0
    )
    assert f"{row.unknown} unknown" in describe_counts(row)
    words.unk_token = words.eos_token
    assert read(Reader(words), corpus, "eu", [1], LONGEST)[0].unknown == 0


def test_folders_without_a_model_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a model, found none"):
        open_reader(tmp_path)
    with pytest.raises(InputError, match="expected the folder of a model, found none"):
        open_reader(tmp_path / "none")


def test_more_rows_than_there_are_is_all_of_them(corpus: Corpus) -> None:
    assert find_places(corpus, 99) == [0, 1, 2]
    assert find_places(corpus, 1) == [0]
    assert find_places(corpus, 1, ["nasty", "text"]) == [2, 1]
