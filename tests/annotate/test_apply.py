"""People's judgements become a corpus with their corrections, or a list of rows to keep."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from annotate.test_project import corpus_of
from ikusi import artifact, cli
from ikusi.annotate import plan
from ikusi.annotate.apply import apply
from ikusi.annotate.exporting import ADJUDICATOR
from ikusi.annotate.plan import Asked
from ikusi.annotate.store import Given, open_store
from ikusi.data import judged, show
from ikusi.data.corpus import Corpus, CorpusWriter
from ikusi.data.sources.wildvision import read_keep_list
from ikusi.errors import InputError

ONE, TWO, THREE = "annotator-1", "annotator-2", "annotator-3"
ACCEPT = Given("accept")
REJECT = Given("reject", reasons=("meaning", "grammar"), note="Ez da hau.")


def correct(**texts: str) -> Given:
    return Given(
        "reject", correction={name.replace("_", " "): text for name, text in texts.items()}
    )


Said = Mapping[str, Mapping[str, Given]]


def say(folder: Path, said: Said, kind: Any = "person") -> None:
    """Let people answer, by code name and item."""
    store = open_store(folder)
    for seat, words in said.items():
        store.enter(seat, kind=kind)
        for number, (item, given) in enumerate(words.items()):
            assert store.answer(seat, item, given, f"{seat}-{item}-{number}")
    store.close()


def project_of(folder: Path, row_type: str = "vqa", rows: int = 6, people: int = 3) -> Path:
    """A project of every row of a corpus, all of them shared."""
    corpus = corpus_of(folder / "rows", row_type, rows)
    plan.plan_validation(corpus, "eu", Asked(people, rows)).make(folder / "project")
    return folder / "project"


def quarantine(folder: Path) -> dict[str, dict[str, str]]:
    rows: Sequence[dict[str, str]] = pq.read_table(folder / "quarantine.parquet").to_pylist()
    return {row["id"]: row for row in rows}


def test_every_row_is_taken_on_corrected_or_set_aside_with_its_reason(tmp_path: Path) -> None:
    project = project_of(tmp_path)
    fixed = correct(question="zer?", answer_1="gorria")
    say(
        project,
        {
            ONE: {"row-0": ACCEPT, "row-1": fixed, "row-2": REJECT, "row-3": ACCEPT},
            TWO: {"row-0": ACCEPT, "row-1": fixed, "row-2": REJECT, "row-3": REJECT},
            THREE: {"row-0": REJECT, "row-1": ACCEPT, "row-2": fixed},
        },
    )
    counts = apply(project, tmp_path / "checked")
    assert counts["rows_in"] == counts["rows"] + counts["quarantined"] == 6
    expected = {"accepted": 1, "corrected": 1, "rejected": 1, "disputed": 1, "unjudged": 2}
    assert {name: counts[name] for name in expected} == expected
    corpus, before = Corpus.open(tmp_path / "checked"), Corpus.open(tmp_path / "rows")
    assert corpus.ids == ["row-0", "row-1", "row-4", "row-5"]
    assert corpus.image_bytes("picture-0") == before.image_bytes("picture-0")
    assert corpus.take("en", range(4)) == before.take("en", [0, 1, 4, 5])
    rows = corpus.take("eu", range(4))
    assert rows[0] == before.row("eu", 0) and rows[2:] == before.take("eu", [4, 5])
    assert rows[1]["question"] == "zer?" and rows[1]["image_id"] == "picture-0"
    assert rows[1]["answers"] == ["gorria", "gorria", "eu blue", "gorria"]
    assert rows[1]["translator"] == "annotator-1 and annotator-2"
    set_aside = quarantine(tmp_path / "checked")
    assert set_aside["row-2"]["reason"] == (
        "rejected: annotator-1 reject, annotator-2 reject, annotator-3 reject: meaning, grammar"
    )
    assert set_aside["row-3"]["reason"].startswith("disputed: annotator-1 accept, annotator-2")
    assert json.loads(set_aside["row-2"]["row"])["texts"]["eu"]["question"] == "eu 2?"
    said = judged.read(tmp_path / "checked")
    assert set(said) == {"row-0", "row-1", "row-2", "row-3"}
    assert said["row-1"].before == {"question": "eu 1?", "answer 1": "eu red"}
    assert said["row-1"].after == {"question": "zer?", "answer 1": "gorria"}
    assert said["row-1"].said == {ONE: "reject", TWO: "reject", THREE: "accept"}
    assert said["row-2"].notes == ["Ez da hau."] * 2


@pytest.mark.parametrize(
    ("row_type", "correction", "column", "expected"),
    [
        ("caption", {"text": "zuzen"}, "text", "zuzen"),
        ("open", {"question": "zuzen?"}, "question", "zuzen?"),
        ("choice", {"choice 2": "zuzen"}, "choices", ["eu yes", "zuzen"]),
        ("vqa", {"answer 2": "zuzen"}, "answers", ["eu red", "eu red", "zuzen", "eu red"]),
        (
            "instruction",
            {"assistant 1": "zuzen"},
            "turns",
            [
                {"role": "user", "content": "eu 0 0"},
                {"role": "assistant", "content": "zuzen"},
                {"role": "user", "content": "eu 0 2"},
                {"role": "assistant", "content": "eu 0 3"},
            ],
        ),
    ],
)
def test_texts_of_every_row_type_are_put_back_where_they_were(
    tmp_path: Path, row_type: str, correction: dict[str, str], column: str, expected: object
) -> None:
    project = project_of(tmp_path, row_type, rows=2, people=1)
    say(project, {ONE: {"row-0": Given("reject", correction=correction)}})
    apply(project, tmp_path / "checked")
    corpus, before = Corpus.open(tmp_path / "checked"), Corpus.open(tmp_path / "rows")
    own = {"translator", "flags", "score"}
    row, was = (
        {k: v for k, v in one.row("eu", 0).items() if k not in own} for one in (corpus, before)
    )
    assert row == was | {column: expected}


def test_a_correction_that_makes_no_row_is_kept_beside_it(tmp_path: Path) -> None:
    project = project_of(tmp_path, "choice", rows=2, people=1)
    say(project, {ONE: {"row-0": correct(choice_1="eu no"), "row-1": ACCEPT}})
    counts = apply(project, tmp_path / "checked")
    assert (counts["rows"], counts["quarantined"]) == (1, 1)
    reason = quarantine(tmp_path / "checked")["row-0"]["reason"]
    assert reason.startswith("corrected, but choices: expected different choices")
    assert judged.read(tmp_path / "checked")["row-0"].after == {"choice 1": "eu no"}


def test_a_third_opinion_decides(tmp_path: Path) -> None:
    project = project_of(tmp_path, rows=3)
    say(
        project,
        {
            ONE: {"row-0": ACCEPT, "row-1": REJECT, "row-2": ACCEPT},
            TWO: {"row-0": ACCEPT, "row-1": ACCEPT, "row-2": ACCEPT},
            ADJUDICATOR: {"row-0": REJECT, "row-1": correct(question="hara?")},
        },
    )
    counts = apply(project, tmp_path / "checked")
    assert (counts["accepted"], counts["corrected"], counts["rejected"]) == (1, 1, 1)
    corpus = Corpus.open(tmp_path / "checked")
    assert corpus.ids == ["row-1", "row-2"] and corpus.row("eu", 0)["question"] == "hara?"
    accepted = judged.read_accepted(tmp_path / "checked")
    assert accepted and accepted.raters == 2  # whose ratings are counted without the third
    assert (accepted.share, accepted.items, accepted.ratings) == (1.0, 2, 6)


def test_the_last_word_counts_and_what_was_taken_back_does_not(tmp_path: Path) -> None:
    project = project_of(tmp_path, rows=2, people=1)
    say(project, {ONE: {"row-0": REJECT, "row-1": REJECT}})
    store = open_store(project)
    store.answer(ONE, "row-0", ACCEPT, "again")
    store.take_back(ONE, "row-1", "back")
    store.close()
    counts = apply(project, tmp_path / "checked")
    assert (counts["accepted"], counts["unjudged"], counts["rows"]) == (1, 1, 2)


def test_of_several_corrections_the_one_that_most_gave_is_taken(tmp_path: Path) -> None:
    project = project_of(tmp_path, rows=2)
    one, other = correct(question="bat?"), correct(question="bi?")
    say(project, {ONE: {"row-0": one, "row-1": one}, TWO: {"row-0": one}})
    say(project, {THREE: {"row-0": other, "row-1": other}})
    apply(project, tmp_path / "checked")
    corpus = Corpus.open(tmp_path / "checked")
    assert [row["question"] for row in corpus.take("eu", [0, 1])] == ["bat?", "bi?"]
    assert corpus.row("eu", 1)["translator"] == THREE


def test_rows_that_nobody_judged_can_be_left_out(tmp_path: Path) -> None:
    project = project_of(tmp_path, rows=4, people=1)
    say(project, {ONE: {"row-1": ACCEPT}})
    counts = apply(project, tmp_path / "checked", only_judged=True)
    assert (counts["rows"], counts["quarantined"]) == (1, 3)
    assert Corpus.open(tmp_path / "checked").ids == ["row-1"]
    assert "not judged" in quarantine(tmp_path / "checked")["row-0"]["reason"]


def test_acceptance_is_in_the_manifest_and_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = project_of(tmp_path, rows=4, people=1)
    fixed = correct(question="zer?")
    say(project, {ONE: {"row-0": ACCEPT, "row-1": fixed, "row-2": ACCEPT, "row-3": ACCEPT}})
    apply(project, tmp_path / "checked")
    manifest = artifact.read_manifest(tmp_path / "checked") or {}
    accepted = manifest["settings"]["accepted"]
    assert (accepted["share"], accepted["items"], accepted["kind"]) == (0.75, 4, "person")
    assert accepted["low"] < 0.75 < accepted["high"]
    corpus = Corpus.open(tmp_path / "checked")
    with pytest.raises(SystemExit):
        cli.main(["data", "show", str(corpus.folder), "--count", "4"])
    told = " ".join(capsys.readouterr().out.split())
    assert "eu: 75.0% accepted as it was (95 % interval" in told
    assert "from 4 items, 4 ratings by 1 people" in told
    page = show.to_page(corpus, show.draw_samples(corpus, 4), tmp_path / "page.html")
    text = page.read_text("utf-8")
    assert "75.0% accepted" in text and "question was: eu 1?" in text
    assert text.count("annotator-1 said reject") == 1


def test_who_is_simulated_is_told_apart(tmp_path: Path) -> None:
    project = project_of(tmp_path, rows=2)
    say(project, {ONE: {"row-0": REJECT}, TWO: {"row-0": REJECT}}, kind="simulated")
    apply(project, tmp_path / "made-up")
    accepted = judged.read_accepted(tmp_path / "made-up")
    assert accepted and "2 SIMULATED raters" in accepted.in_words()
    say(project, {THREE: {"row-0": ACCEPT}})
    counts = apply(project, tmp_path / "checked")
    assert counts["accepted"] == 1
    assert judged.read(tmp_path / "checked")["row-0"].said == {THREE: "accept"}


def test_another_corpus_than_the_planned_one_is_refused(tmp_path: Path) -> None:
    project = project_of(tmp_path, rows=2, people=1)
    say(project, {ONE: {"row-0": ACCEPT}})
    (tmp_path / "rows").rename(tmp_path / "moved")
    other = corpus_of(tmp_path / "other", "vqa", 3)
    with pytest.raises(InputError, match=r"other: expected the corpus that .* was planned from"):
        apply(project, tmp_path / "checked", corpus=other)
    assert apply(project, tmp_path / "checked", corpus=tmp_path / "moved")["rows"] == 2


def test_the_same_answers_make_nothing_anew_and_others_do(tmp_path: Path) -> None:
    project = project_of(tmp_path, rows=2, people=1)
    say(project, {ONE: {"row-0": ACCEPT}})
    apply(project, tmp_path / "checked")
    first = (tmp_path / "checked" / "manifest.json").stat().st_mtime_ns
    apply(project, tmp_path / "checked")
    assert (tmp_path / "checked" / "manifest.json").stat().st_mtime_ns == first
    store = open_store(project)
    store.answer(ONE, "row-1", REJECT, "more")
    assert apply(project, tmp_path / "checked")["rejected"] == 1
    store.answer(ONE, "row-1", Given("reject", note="Ez."), "a reason less, another note")
    store.close()
    apply(project, tmp_path / "checked")
    row = judged.read(tmp_path / "checked")["row-1"]
    assert (row.reasons, row.notes) == ([], ["Ez."])
    assert Corpus.open(tmp_path / "checked").ids == ["row-0"]


def test_without_answers_there_is_nothing_to_take_on(tmp_path: Path) -> None:
    project = project_of(tmp_path, rows=2, people=1)
    with pytest.raises(InputError, match="project: expected judgements, found none"):
        apply(project, tmp_path / "checked")
    say(project, {ONE: {"row-0": Given("skipped")}})
    with pytest.raises(InputError, match="project: expected judgements, found none"):
        apply(project, tmp_path / "checked")
    assert not (tmp_path / "checked").exists()


def test_a_translation_says_who_corrected_it(tmp_path: Path) -> None:
    with CorpusWriter(tmp_path / "rows", "caption", ["en", "eu"]) as writer:
        texts: dict[str, Any] = {"en": {"text": "a"}, "eu": {"text": "bat"}}
        texts["eu"] |= {"translator": "apertium", "flags": ["length: 3"], "score": 0.5}
        writer.add_row("1", None, texts)
    made = plan.plan_validation(tmp_path / "rows", "eu", Asked(1, 1)).make(tmp_path / "project")
    assert made.project.items["1"].flags == ("length: 3",)
    say(tmp_path / "project", {ONE: {"1": correct(text="bi")}})
    apply(tmp_path / "project", tmp_path / "checked")
    row = Corpus.open(tmp_path / "checked").row("eu", 0)
    assert row["translator"] == "apertium, corrected by annotator-1"
    assert row["text"] == "bi" and not row["flags"] and row["score"] is None


def kept_of(folder: Path, said: Said, people: int) -> Path:
    corpus = corpus_of(folder / "rows", "open", 6)
    plan.plan_selection(corpus, "en", people, 6).make(folder / "project")
    say(folder / "project", said)
    return folder / "project"


def test_the_rows_that_most_keep_are_the_list_that_an_import_reads(tmp_path: Path) -> None:
    keep, drop = Given("keep"), Given("drop", reasons=("knowledge",))
    project = kept_of(
        tmp_path,
        {
            ONE: {"row-0": keep, "row-1": drop, "row-2": keep, "row-3": drop, "row-4": keep},
            TWO: {"row-0": keep, "row-1": drop, "row-2": keep, "row-3": keep, "row-4": drop},
            THREE: {"row-0": keep, "row-1": drop, "row-2": drop},
            ADJUDICATOR: {"row-4": drop},
        },
        people=3,
    )
    counts = apply(project, tmp_path / "keep.txt")
    expected = {"rows_in": 6, "kept": 2, "dropped": 2, "disputed": 1, "unjudged": 1}
    assert counts == expected
    assert read_keep_list(str(tmp_path / "keep.txt")) == {"row-0", "row-2"}
    text = (tmp_path / "keep.txt").read_text("utf-8")
    assert "# dropped row-1: annotator-1 drop, annotator-2 drop, annotator-3 drop: know" in text
    assert "# disputed row-3: annotator-1 drop, annotator-2 keep" in text
    assert "# majority_share: 0.733" in text and "# by 3 raters (person)" in text
    apply(project, tmp_path / "keep.txt")  # a list of ours is written anew
    (tmp_path / "mine.txt").write_text("row-0\n")
    with pytest.raises(InputError, match=r"mine.txt: expected a new file or one of Ikusi's"):
        apply(project, tmp_path / "mine.txt")
    assert (tmp_path / "mine.txt").read_text() == "row-0\n"


def test_an_id_that_a_list_cannot_hold_is_refused(tmp_path: Path) -> None:
    with CorpusWriter(tmp_path / "rows", "open", ["en"]) as writer:
        writer.add_row("#1", None, {"en": {"question": "?"}})
    plan.plan_selection(tmp_path / "rows", "en", 1, 1).make(tmp_path / "project")
    say(tmp_path / "project", {ONE: {"#1": Given("keep")}})
    with pytest.raises(InputError, match="row #1: expected an id that a list can hold"):
        apply(tmp_path / "project", tmp_path / "keep.txt")


def test_comparisons_make_no_corpus(tmp_path: Path) -> None:
    from annotate.people import make_project

    make_project(tmp_path / "project", task="compare")
    say(tmp_path / "project", {ONE: {"row-1": Given("A")}})
    with pytest.raises(
        InputError, match="expected a project of validate or select or own, found one of"
    ):
        apply(tmp_path / "project", tmp_path / "checked")


def test_answers_are_applied_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = project_of(tmp_path, rows=2, people=1)
    say(project, {ONE: {"row-0": ACCEPT, "row-1": REJECT}})
    with pytest.raises(SystemExit) as end:
        cli.main(["annotate", "apply", str(project), "--output", str(tmp_path / "checked")])
    assert not end.value.code
    told = capsys.readouterr().out
    assert "1 quarantined" in told and "50.0% accepted as it was" in told
