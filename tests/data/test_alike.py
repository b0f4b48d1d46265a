"""A corpus whose two languages are the same text is told wherever it is opened for use."""

import logging
from pathlib import Path
from typing import Any

import pytest

from ikusi.data.alike import count_alike
from ikusi.data.corpus import Corpus, CorpusWriter
from ikusi.data.mixture import Mixture, MixturePart
from ikusi.evaluate import benchmark, corpora

ENGLISH, BASQUE = "A man is riding horse number {}.", "Gizon bat {}. zaldi gainean dago."


def corpus(folder: Path, rows: int, same: int, row_type: str = "caption") -> Corpus:
    """Captions or questions, the first `same` of them untranslated."""
    with CorpusWriter(folder, row_type, ["en", "eu"]) as writer:
        for number in range(rows):
            said = {"en": ENGLISH, "eu": ENGLISH if number < same else BASQUE}
            texts: dict[str, Any] = {code: text.format(number) for code, text in said.items()}
            if row_type == "caption":
                columns = {code: {"text": text} for code, text in texts.items()}
            else:
                columns = {
                    code: {"question": text, "choices": ["Coca-Cola", "7 7 7 7", "New York"],
                           "answer": 0}
                    for code, text in texts.items()
                }  # fmt: skip
            writer.add_row(str(number), None, columns)
    return Corpus.open(folder)


def test_copied_prose_is_counted_and_names_and_numbers_are_not(tmp_path: Path) -> None:
    assert count_alike(corpus(tmp_path / "a", 20, 20), "en", "eu") == (20, 20)
    assert count_alike(corpus(tmp_path / "b", 20, 0, "choice"), "en", "eu") == (0, 20)
    assert count_alike(corpus(tmp_path / "c", 20, 7, "choice"), "en", "eu") == (7, 20)


def test_rows_without_prose_say_nothing(tmp_path: Path) -> None:
    with CorpusWriter(tmp_path, "caption", ["en", "eu"]) as writer:
        for number, text in enumerate(["Coca-Cola", "1 2 3 4 5", "New York", "https://a.b/c/d"]):
            writer.add_row(str(number), None, {code: {"text": text} for code in ("en", "eu")})
    assert count_alike(Corpus.open(tmp_path), "en", "eu")[0] == 0


def test_words_without_spaces_between_them_are_prose(tmp_path: Path) -> None:
    with CorpusWriter(tmp_path, "caption", ["en", "eu"]) as writer:
        text = "ผู้ชายกำลังขี่ม้าอยู่บนภูเขาใกล้แม่น้ำ"
        writer.add_row("a", None, {code: {"text": text} for code in ("en", "eu")})
    assert count_alike(Corpus.open(tmp_path), "en", "eu") == (1, 1)


def test_a_large_corpus_is_looked_at_all_over(tmp_path: Path) -> None:
    same, rows = count_alike(corpus(tmp_path, 3000, 1500), "en", "eu")
    assert 400 < rows <= 576 and 0.4 * rows < same < 0.6 * rows


@pytest.mark.parametrize(("same", "warns"), [(30, True), (21, True), (20, False), (0, False)])
def test_training_and_evaluation_say_so_above_half(
    same: int, warns: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = corpus(tmp_path / "vqa", 40, same, "choice")
    told = f"en and eu say the same in {100 * same / 40:.0f} % of rows ({same} of 40 looked at)"
    with caplog.at_level(logging.WARNING):
        Mixture([MixturePart(corpus(tmp_path / "c", 40, same), 0.2)], "eu", "en", 0)
    assert (told in caplog.text) is warns and ("c: en and eu" in caplog.text) is warns
    caplog.clear()
    bench = benchmark.load("aokvqa")
    with caplog.at_level(logging.WARNING):
        corpora.find([bench], ["eu"], tmp_path, {bench.corpus: made.folder})
    assert (told in caplog.text) is warns
