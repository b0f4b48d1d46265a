"""Languages told by what their speakers bring: a list of words, a fastText model."""

import re
import struct
import sys
from pathlib import Path
from typing import Any

import pytest

from ikusi import artifact, language
from ikusi.data import rows as row_types
from ikusi.errors import InputError
from ikusi.language import fasttext_file
from ikusi.language.answers import AnswerLanguage
from ikusi.language.identify import Identifier
from ikusi.translate.checks import Checker
from ikusi.translate.checks.language import describe_foreign
from ikusi.translate.contract import Row
from ikusi.translate.scorers import LanguageJudge
from ikusi.translate.settings import Checks
from language.catalogues import PAIRS

ENGLISH = "A man is riding a horse in the mountains"


PLAIN = [pair for pair in PAIRS if not re.search(r"[%<{\\/_=`-]|\d", "".join(pair))]
"""Messages that are words alone, without code, which all languages share."""


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """A list of the words in every second Basque message."""
    found = {word.strip(",.:;!?") for _, basque in PLAIN[::2] for word in basque.split()}
    path = tmp_path / "words.txt"
    path.write_text("\n".join(sorted(found)), "utf-8")
    return path


def pack(folder: Path, file: Path) -> language.LanguagePack:
    """A pack of a language that nobody knows, with that file as its identifier."""
    text = f"extends: gl.yaml\ncode: xx\nname: Xx\nidentifier: {file.name}\n"
    (folder / "xx.yaml").write_text(text, "utf-8")
    return language.load("xx", folder)


def test_real_texts_are_told_by_a_list_of_words_made_of_others(words: Path) -> None:
    tell = Identifier("zzz", ["en"], str(words))
    english, basque = zip(*PLAIN[1::2], strict=True)
    lost = sum(describe_foreign("zzz", guess, Checks()) is not None for guess in tell.many(basque))
    passed = sum(describe_foreign("zzz", guess, Checks()) is None for guess in tell.many(english))
    assert lost / len(basque) < 0.08  # a community's list has more than these 2,000 words
    assert passed / len(english) < 0.01


def test_a_list_says_nothing_of_a_word_or_two(words: Path) -> None:
    tell = Identifier("zzz", ["en"], str(words))
    assert [
        describe_foreign("zzz", tell(text), Checks()) for text in ("the house", "etxea da")
    ] == [None] * 2
    assert describe_foreign("zzz", tell("the green house"), Checks()) is not None


def test_scripts_come_first_and_other_ones_are_named(words: Path) -> None:
    text = "Мужчина едет на лошади по горам, а за ним бежит большая белая собака."
    assert Identifier("gn", ["en"], str(words))(text).code == "ru"


def test_words_are_compared_without_letter_case_and_numbers(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("\ufeffETXE\nmendi gorria\n", "utf-8")
    tell = Identifier("zzz", ["en"], str(path))
    assert tell("Etxe mendi GORRIA 12 13 14 15") == ("zzz", 1.0, 0.0, True)


def test_a_packs_list_is_used_by_checks_and_evaluations(tmp_path: Path, words: Path) -> None:
    mine, english = pack(tmp_path, words), language.load("en")
    row = Row(0, "r", row_types.load("caption"), [ENGLISH])
    check = Checker(Checks(copied="off"), row_types.load("caption"), english, mine)
    basque = PLAIN[0][1]
    assert check(row, [ENGLISH]).refused == "language: expected xx, found und (1.00)"
    assert "language" not in str(check(row, [basque]).refused)
    judge = LanguageJudge(Checks(), english, mine)
    assert [guess.code for guess in judge.identifier.many([ENGLISH, basque])] == ["und", "xx"]
    tell = AnswerLanguage("xx", ["en"], mine.identifier)
    assert tell.many([ENGLISH, basque]) == ["und", "xx"]


def test_what_a_pack_is_known_by_follows_its_file(tmp_path: Path, words: Path) -> None:
    first = artifact.fingerprint(pack(tmp_path, words))
    assert artifact.fingerprint(pack(tmp_path, words)) == first
    words.write_text("beste", "utf-8")
    assert artifact.fingerprint(pack(tmp_path, words)) != first
    assert "identifier" not in language.load("gl").model_dump()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"etxe\nmendi\n\xff\n", r"words.txt:3: expected text in UTF-8, found other bytes"),
        (b"\n12\n", r"words.txt: expected words, a line each, found none"),
    ],
)
def test_a_damaged_list_is_told_in_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        Identifier("zzz", ["en"], str(path))


