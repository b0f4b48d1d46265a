"""Judgements to files and back: every format, and what other programs write."""

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from ikusi.errors import InputError
from ikusi.judgements import Judgement, append, read
from ikusi.judgements.exporting import export_file
from ikusi.judgements.formats import label_studio
from ikusi.judgements.importing import import_file
from ikusi.judgements.journal import QUARANTINE
from judgements.samples import compared, validated

LATER = "2026-11-28T11:00:00Z"
ODD = "Zer da?\n\"Hau\", 'hori' \u200f; =1+1 \U0001f600\r\ta"
FULL = [
    validated("1", "ane", "reject", reasons=["meaning", "too long"], note=ODD, seconds=3.25),
    validated("1", "jon", "accept", correction={"question": ODD, "answers.2": "bai"}),
    validated("1", "jon", "skipped", made=LATER),
    compared("2", "ane", "latxa", criteria={"relevance": "A", "language": "tie"}),
    compared("2", "jon", "llama", swapped=True, kind="simulated", seed=7),
    compared("2", "gpt-5", "tie", kind="model", raw=ODD, prompt_hash="ab", seed=-1),
    compared("3", "gpt-5", "invalid", kind="model", raw="?"),
    validated("4", "jon", "drop", task="select", weight=0.25, reasons=["needs an expert"]),
]


def rows(folder: Path) -> list[Judgement]:
    return list(read(folder))


@pytest.mark.parametrize("name", ["all.csv", "all.jsonl", "all.parquet"])
def test_formats_of_ours_keep_every_row_and_field(tmp_path: Path, name: str) -> None:
    append(tmp_path / "t", FULL)
    assert export_file(tmp_path / "t", tmp_path / name) == (8, 0, 0)
    counts = import_file(tmp_path / name, tmp_path / "again")
    assert (counts.rows, counts.added, counts.known, counts.quarantined) == (8, 8, 0, 0)
    assert rows(tmp_path / "again") == FULL


def test_label_studio_keeps_the_last_word_of_each_rater(tmp_path: Path) -> None:
    append(tmp_path / "t", FULL)
    assert export_file(tmp_path / "t", tmp_path / "all.json") == (7, 1, 0)
    counts = import_file(tmp_path / "all.json", tmp_path / "again")
    assert (counts.rows, counts.added, counts.quarantined) == (7, 7, 0)
    kept = {one.to_json() for one in rows(tmp_path / "again")}
    assert kept == {one.to_json() for one in FULL if one is not FULL[1]}


def test_label_studios_tasks_have_a_prediction_for_each_model(tmp_path: Path) -> None:
    append(tmp_path / "t", FULL)
    export_file(tmp_path / "t", tmp_path / "all.json")
    tasks = json.loads((tmp_path / "all.json").read_text("utf-8"))
    said = {(t["data"]["id"], t["data"].get("left")): t for t in tasks}
    task = said["2", "latxa"]
    assert [one["model_version"] for one in task["predictions"]] == ["gpt-5"]
    assert [len(said[key]["annotations"]) for key in said] == [2, 1, 1, 0, 1]
    answers = {one["from_name"]: one for one in task["annotations"][0]["result"]}
    assert answers["criteria.relevance"]["value"] == {"choices": ["A"]}
    assert answers["verdict"]["type"] == "choices" and answers["rater"]["type"] == "textarea"
    simulated = said["2", "llama"]["annotations"][0]["result"]
    assert {one["from_name"]: one["value"] for one in simulated}["kind"] == {"text": ["simulated"]}
    interface = (tmp_path / "all.xml").read_text("utf-8")
    controls = {one["from_name"] for t in tasks for a in t["annotations"] for one in a["result"]}
    assert [name for name in controls if f'name="{name}"' not in interface] == []


REGION = {"id": "x", "from_name": "verdict", "to_name": "item", "type": "choices"}


def test_what_label_studio_accepts_is_what_is_written(tmp_path: Path) -> None:
    interfaces = pytest.importorskip("label_studio_sdk.label_interface")
    interface = interfaces.LabelInterface(label_studio.write_interface(FULL))
    interface.validate()
    append(tmp_path / "t", FULL)
    export_file(tmp_path / "t", tmp_path / "all.json")
    for task in json.loads((tmp_path / "all.json").read_text("utf-8")):
        assert interface.validate_task({"data": task["data"]})
        assert all(map(interface.validate_annotation, task["annotations"]))
        assert all(map(interface.validate_prediction, task["predictions"]))
    region = REGION | {"value": {"choices": ["nonsense"]}}
    assert not interface.validate_region(region)


def annotated(**more: Any) -> dict[str, Any]:
    """An annotation as Label Studio exports it: whoever made it is a number."""
    value = {"choices": ["accept"]}
    about = {"id": 7, "completed_by": 3, "was_cancelled": False, "lead_time": 4.288}
    times = {"created_at": "2026-11-28T10:00:00.5Z", "updated_at": "2026-11-28T12:00:00Z"}
    return about | times | {"result": [REGION | {"value": value}]} | more


