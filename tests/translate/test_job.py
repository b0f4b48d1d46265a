import json
import os
import random
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import warm
from data_rows import picture
from ikusi.data.corpus import Corpus, CorpusWriter
from ikusi.data.mixture import Mixture, MixturePart
from ikusi.errors import InputError
from ikusi.translate.gather import gather
from ikusi.translate.shards import Record
from translate.jobs import Capitals, columns, corpus, job, numbered, settings

ROW_TYPES = ["caption", "instruction", "vqa", "choice", "open"]
KILLED = """
import sys, time
from pathlib import Path
from ikusi.data.corpus import Corpus
from translate.jobs import Capitals, job

class Slow(Capitals):
    def outcome(self, row, check):
        time.sleep(0.002)
        return super().outcome(row, check)

root = Path(sys.argv[1])
engine = Slow(ledger=root / "ledger.jsonl")
job(Corpus.open(root / "corpus"), root / "work", engine).run()
"""


def rows_of(folder: Path, language: str) -> list[dict]:
    return pq.read_table(folder / f"{language}.parquet").to_pylist()


@pytest.mark.parametrize("row_type", ROW_TYPES)
def test_a_translated_corpus_holds_each_row_in_both_languages(
    tmp_path: Path, row_type: str
) -> None:
    found = numbered(tmp_path / "corpus", row_type, 11)
    made = job(found, tmp_path / "work")
    made.run()
    counts = gather(made, tmp_path / "out")
    assert (counts["rows_in"], counts["rows"], counts["quarantined"]) == (11, 11, 0)
    both = Corpus.open(tmp_path / "out")
    assert (both.languages, both.row_type.name, both.ids) == (["en", "eu"], row_type, found.ids)
    for place in range(11):
        english, target = both.row("en", place), both.row("eu", place)
        assert english == found.row("en", place)
        assert (target["translator"], target["score"], target["task"]) == ("capitals", -0.5, "t")
        expected = json.loads(json.dumps(columns(row_type, place)).upper())
        own = {name.upper(): target[name] for name in columns(row_type, place)}
        for turn in own.get("TURNS", []):
            turn["ROLE"], turn["CONTENT"] = turn.pop("role").upper(), turn.pop("content")
        assert own == expected
    assert both.image("one").size == (8, 8)


def test_a_translated_corpus_is_trained_on_as_any_other(tmp_path: Path) -> None:
    made = job(numbered(tmp_path / "corpus", "instruction", 10), tmp_path / "work")
    made.run()
    gather(made, tmp_path / "out")
    mixture = Mixture([MixturePart(Corpus.open(tmp_path / "out"), 0.5)], "eu", "en", seed=0)
    assert mixture.counts() == {"out": {"eu": 5, "en": 5}}
    capitals = [sample.messages[0]["content"][-1]["text"].isupper() for sample in mixture]
    assert capitals == [sample.language == "eu" for sample in mixture]


def test_what_is_refused_is_quarantined_with_every_attempt(tmp_path: Path) -> None:
    texts = [
        {"text": f"{'bad' if number % 3 == 0 else 'good'} words {number}"} for number in range(10)
    ]
    made = job(corpus(tmp_path / "corpus", "caption", texts), tmp_path / "work")
    progress = made.run()
    counts = gather(made, tmp_path / "out")
    assert (progress.ok, progress.quarantined, progress.done) == (6, 4, 10)
    assert counts["rows_in"] == counts["rows"] + counts["quarantined"] == 10
    bad = pq.read_table(tmp_path / "out/quarantine.parquet").to_pylist()
    assert [row["id"] for row in bad] == ["row-0", "row-3", "row-6", "row-9"]
    assert bad[0]["reason"] == "engine: expected words, found a bad one"
    kept = json.loads(bad[0]["row"])
    assert (kept["text"], kept["attempts"][0]["raw"]) == ("bad words 0", "BAD WORDS 0")
    assert [row["id"] for row in rows_of(tmp_path / "out", "eu")] == [
        row["id"] for row in rows_of(tmp_path / "out", "en")
    ]