def test_a_pack_names_the_line_of_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"xx.yaml:4: identifier: expected a file, found none at"):
        pack(tmp_path, tmp_path / "none.txt")


def made(labels: list[str], magic: int = fasttext_file.MAGIC) -> bytes:
    """A model's file of these labels and one dimension, as the format has it."""
    entries = b"".join(
        f"__label__{label}\0".encode() + struct.pack("<qb", 1, 1) for label in labels
    )
    counts = struct.pack("<3i2q", len(labels), 0, len(labels), 0, -1)
    head = struct.pack("<2i", magic, 12) + struct.pack("<12id", *[1] * 12, 0.0)
    whole = struct.pack("<?2q", False, 1, 1) + struct.pack("<f", 0)
    return head + counts + entries + whole * 2


def test_a_whole_model_lists_its_labels(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(made(["eus_Latn", "grn_Latn"]))
    assert fasttext_file.read_labels(path) == ["__label__eus_Latn", "__label__grn_Latn"]


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (made(["eu"]) + b"\0", "156 bytes where its header says 155"),
        (made(["eu"], 7), "another kind of file"),
        (b"", "a file that ends too early"),
    ],
)
def test_a_model_that_is_not_whole_is_refused_unread(
    tmp_path: Path, data: bytes, found: str
) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(data)
    with pytest.raises(InputError, match=f"expected a whole fastText model, found {found}"):
        Identifier("zzz", ["en"], str(path))


def test_a_model_must_know_the_language_and_have_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(made(["eus_Latn"]))
    with pytest.raises(InputError, match="expected a label for zzz, found 1 others"):
        Identifier("zzz", ["en"], str(path))
    monkeypatch.setitem(sys.modules, "fasttext", None)
    with pytest.raises(InputError, match="expected the package fasttext-community, found none"):
        Identifier("eu", ["en"], str(path))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real model that tells Basque from English, labelled as GlotLID labels them."""
    fasttext: Any = pytest.importorskip("fasttext", reason="fasttext-community is not installed")
    folder = tmp_path_factory.mktemp("fasttext")
    lines = [
        f"__label__{label} {' '.join(text.split())}\n"
        for pair in PAIRS[::2]
        for label, text in zip(("eng_Latn", "eus_Latn"), pair, strict=True)
    ]
    (folder / "texts.txt").write_text("".join(lines), "utf-8")
    found = fasttext.train_supervised(
        str(folder / "texts.txt"),
        dim=8,
        minn=2,
        maxn=4,
        bucket=20000,
        epoch=10,
        thread=1,
        verbose=0,
    )
    found.save_model(str(folder / "model.bin"))
    return folder / "model.bin"


@pytest.mark.slow
def test_real_texts_are_told_by_a_fasttext_model(model: Path) -> None:
    assert set(fasttext_file.read_labels(model)) == {"__label__eng_Latn", "__label__eus_Latn"}
    for expected, own, other in (("eu", 1, 0), ("en", 0, 1)):
        tell = Identifier(expected, ["en", "eu"], str(model))
        right = [guess.code for guess in tell.many([pair[own] for pair in PAIRS[1::2]])]
        wrong = tell.many([pair[other] for pair in PAIRS[1::2]])
        assert right.count(expected) > 0.98 * len(right)
        assert sum(guess.other > 0.5 for guess in wrong) > 0.98 * len(wrong)
    assert tell("two\nlines of English text").code == "en"


@pytest.mark.slow
def test_languages_that_nobody_expects_weigh_less(model: Path) -> None:
    text = "config /etc/eu.conf txt"
    favoured, rare = (Identifier("eu", likely, str(model))(text) for likely in (["en"], ["es"]))
    assert rare.other < favoured.other
