"""Folders of evaluations: more is asked later, nothing is mixed, no failure becomes a score."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ikusi.answer.engine import Query, Reply
from ikusi.data.corpus import Corpus, CorpusWriter
from ikusi.errors import InputError
from ikusi.evaluate import benchmark, run
from ikusi.evaluate.ask import Asker
from ikusi.evaluate.benchmark import Benchmark
from measured import LANGUAGES, PACKS, evaluate, png, rows_of


@pytest.mark.slow
def test_more_can_be_asked_of_a_model_later_and_only_that_is(
    checkpoint: Path,
    benchmarks: Sequence[tuple[Benchmark, Corpus]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, grown = tmp_path / "whole", tmp_path / "grown"
    evaluate(checkpoint, benchmarks[:2], LANGUAGES, PACKS, whole, bootstrap=10)
    evaluate(checkpoint, benchmarks[:1], ["en"], PACKS, grown, bootstrap=10)
    answered: list[str] = []
    asked = Asker.query

    def spy(self: Asker, row: Any) -> Any:
        answered.append(f"{self.benchmark.name} {self.pack.code}")
        return asked(self, row)

    monkeypatch.setattr(Asker, "query", spy)
    found = evaluate(checkpoint, benchmarks[:2], LANGUAGES, PACKS, grown, bootstrap=10)
    assert "miniature/vqa en" not in answered and "miniature/vqa cy" in answered
    assert found == json.loads((whole / "results.json").read_text("utf-8"))
    by_place = {(r["benchmark"], r["language"], r["id"]): r for r in rows_of(whole)}
    assert {(r["benchmark"], r["language"], r["id"]): r for r in rows_of(grown)} == by_place
    answered.clear()
    assert evaluate(checkpoint, benchmarks[:2], LANGUAGES, PACKS, grown, bootstrap=10) == found
    assert not answered, "nothing is left to ask"


@pytest.mark.slow
def test_a_changed_benchmark_or_pack_is_asked_again(
    checkpoint: Path, benchmarks: Sequence[tuple[Benchmark, Corpus]], tmp_path: Path
) -> None:
    (bench, corpus), *_ = benchmarks
    evaluate(checkpoint, [(bench, corpus)], LANGUAGES, PACKS, tmp_path, bootstrap=10)
    before = rows_of(tmp_path)
    shorter = bench.model_copy(update={"max_new_tokens": 1})
    evaluate(checkpoint, [(shorter, corpus)], ["en"], PACKS, tmp_path, bootstrap=10)
    after = rows_of(tmp_path)
    kept = [row for row in before if row["language"] == "cy"]
    assert [row for row in after if row["language"] == "cy"] == kept
    english = [row for row in after if row["language"] == "en"]
    assert len(english) == 4 and all(len(row["prediction"].split()) <= 1 for row in english)


@pytest.mark.slow
def test_a_replaced_picture_is_asked_about_again(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def corpus(colour: tuple[int, int, int]) -> Corpus:
        with CorpusWriter(tmp_path / "corpus", "open", ["en"]) as writer:
            writer.add_image("1", png(colour), "PNG", 16, 16, "test")
            writer.add_row("1", "1", {"en": {"question": "what is on the left ?"}})
        return Corpus.open(tmp_path / "corpus")

    asked: list[str] = []
    query = Asker.query

    def spy(self: Asker, row: Any) -> Query:
        asked.append(row["id"])
        return query(self, row)

    monkeypatch.setattr(Asker, "query", spy)
    bench = benchmark.load("wildvision").model_copy(update={"max_new_tokens": 2})
    for colour in ((9, 9, 9), (200, 9, 9)):
        found = corpus(colour)
        for _ in range(2):
            evaluate(checkpoint, [(bench, found)], ["en"], PACKS, tmp_path / "out", bootstrap=10)
    assert asked == ["1", "1"], "once for each picture"


@pytest.mark.slow
def test_results_of_another_model_are_not_mixed_in(
    checkpoint: Path,
    backbone: Path,
    benchmarks: Sequence[tuple[Benchmark, Corpus]],
    tmp_path: Path,
) -> None:
    evaluate(checkpoint, benchmarks[-1:], ["en"], PACKS, tmp_path, bootstrap=10)
    with pytest.raises(InputError, match=r"expected a new folder or .*llm, found those"):
        evaluate(backbone, benchmarks[-1:], ["en"], PACKS, tmp_path, bootstrap=10)


def test_answers_to_open_questions_are_kept_without_a_score(
    checkpoint: Path, tmp_path: Path
) -> None:
    with CorpusWriter(tmp_path / "wildvision", "open", ["en"]) as writer:
        writer.add_image("1", png((9, 9, 9)), "PNG", 16, 16, "test")
        writer.add_row("1", "1", {"en": {"question": "what is on the left ?"}})
    bench = benchmark.load("wildvision").model_copy(update={"max_new_tokens": 6})
    corpus = Corpus.open(tmp_path / "wildvision")
    found = evaluate(checkpoint, [(bench, corpus)], ["en"], PACKS, tmp_path / "out")
    figures = found["wildvision"]["en"]["all"]
    assert figures["n"] == 1 and figures["score"] is None and figures["majority"] is None
    (row,) = rows_of(tmp_path / "out")
    assert row["correct"] is None and row["gold"] is None and row["prediction"] is not None


class Failing:
    """An engine that has no answer to some questions."""

    name, sees, scores_options, batch_size = "failing", True, True, 8

    def __init__(self, every: int) -> None:
        self.every, self.mended = every, False

    def identity(self) -> Any:
        return ["failing", self.every]

    def prepare(self, pictures: Mapping[str, Any]) -> Mapping[str, Any]:
        return pictures

    def answer(self, queries: Sequence[Query], pictures: Mapping[str, Any]) -> list[Reply]:
        failed = {n for n in range(len(queries)) if n % self.every == 0 and not self.mended}
        return [
            Reply("", failure="refused", seconds=1.0)
            if n in failed
            else Reply("", text="dog", seconds=1.0)
            for n in range(len(queries))
        ]

    def close(self) -> None:
        pass


def test_rows_without_an_answer_are_counted_and_too_many_end_in_an_error(
    benchmarks: Sequence[tuple[Benchmark, Corpus]], tmp_path: Path
) -> None:
    message = "vqa en: expected an answer to at least 99 % of 4 rows, found none to 2"
    with pytest.raises(InputError, match=message):
        run.evaluate(Failing(2), benchmarks[:1], ["en"], PACKS, tmp_path)
    rows = rows_of(tmp_path)
    assert [row["failure"] for row in rows] == ["refused", None, "refused", None]
    assert all(row["correct"] == 0 for row in rows if row["failure"]), "never a right answer"
    figures = json.loads((tmp_path / "results.json").read_text("utf-8"))["miniature/vqa"]["en"]
    assert figures["all"]["failed"] == 2 and figures["all"]["n"] == 4


def test_what_failed_is_asked_again_by_the_next_run(
    benchmarks: Sequence[tuple[Benchmark, Corpus]], tmp_path: Path
) -> None:
    engine = Failing(2)
    with pytest.raises(InputError, match="found none to 2"):
        run.evaluate(engine, benchmarks[:1], ["en"], PACKS, tmp_path)
    engine.mended = True
    figures = run.evaluate(engine, benchmarks[:1], ["en"], PACKS, tmp_path)["miniature/vqa"]["en"]
    assert figures["all"]["failed"] == 0
    assert [row["failure"] for row in rows_of(tmp_path)] == [None] * 4