@pytest.mark.parametrize("costly", [True, False])
def test_another_language_is_refused_and_counted(tmp_path: Path, costly: bool) -> None:
    """Costly engines are asked again row by row; others are judged a shard at a time."""
    texts = [{"text": "The cat sits on the mat"}, {"text": "Katua alfonbraren gainean dago orain"}]
    made = job(
        corpus(tmp_path / "corpus", "caption", texts + [{"text": f"a {n}"} for n in range(6)]),
        tmp_path / "work",
        Capitals(costly=costly),
        settings(language="refuse"),
    )
    progress = made.run()
    counts = gather(made, tmp_path / "out")
    assert (progress.ok, progress.quarantined) == (counts["rows"], counts["quarantined"]) == (7, 1)
    bad = pq.read_table(tmp_path / "out/quarantine.parquet").to_pylist()
    assert bad[0]["reason"].startswith("language: expected eu, found en (")


def test_rows_that_say_the_same_are_asked_for_once(tmp_path: Path) -> None:
    texts = [{"text": f"a cat {number % 3}"} for number in range(20)] + [{"text": "bad"}] * 2
    engine = Capitals()
    made = job(corpus(tmp_path / "corpus", "caption", texts), tmp_path / "work", engine)
    made.run()
    counts = gather(made, tmp_path / "out")
    assert sorted(engine.asked) == [["a cat 0"], ["a cat 1"], ["a cat 2"], ["bad"]]
    assert (counts["rows"], counts["quarantined"], counts["repeated"]) == (20, 2, 18)
    assert [row["text"] for row in rows_of(tmp_path / "out", "eu")] == [
        f"A CAT {number % 3}" for number in range(20)
    ]


def test_yes_and_no_come_from_the_language_packs(tmp_path: Path) -> None:
    texts = [
        {"question": "is it red", "choices": ["Yes", "No"], "answer": 1},
        {"question": "is it red", "choices": ["no", "yes"], "answer": 1},
        {"question": "which one", "choices": ["Yes", "a hat"], "answer": 0},
    ]
    engine = Capitals()
    made = job(corpus(tmp_path / "corpus", "choice", texts), tmp_path / "work", engine)
    made.run()
    gather(made, tmp_path / "out")
    assert engine.asked == [["is it red"], ["which one", "Yes", "a hat"]]
    assert [row["choices"] for row in rows_of(tmp_path / "out", "eu")] == [
        ["Bai", "Ez"], ["ez", "bai"], ["YES", "A HAT"],
    ]  # fmt: skip


def test_a_second_run_asks_nothing_and_leaves_the_corpus_as_it_is(tmp_path: Path) -> None:
    found = numbered(tmp_path / "corpus", "caption", 10)
    first = job(found, tmp_path / "work")
    first.run()
    gather(first, tmp_path / "out")
    before = (tmp_path / "out/eu.parquet").stat().st_mtime_ns
    again = Capitals()
    second = job(found, tmp_path / "work", again)
    assert second.run().done == 10
    gather(second, tmp_path / "out")
    assert again.asked == []
    assert (tmp_path / "out/eu.parquet").stat().st_mtime_ns == before


@pytest.mark.parametrize("mended", ["answer", "language", "picture"])
def test_what_was_mended_in_the_source_reaches_the_translation_and_nothing_is_asked_again(
    tmp_path: Path, mended: str
) -> None:
    def written(folder: Path, new: bool) -> Corpus:
        shutil.rmtree(folder, ignore_errors=True)
        with CorpusWriter(folder, "choice", ["en", "gl"]) as writer:
            colour = "blue" if new and mended == "picture" else "red"
            writer.add_image("one", picture(colour), "png", 8, 8, "made here")
            english = columns("choice", 0) | {"answer": int(new and mended == "answer")}
            galician = english | {"question": "novo" if new and mended == "language" else "vello"}
            writer.add_row("a", "one", {"en": english, "gl": galician})
        return Corpus.open(folder)

    first = job(written(tmp_path / "corpus", new=False), tmp_path / "work")
    first.run()
    gather(first, tmp_path / "out")
    engine, source = Capitals(), written(tmp_path / "corpus", new=True)
    second = job(source, tmp_path / "work", engine)
    second.run()
    gather(second, tmp_path / "out")
    made = Corpus.open(tmp_path / "out")
    assert engine.asked == []
    assert made.row("gl", 0) == source.row("gl", 0)
    assert made.row("eu", 0)["answer"] == source.row("en", 0)["answer"]
    assert made.image_bytes("one") == source.image_bytes("one")


