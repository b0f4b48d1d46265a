"""Pictures that people gave and others accepted become a corpus, or a benchmark held out of it."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from annotate.people import Served, begin, list_kept, make_own, scene
from annotate.test_apply import quarantine
from ikusi import artifact, cli
from ikusi.annotate import own_corpus
from ikusi.annotate.apply import apply
from ikusi.annotate.contributions import TEXTS
from ikusi.annotate.parts import list_parts
from ikusi.annotate.store import open_store
from ikusi.data import judged
from ikusi.data import rows as row_types
from ikusi.data.corpus import Corpus
from ikusi.errors import InputError
from ikusi.evaluate import benchmark
from ikusi.publish import origins

Serve = Callable[..., Served]
ONE, TWO, THREE = "annotator-1", "annotator-2", "annotator-3"
pytestmark = pytest.mark.usefixtures("stripped_here")


@pytest.mark.parametrize("rows", list(TEXTS))
def test_texts_are_called_as_those_of_rows_are(rows: str) -> None:
    texts = {name: f"a text: {name}" for name in TEXTS[rows]}
    row = own_corpus.make_columns(texts, "choice 2" if rows == "choice" else "")
    parts = list_parts(row_types.load(rows), row, None)
    assert {part.name: part.text for part in parts} == texts
    assert [part.name for part in parts if part.right] == (["choice 2"] if rows == "choice" else [])


def given(folder: Path, pictures: int, rows: str = "vqa", **about: Any) -> Served:
    """A project in which one person gave pictures, each of which another accepted."""
    made = make_own(folder, rows=rows, own=pictures, **about)
    served = Served(made, open_store(made.folder))
    one, two = begin(served, ONE, TWO)
    texts = {"vqa": ("galdera {}?", "bai {}"), "caption": ("etxe {}",)}
    texts["choice"] = ("galdera {}?", "bat {}", "", "bi", "hiru")
    right = {"right": "choice 4"} if rows == "choice" else {}
    for number in range(1, pictures + 1):
        one.give(scene(number, 16), *(text.format(number) for text in texts[rows]), **right)
        assert two.say(number, "accept").status_code == 200
    return served


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("vqa", {"question": "galdera 1?", "answers": ["bai 1"]}),
        ("caption", {"text": "etxe 1"}),
        ("choice", {"question": "galdera 1?", "choices": ["bat 1", "bi", "hiru"], "answer": 2}),
    ],
)
def test_each_kind_of_rows_becomes_a_corpus(
    tmp_path: Path, rows: str, expected: dict[str, Any]
) -> None:
    served = given(tmp_path / "project", 1, rows)
    counts = apply(served.project.folder, tmp_path / "corpus")
    served.store.close()
    corpus = Corpus.open(tmp_path / "corpus")
    assert counts["rows_in"] == counts["rows"] == counts["accepted"] == 1
    assert corpus.row_type.name == rows and corpus.ids == ["own-1"]
    row = corpus.row("eu", 0)
    assert {name: row[name] for name in expected} == expected
    assert corpus.image_bytes(row["image_id"]) == list_kept(served)[0].read_bytes()


def test_the_corpus_has_what_was_accepted_and_says_why_the_rest_is_not_there(
    serve: Serve, tmp_path: Path
) -> None:
    served = serve("own")
    folder = served.project.folder
    one, two, _ = begin(served)
    one.give(scene(1), "Bat?", "Bai.")
    one.give(scene(1), "Bi?", "Ez.", licence="CC0-1.0")
    two.give(scene(2), "Hiru?", "Hiru.")
    two.give(scene(3), "Lau?", "Lau.")
    with pytest.raises(InputError, match="expected judgements, found none"):
        apply(folder, tmp_path / "corpus")
    two.say(1, "accept")
    two.say(2, "corrected", text__0="Bi ala bat?")
    one.say(3, "reject", reason="private", note="Aurpegia")
    counts = apply(folder, tmp_path / "corpus")
    expected = {"rows_in": 4, "rows": 2, "quarantined": 2, "accepted": 1, "corrected": 1}
    expected |= {"rejected": 1, "unreviewed": 1, "disputed": 0, "withdrawn": 0}
    assert counts == expected
    corpus = Corpus.open(tmp_path / "corpus")
    assert corpus.row("eu", 1)["question"] == "Bi ala bat?"
    assert len(set(corpus.image_ids)) == 1
    source = corpus._images[0].row(0)["source"]
    assert source == "annotator-1, CC-BY-4.0; annotator-1, CC0-1.0"
    settings = (artifact.read_manifest(tmp_path / "corpus") or {})["settings"]
    assert settings["licences"] == {"CC-BY-4.0": 1, "CC0-1.0": 1}
    uses = origins.list_uses(origins.trace(tmp_path / "corpus"))  # what a release of it says
    assert [(use.role, use.licence.id) for use in uses] == [
        ("data", "cc-by-4.0"),
        ("data", "cc0-1.0"),
    ]
    bad = quarantine(tmp_path / "corpus")
    assert bad["own-3"]["reason"] == "rejected: annotator-1 reject: private"
    assert bad["own-4"]["reason"].startswith("not reviewed")
    said = judged.read(tmp_path / "corpus")
    assert said["own-2"].before == {"question": "Bi?"} and said["own-3"].notes == ["Aurpegia"]
    accepted = judged.read_accepted(tmp_path / "corpus")
    assert accepted and (accepted.items, accepted.raters) == (3, 2)


@pytest.mark.slow
def test_a_benchmark_holds_out_whole_pictures_that_stay_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    about = {"benchmark": "hall/own", "held_out": 0.4, "seed": 3}
    served = given(tmp_path / "project", 5, "choice", **about)
    folder, output = served.project.folder, tmp_path / "corpora" / "own"
    counts = apply(folder, output)
    trained, held = Corpus.open(output), Corpus.open(tmp_path / "corpora" / "own-held-out")
    assert counts["rows"] == len(trained) and counts["held_out"] == len(held)
    assert counts["rows_in"] == counts["accepted"] == 5 == len(trained) + len(held)
    assert (
        set(trained.image_ids).isdisjoint(held.image_ids) and not held.shows(trained._digests).any()
    )
    found = benchmark.load("hall/own")
    assert (found.corpus, found.row_type, found.scorer) == ("own-held-out", "choice", "options")
    before = set(held.image_ids)
    assert apply(folder, output) == counts  # made once
    (three,) = begin(served, THREE)
    one = served.person(ONE)
    for n, picture in enumerate((1, 2, 3, 50, 51)):
        number = three.give(scene(picture, 16), f"berria {n}", "a", "b", right="choice 1")
        one.say(number, "accept")
    apply(folder, output)
    served.store.close()
    trained, held = Corpus.open(output), Corpus.open(tmp_path / "corpora" / "own-held-out")
    assert len(trained) + len(held) == 10
    assert before <= set(held.image_ids) and set(trained.image_ids).isdisjoint(held.image_ids)
    assert (tmp_path / "benchmarks" / "hall" / "own.yaml").read_text().startswith(own_corpus.MARK)


def test_a_benchmark_needs_rows_on_both_sides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    served = given(tmp_path / "project", 1, benchmark="own")
    with pytest.raises(InputError, match=r"others held out, found \d and \d; more pictures"):
        apply(served.project.folder, tmp_path / "corpus")
    served.store.close()
    assert not (tmp_path / "corpus").exists() and not (tmp_path / "benchmarks").exists()


def test_pictures_are_held_out_by_seed_and_about_as_many_as_asked(tmp_path: Path) -> None:
    made = make_own(tmp_path / "project", benchmark="own", held_out=0.3, seed=5)
    names = [f"{number:032x}.jpeg" for number in range(2000)]
    held = [name for name in names if own_corpus.is_held_out(made, name)]
    assert 540 < len(held) < 660
    other = make_own(tmp_path / "other", benchmark="own", held_out=0.3, seed=6)
    assert held != [name for name in names if own_corpus.is_held_out(other, name)]
    assert not any(
        own_corpus.is_held_out(make_own(tmp_path / "whole"), name) for name in names[:20]
    )


def run(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 0


def test_the_plan_says_what_is_asked_of_each(tmp_path: Path, capsys: Any) -> None:
    output = str(tmp_path / "own")
    arguments = ["annotate", "plan", "own", "--language", "eu", "--output", output]
    arguments += ["--annotators", "4", "--own", "20", "--benchmark", "hall"]
    run(arguments)
    said = capsys.readouterr().out
    assert "Each of 4 people gives 20 pictures with a question and its answer" in said
    assert said.count("/to/") == 5 and "A share of 85% would be known" in said
    about = json.loads((tmp_path / "own" / "project.json").read_text())
    assert about["benchmark"] == "hall"
    assert about["settings"] == {"rows": "vqa", "own": 20, "benchmark": "hall", "held_out": 0.2}
    run(arguments)
    assert "made before" in capsys.readouterr().out
    run([*arguments[:5], "--output", str(tmp_path / "market")])
    about = json.loads((tmp_path / "market" / "project.json").read_text())
    assert about["benchmark"] == "market"  # two projects are two in a table of judgements


@pytest.mark.parametrize(
    ("about", "line"),
    [
        ({"annotators": 1}, "annotators: expected 2 or more, found 1"),
        ({"rows": "open"}, "rows: expected caption, vqa, choice, found open"),
        ({"rows": "caption", "benchmark": "x"}, "expected vqa or choice for a benchmark"),
        ({"benchmark": "../x"}, "benchmark: expected a name"),
        ({"benchmark": "vqav2"}, "benchmark: expected a new name, found vqav2"),
        ({"benchmark": "x", "held_out": 1.0}, "held_out: expected a number between 0 and 1"),
        ({"language": "e/u"}, "language: expected"),
    ],
)
def test_what_cannot_be_planned_is_refused(
    tmp_path: Path, about: dict[str, Any], line: str
) -> None:
    with pytest.raises(InputError, match=re.escape(line)):
        make_own(tmp_path / "project", **about)
