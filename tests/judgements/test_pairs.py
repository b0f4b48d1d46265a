"""The answers of two runs, side by side: by row, and only where both were asked the same."""

import logging
from pathlib import Path
from typing import Any

import pytest

from compare.studies import Folder, even
from ikusi.errors import InputError
from ikusi.judgements.pairs import join_pairs
from judgements import answered


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    answered.corpus(tmp_path / "corpora" / "wildvision")
    answered.run(tmp_path / "measured" / "latxa")
    return tmp_path


def other(place: Path, **more: Any) -> Path:
    return answered.run(place / "measured" / "llama", **more)


def test_a_pair_has_question_picture_and_both_answers(place: Path) -> None:
    found = join_pairs(place / "measured/latxa", other(place), "wildvision", "eu")
    assert [pair.id for pair in found] == [f"q{number}" for number in range(6)]
    pair = found[4]
    assert pair.question == "eu: what is <b>4</b> & why?"
    assert pair.answers == {"latxa": "latxa eu 4", "llama": "llama eu 4"}
    assert pair.picture is not None and pair.picture.read() == answered.picture(4)
    assert pair.reference == ""


def test_the_corpus_may_be_anywhere(place: Path) -> None:
    (place / "corpora/wildvision").rename(place / "elsewhere")
    both = place / "measured/latxa", other(place)
    with pytest.raises(InputError, match="wildvision: expected a corpus in eu"):
        join_pairs(*both, "wildvision", "eu")
    assert len(join_pairs(*both, "wildvision", "eu", place / "elsewhere")) == 6


@pytest.mark.parametrize("lacking", [{"failure": "server: 400"}, {"prediction": None}])
def test_a_row_without_an_answer_is_no_pair_and_that_is_said(
    lacking: dict[str, Any], place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = other(place, changes={"q2": lacking})
    with caplog.at_level(logging.WARNING):
        found = join_pairs(place / "measured/latxa", run, "wildvision", "eu")
    assert [pair.id for pair in found] == ["q0", "q1", "q3", "q4", "q5"]
    assert "wildvision eu: 1 of 6 rows have no answer of both runs" in caplog.text


@pytest.mark.parametrize(
    ("column", "value"),
    [("question", "another"), ("image_id", "picture-0"), ("gold", '["a"]'), ("group", "style")],
)
def test_rows_that_were_asked_otherwise_are_refused(column: str, value: str, place: Path) -> None:
    run = other(place, changes={"q2": {column: value}})
    both = (place / "measured/latxa", run)
    with pytest.raises(InputError, match=rf"llama: wildvision eu: row q2: {column}: expected "):
        join_pairs(*both, "wildvision", "eu")
    if column in ("question", "image_id"):  # against the corpus, too
        with pytest.raises(InputError, match=rf"llama: wildvision eu: row q2: {column}: expected "):
            join_pairs(run, both[0], "wildvision", "eu")


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (
            {"rows": 5},
            "llama: wildvision eu: expected the rows of the other run, found none of row q5",
        ),
        (
            {"rows": 7},
            "latxa: wildvision eu: expected the rows of the other run, found none of row q6",
        ),
        ({"changes": {"q1": {"id": "q0"}}}, "row q0: expected each id once, found it twice"),
    ],
)
def test_other_rows_are_refused(more: dict[str, Any], expected: str, place: Path) -> None:
    with pytest.raises(InputError, match=expected):
        join_pairs(place / "measured/latxa", other(place, **more), "wildvision", "eu")


def test_runs_that_were_asked_the_same_first_rows_are_paired_by_these(place: Path) -> None:
    one, two = (answered.run(place / "some" / name, rows=4) for name in ("latxa", "llama"))
    assert len(join_pairs(one, two, "wildvision", "eu")) == 4


def test_rows_that_the_corpus_has_no_more_are_refused(place: Path) -> None:
    one, two = (answered.run(place / "more" / name, rows=7) for name in ("latxa", "llama"))
    with pytest.raises(InputError, match=r"expected rows of corpora/wildvision, found row q6"):
        join_pairs(one, two, "wildvision", "eu")


def test_what_is_no_pair_of_runs_is_refused_in_one_line(place: Path) -> None:
    run, model = place / "measured/latxa", other(place)
    same = answered.run(place / "more/latxa")
    for both, name, code, expected in [
        ((run, same), "wildvision", "eu", "expected runs of different names, found latxa twice"),
        ((run, model), "vqav2", "gl", "vqav2: expected a corpus in gl"),
        ((run, model), "aokvqa", "eu", "aokvqa: expected a benchmark whose answers are generated"),
        ((run, place / "corpora"), "wildvision", "eu", "found no rows.parquet"),
    ]:
        with pytest.raises(InputError, match=expected) as error:
            join_pairs(*both, name, code)
        assert "\n" not in str(error.value)


def test_a_language_that_a_run_was_not_asked_in_is_refused(place: Path) -> None:
    run = other(place, changes={f"q{number}": {"language": "en"} for number in range(6)})
    with pytest.raises(InputError, match="expected rows of wildvision eu, found wildvision en"):
        join_pairs(place / "measured/latxa", run, "wildvision", "eu")


def test_a_gold_answer_that_several_people_gave_stands_once(tmp_path: Path) -> None:
    data = answered.corpus(tmp_path / "corpus")
    gold = {f"q{number}": {"gold": '["cat", "dog", "cat"]'} for number in range(6)}
    runs = [answered.run(tmp_path / name, changes=gold) for name in ("latxa", "llama")]
    found = join_pairs(runs[0], runs[1], "wildvision", "eu", data)
    assert {pair.reference for pair in found} == {"cat; dog"}


def test_runs_of_a_study_have_its_corpus_and_its_gold_answers(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "study", ["grid.ratios=[0,1]", "grid.text_only=[false]"], pictures=2)
    folder.measure(even)
    folder.draw()
    runs = [tmp_path / "study/instruct" / name for name in ("english-eu000", "adapted-eu100")]
    for run in runs:
        run.mkdir(parents=True)
    found = join_pairs(runs[0], runs[1], "miniature/wildvision", "eu")
    assert len(found) == 6 and found[0].reference == "cat" and found[0].group == "drawing"
    assert list(found[0].answers) == ["english-eu000", "adapted-eu100"]