def test_another_model_of_the_round_trip_judges_again_without_asking(tmp_path: Path) -> None:
    class Judge:
        def __init__(self, model: str) -> None:
            self.model, self.judged_rows = model, 0

        def settings(self) -> str:
            return self.model

        def judge(self, records: Sequence[Record]) -> list[Record]:
            self.judged_rows += len(records)
            return list(records)

    found, engine = numbered(tmp_path / "corpus", "caption", 5), Capitals()
    job(found, tmp_path / "work", engine, scorers=[Judge("one")]).run()
    same, other = Judge("one"), Judge("two")
    job(found, tmp_path / "work", engine, scorers=[same]).run()
    job(found, tmp_path / "work", engine, scorers=[other]).run()
    assert (same.judged_rows, other.judged_rows, len(engine.asked)) == (0, 5, 5)


@pytest.mark.slow
def test_a_job_killed_at_random_moments_asks_for_no_row_twice(tmp_path: Path) -> None:
    found = numbered(tmp_path / "corpus", "caption", 300)
    for _ in range(5):
        worker = warm.Command(["-c", KILLED, str(tmp_path)], os.environ)
        wanted = _asked(tmp_path) + 1 + random.randrange(40)
        while _asked(tmp_path) < wanted and worker.poll() is None:
            time.sleep(0.005)
        worker.kill()
        worker.communicate()
    kills = _asked(tmp_path)
    assert 5 <= kills < 300
    engine = Capitals(ledger=tmp_path / "ledger.jsonl")
    made = job(found, tmp_path / "work", engine)
    made.run()
    gather(made, tmp_path / "out")
    undisturbed = job(found, tmp_path / "other")
    undisturbed.run()
    gather(undisturbed, tmp_path / "expected")
    assert rows_of(tmp_path / "out", "eu") == rows_of(tmp_path / "expected", "eu")
    # A row may be with the engine when the process is killed, and then only that one.
    assert _asked(tmp_path) <= 300 + 5
    assert not list((tmp_path / "work").rglob("*.tmp"))


def _asked(folder: Path) -> int:
    path = folder / "ledger.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.mark.slow
def test_workers_share_the_work_and_the_last_call_puts_it_together(tmp_path: Path) -> None:
    found = numbered(tmp_path / "corpus", "vqa", 30)
    engines = [Capitals() for _ in range(3)]
    for rank in (2, 0):
        job(found, tmp_path / "work", engines[rank]).run(rank, 3)
    half = job(found, tmp_path / "work")
    with pytest.raises(InputError, match="expected all shards, found 3 unfinished: 1, 4, 7"):
        gather(half, tmp_path / "out")
    job(found, tmp_path / "work", engines[1]).run(1, 3)
    assert sum(len(engine.asked) for engine in engines) == 30
    gather(job(found, tmp_path / "work"), tmp_path / "out")
    assert len(Corpus.open(tmp_path / "out")) == 30


def test_the_same_worker_twice_at_once_is_refused(tmp_path: Path) -> None:
    found = numbered(tmp_path / "corpus", "caption", 8)

    class Meanwhile(Capitals):
        def translate(self, rows, check):  # type: ignore[no-untyped-def]
            with pytest.raises(InputError, match="expected no other run on worker 0 of 2"):
                job(found, tmp_path / "work").run(0, 2)
            job(found, tmp_path / "work").run(1, 2)
            return super().translate(rows, check)

    assert job(found, tmp_path / "work", Meanwhile()).run(0, 2).ok == 4


def test_a_longer_source_asks_only_for_its_new_rows(tmp_path: Path) -> None:
    job(numbered(tmp_path / "corpus", "caption", 10), tmp_path / "work").run()
    engine = Capitals()
    made = job(numbered(tmp_path / "longer", "caption", 13), tmp_path / "work", engine)
    made.run()
    assert engine.asked == [[f"a cat sits on mat {number}"] for number in (10, 11, 12)]
    assert gather(made, tmp_path / "out")["rows"] == 13


def test_a_first_look_is_part_of_the_whole(tmp_path: Path) -> None:
    found = numbered(tmp_path / "corpus", "caption", 10)
    look = job(found, tmp_path / "work", limit=3)
    look.run()
    assert gather(look, tmp_path / "look")["rows"] == 3
    engine = Capitals()
    job(found, tmp_path / "work", engine).run()
    assert len(engine.asked) == 7


def test_a_look_never_takes_the_place_of_the_whole(tmp_path: Path) -> None:
    found = numbered(tmp_path / "corpus", "caption", 10)
    job(found, tmp_path / "work").run()
    with pytest.raises(InputError, match="limit: expected 10 rows or more, as are there, found 3"):
        job(found, tmp_path / "work", limit=3).run()