def imported(folder: Path, *annotations: Any, **task: Any) -> list[Judgement]:
    given = {"id": 11, "data": {"question": "Zer da?"}, "annotations": list(annotations)}
    (folder / "ls.json").write_text(json.dumps([given | task, {"id": 12, "data": {}}]))
    about = {"benchmark": "vqav2", "language": "eu", "task": "validate"}
    counts = import_file(folder / "ls.json", folder / "t", given=about)
    assert counts.unjudged == 1
    return rows(folder / "t")


def test_a_project_of_label_studios_own_is_read(tmp_path: Path) -> None:
    (row,) = imported(tmp_path, annotated())
    assert (row.id, row.rater, row.kind, row.verdict) == ("11", "user-3", "person", "accept")
    assert (row.seconds, row.made) == (4.288, "2026-11-28T12:00:00.000000Z")


def test_a_cancelled_annotation_is_skipped_and_a_model_is_a_model(tmp_path: Path) -> None:
    predicted = {"model_version": "m1", "result": annotated()["result"]}
    person = {"completed_by": {"id": 3, "email": "ane@example.org"}}
    skipped = annotated(was_cancelled=True, result=[], **person)
    found = imported(tmp_path, skipped, predictions=[predicted])
    told = [(row.rater, row.kind, row.verdict) for row in found]
    assert told == [("ane@example.org", "person", "skipped"), ("m1", "model", "accept")]


def test_times_outlast_a_project_of_label_studios_unless_somebody_changes_their_mind(
    tmp_path: Path,
) -> None:
    """Label Studio 1.23.2 gives what it imports times of its own, some microseconds apart."""
    append(tmp_path / "t", FULL)
    export_file(tmp_path / "t", tmp_path / "all.json")
    tasks = json.loads((tmp_path / "all.json").read_text("utf-8"))
    own = {"created_at": "2027-01-01T00:00:00.587552Z", "updated_at": "2027-01-01T00:00:00.587627Z"}
    said = [one for t in tasks for kind in ("annotations", "predictions") for one in t[kind]]
    for one in said:
        one.update(own)
    (tmp_path / "back.json").write_text(json.dumps(tasks))
    import_file(tmp_path / "back.json", tmp_path / "again")
    kept = {one.to_json() for one in rows(tmp_path / "again")}
    assert kept == {one.to_json() for one in FULL if one is not FULL[1]}
    said[0]["updated_at"] = "2027-01-02T00:00:00Z"
    (tmp_path / "changed.json").write_text(json.dumps(tasks))
    import_file(tmp_path / "changed.json", tmp_path / "later")
    assert sum(one.made.startswith("2027-01-02") for one in rows(tmp_path / "later")) == 1


def test_a_prediction_of_which_the_number_alone_was_exported_is_set_aside(tmp_path: Path) -> None:
    found = imported(tmp_path, annotated(), predictions=[5])
    assert [one.rater for one in found] == ["user-3"]
    (line,) = (tmp_path / "t" / "quarantine.jsonl").read_text("utf-8").splitlines()
    assert "found its number alone; export a snapshot" in json.loads(line)["reason"]


@pytest.mark.parametrize(
    ("region", "reason"),
    [
        (
            {"from_name": "verdict", "value": {"choices": ["accept", "reject"]}},
            "expected one answer",
        ),
        ({"from_name": "mood", "value": {"choices": ["good"]}}, "found one to mood"),
        ({"from_name": "verdict", "value": {"choices": ["good"]}}, "verdict: expected reject or"),
        ({"from_name": 3, "value": {}}, "expected from_name and value"),
    ],
)
def test_annotations_that_say_something_else_are_set_aside(
    tmp_path: Path, region: dict[str, Any], reason: str
) -> None:
    assert len(imported(tmp_path, annotated(), annotated(result=[region]))) == 1
    (line,) = (tmp_path / "t" / QUARANTINE).read_text("utf-8").splitlines()
    assert reason in json.loads(line)["reason"] and json.loads(line)["row"] == 2


ARENA = {
    "question_id": "2",
    "model_a": "latxa",
    "model_b": "llama",
    "winner": "model_b",
    "judge": "arena_user_1",
    "turn": 1,
    "language": "eu",
    "tstamp": 1764324000.25,
    "conversation_a": [{"role": "user", "content": "Zer da?"}],
}
GIVEN = {"kind": "person", "benchmark": "wildvision"}


def arena(folder: Path, *lines: dict[str, Any]) -> Path:
    path = folder / "votes.jsonl"
    path.write_text("".join(f"{json.dumps(ARENA | line)}\n" for line in lines))
    return path