def test_a_shorter_source_leaves_no_shards_behind(tmp_path: Path) -> None:
    job(numbered(tmp_path / "corpus", "caption", 10), tmp_path / "work").run()
    engine = Capitals()
    made = job(numbered(tmp_path / "shorter", "caption", 6), tmp_path / "work", engine)
    made.run()
    assert engine.asked == []
    assert gather(made, tmp_path / "out")["rows"] == 6
    assert len(list((tmp_path / "work/shards").iterdir())) == 2


def test_another_engine_starts_anew(tmp_path: Path) -> None:
    found = numbered(tmp_path / "corpus", "caption", 6)
    job(found, tmp_path / "work").run()
    engine = Capitals(version=2)
    made = job(found, tmp_path / "work", engine)
    made.run()
    gather(made, tmp_path / "out")
    assert len(engine.asked) == 6
    assert rows_of(tmp_path / "out", "eu")[0]["text"] == "A CAT SITS ON MAT 0 v2"


def test_other_thresholds_ask_again_only_for_what_they_refuse(tmp_path: Path) -> None:
    texts = [{"text": "a cat sits"}, {"text": "see http://a.eu/b there"}]
    found = corpus(tmp_path / "corpus", "caption", texts)
    job(found, tmp_path / "work").run()
    engine = Capitals()
    stricter = job(found, tmp_path / "work", engine, settings(preserved="refuse"))
    progress = stricter.run()
    assert engine.asked == [["see http://a.eu/b there"]]
    assert (progress.ok, progress.quarantined) == (1, 1)


def test_rows_that_were_not_reached_are_asked_for_at_the_next_run(tmp_path: Path) -> None:
    texts = [{"text": f"{'far' if number == 5 else 'near'} {number}"} for number in range(10)]
    found = corpus(tmp_path / "corpus", "caption", texts)
    engine = Capitals()
    first = job(found, tmp_path / "work", engine)
    assert first.run().unreached == 1
    with pytest.raises(InputError, match="expected all shards, found 1 unfinished: 1"):
        gather(first, tmp_path / "out")
    engine.reached, engine.asked = True, []
    second = job(found, tmp_path / "work", engine)
    assert second.run().unreached == 0
    assert engine.asked == [["far 5"]]
    assert gather(second, tmp_path / "out")["rows"] == 10


def test_quarantined_rows_are_asked_for_again_on_request(tmp_path: Path) -> None:
    texts = [{"text": "bad words"}, {"text": "good words"}]
    found = corpus(tmp_path / "corpus", "caption", texts)
    job(found, tmp_path / "work").run()
    better = Capitals(bad="worse")
    made = job(found, tmp_path / "work", better)
    assert made.run().quarantined == 1
    assert made.run(retry=True).ok == 2
    assert better.asked == [["bad words"]]
    assert gather(made, tmp_path / "out")["rows"] == 2


def test_a_torn_line_in_a_journal_costs_that_row_alone(tmp_path: Path) -> None:
    found = numbered(tmp_path / "corpus", "caption", 4)
    first = job(found, tmp_path / "work")
    stream = first.translator.translate
    work = iter(stream(first.plan.read(0), first.check))
    from ikusi.translate import shards

    for outcome in [next(work) for _ in range(3)]:
        row = list(first.plan.read(0))[outcome.place]
        key = int(first.plan.keys[row.place])
        first.shards.journal(0, first.describe_made(0), shards.record(row, key, outcome))
    path = tmp_path / "work/journal/00000.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    engine = Capitals()
    second = job(found, tmp_path / "work", engine)
    second.run()
    assert engine.asked == [["a cat sits on mat 2"], ["a cat sits on mat 3"]]
    assert not path.exists()


def test_shards_of_another_size_are_refused(tmp_path: Path) -> None:
    found = numbered(tmp_path / "corpus", "caption", 4)
    job(found, tmp_path / "work").run()
    with pytest.raises(InputError, match="shard_rows: expected 4 as before, found 3"):
        job(found, tmp_path / "work", chosen=settings(3)).run()


def test_a_corpus_that_speaks_the_language_already_is_refused(tmp_path: Path) -> None:
    made = job(numbered(tmp_path / "corpus", "caption", 4), tmp_path / "work")
    made.run()
    gather(made, tmp_path / "out")
    with pytest.raises(InputError, match="expected a corpus without eu, found one with it"):
        job(Corpus.open(tmp_path / "out"), tmp_path / "again")