def test_pairs_of_the_arena_are_read(tmp_path: Path) -> None:
    path = arena(tmp_path, {}, {"winner": "tie (bothbad)", "question_id": 3})
    import_file(path, tmp_path / "t", "arena", GIVEN)
    first, second = rows(tmp_path / "t")
    assert (first.id, first.left, first.right, first.verdict) == ("2", "latxa", "llama", "B")
    assert (first.rater, first.made) == ("arena_user_1", "2025-11-28T10:00:00.250000Z")
    assert (second.id, second.verdict, second.reasons) == ("3", "tie", ["both bad"])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ({"winner": "both"}, "winner: expected model_a or model_b or tie or tie (bothbad), found"),
        ({"winner": None}, "found None"),
        ({"tstamp": "soon"}, "tstamp: expected seconds since 1970, found 'soon'"),
        ({"model_b": "latxa"}, "right: expected another model than latxa"),
        ({"kind": "simulated"}, "kind: expected person, found simulated"),
    ],
)
def test_pairs_that_are_no_judgements_are_set_aside(
    tmp_path: Path, line: dict[str, Any], reason: str
) -> None:
    counts = import_file(arena(tmp_path, {}, line), tmp_path / "t", "arena", GIVEN)
    assert (counts.rows, counts.added, counts.quarantined) == (2, 1, 1)
    assert reason in next(iter(counts.reasons))


def test_pairs_go_back_to_the_arena_with_their_kind(tmp_path: Path) -> None:
    append(tmp_path / "t", FULL)
    written, replaced, unfit = export_file(tmp_path / "t", tmp_path / "a.jsonl", "arena")
    assert (written, replaced, unfit) == (3, 1, 4)
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text("utf-8").splitlines()]
    assert [line["winner"] for line in lines] == ["model_a", "model_a", "tie"]
    assert [line["kind"] for line in lines] == ["person", "simulated", "model"]
    import_file(tmp_path / "a.jsonl", tmp_path / "again", "arena")
    kept = {"raw", "prompt_hash", "seed", "note"}
    for one, other in zip(rows(tmp_path / "again"), FULL[3:6], strict=True):
        assert one.model_dump(exclude=kept) == other.model_dump(exclude=kept)


def test_a_table_of_ones_own_needs_only_what_is_not_given(tmp_path: Path) -> None:
    with (tmp_path / "mine.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([["id", "rater", "verdict", "seconds"], ["1", "ane", "accept", ""]])
        writer.writerows([["2", "ane", "good", ""], ["3", "ane", "reject", "soon"]])
    about = {"benchmark": "vqav2", "language": "eu", "task": "validate", "kind": "person"}
    counts = import_file(tmp_path / "mine.csv", tmp_path / "t", given=about)
    assert (counts.rows, counts.added, counts.quarantined) == (3, 1, 2)
    assert sorted(counts.reasons)[0] == "seconds: expected a number, found soon"
    quarantine = (tmp_path / "t" / QUARANTINE).read_text("utf-8").splitlines()
    assert [json.loads(line)["row"] for line in quarantine] == [2, 3]
    again = import_file(tmp_path / "mine.csv", tmp_path / "t", given=about)
    assert (again.added, again.known, again.quarantined) == (0, 1, 2)
    assert len(rows(tmp_path / "t")) == 1
    assert (tmp_path / "t" / QUARANTINE).read_text("utf-8").splitlines() == quarantine


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("none.csv", {}, "expected a file of judgements, found none"),
        ("votes.txt", {}, "expected --format, or a name that ends in"),
        ("votes.jsonl", {"knd": "person"}, "knd: expected one of .*did you mean kind"),
        ("votes.jsonl", {"verdict": "accept"}, "verdict: expected one of"),
        ("votes.jsonl", {}, "row 1: .*; no row is a judgement"),
    ],
)
def test_what_cannot_be_imported_leaves_no_table(
    tmp_path: Path, name: str, given: dict[str, str], message: str
) -> None:
    arena(tmp_path, {})
    (tmp_path / "votes.txt").write_text("")
    with pytest.raises(InputError, match=message):
        import_file(tmp_path / name, tmp_path / "t", given=given)
    assert not (tmp_path / "t").exists()


def test_nothing_that_is_there_is_written_over(tmp_path: Path) -> None:
    append(tmp_path / "t", FULL)
    (tmp_path / "all.xml").write_text("mine")
    with pytest.raises(InputError, match="expected a new file, found another"):
        export_file(tmp_path / "t", tmp_path / "all.json")
    assert not (tmp_path / "all.json").exists()


def test_parquet_says_in_its_columns_who_was_simulated(tmp_path: Path) -> None:
    append(tmp_path / "t", FULL)
    export_file(tmp_path / "t", tmp_path / "all.parquet")
    assert "simulated" in pq.read_table(tmp_path / "all.parquet")["kind"].to_pylist()
