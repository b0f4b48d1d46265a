"""Tables of judgements as they are printed and written."""

import csv
import io
from pathlib import Path

import pytest
from rich.console import Console

from ikusi.judgements import Judgement
from ikusi.judgements.figures import compute
from ikusi.report import judgements as views
from judgements.samples import compared, table_1, table_2, validated


def printed(rows: list[Judgement]) -> str:
    console = Console(file=io.StringIO(), width=220)
    views.to_terminal(compute(rows, resamples=50), console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def written(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_papers_figures_stand_in_the_tables(tmp_path: Path) -> None:
    rows = [*table_1(67, [1] * 7 + [2] + [0] * 12), *table_2()]
    views.write(compute(rows, resamples=50), tmp_path / "out")
    acceptance = {row["of"]: row for row in written(tmp_path / "out", "acceptance")}
    assert acceptance["own"]["acceptance"] == "0.8375"
    assert acceptance["ratings"]["n"] == "160" and acceptance["items"]["n"] == "99"
    wins = {(row["kind"], row["outcome"]): row for row in written(tmp_path / "out", "preferences")}
    assert wins["person", "tie"]["share"].startswith("0.53787")
    assert wins["person", "inconclusive"]["count"] == "7"
    assert wins["model", "llama"]["count"] == "84"
    tests = {row["kind"]: row for row in written(tmp_path / "out", "tests")}
    assert (tests["person"]["first_wins"], tests["person"]["wins_needed"]) == ("61", "69")
    agreement = written(tmp_path / "out", "agreement")
    rule = [row["value"] for row in agreement if row["figure"] == "majority_share"]
    assert rule[0] == "0.8875"
    assert {row["between"] for row in agreement} >= {"4 raters", "majority and gpt-5 (model)"}
    assert sum(int(row["items"]) for row in written(tmp_path / "out", "judges")) == 257
    notes = (tmp_path / "out" / views.NOTES).read_text("utf-8")
    assert "kappa and alpha are near 0" in notes and "Simulated" not in notes


def test_what_has_no_value_is_told_and_never_nan() -> None:
    shown = printed([validated("1", "ane", "accept"), validated("1", "jon", "accept")])
    assert "undefined, because all ratings are the same verdict" in shown
    assert "nan" not in shown.lower()


def test_where_nothing_is_shared_one_row_says_that_agreement_has_no_value(tmp_path: Path) -> None:
    views.write(compute([validated("1", "ane", "accept")], resamples=50), tmp_path / "out")
    (row,) = written(tmp_path / "out", "agreement")
    assert (row["between"], row["figure"], row["value"]) == ("1 rater", "all figures", "")
    assert row["why"] == "undefined, because no item has two ratings"
    rows = [validated(item, "ane", "accept") for item in "12"]
    views.write(compute([*rows, validated("1", "jon", "reject")], resamples=50), tmp_path / "two")
    assert len(written(tmp_path / "two", "agreement")) == 6  # some have a value


@pytest.mark.slow
def test_simulated_raters_are_told_in_every_table_they_are_in(tmp_path: Path) -> None:
    rows = list(table_1(67, [1] * 20, kind="simulated"))
    pairs = (("a", "b"), ("b", "c"), ("a", "c"))
    for item in range(9):
        for left, right in pairs:
            winner = ("A", "tie", "B")[item % 3]
            rows.append(
                compared(str(item), "ane", winner, left=left, right=right, kind="simulated")
            )
            rows.append(compared(str(item), "m", winner, left=left, right=right, kind="model"))
    found = compute(rows, resamples=50)
    for table in views.make_tables(found):
        assert table.rows and "SIMULATED" in table.caption
        assert any("simulated" in row for row in table.rows)
    assert printed(rows).count("SIMULATED") == len(views.make_tables(found))
    assert next(views.write_notes(found)).startswith("Simulated raters are among these")
    assert "simulated" not in printed(list(table_2())).lower()


def test_all_that_was_said_without_a_verdict_is_told() -> None:
    rows = [validated("1", "ane", "skipped"), validated("2", "ane", "accept")]
    rows += [compared("1", "gpt-5", "invalid", kind="model"), compared("1", "ane", "tie")]
    shown = printed(rows)
    assert "1 skipped" in shown and "1 invalid" in shown
    assert "1 no verdict of the judge" in shown
    assert "4 judgements, of which 0 were replaced" in shown


def test_names_cannot_steer_a_terminal() -> None:
    rows = [compared("1", "ane", "tie", left="a\x1b[2Jb", right="c")]
    assert "\x1b" not in printed(rows)


def test_a_table_without_rows_prints_its_counts() -> None:
    assert "0 judgements" in printed([])


def test_the_same_judgements_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        views.write(compute(table_2(), resamples=50), tmp_path / name)
    for path in (tmp_path / "one").glob("*.csv"):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_acceptance_says_when_rows_were_not_drawn_equally_often(tmp_path: Path) -> None:
    rows = [validated(str(n), "ane", "accept", weight=0.5 + n % 2) for n in range(20)]
    views.write(compute(rows, resamples=50), tmp_path / "out")
    acceptance = written(tmp_path / "out", "acceptance")
    assert {(row["n"], row["effective_n"]) for row in acceptance} == {("20", "16.0")}
    notes = (tmp_path / "out" / views.NOTES).read_text("utf-8")
    assert "rows were not drawn equally often" in notes
    assert "not drawn" not in "".join(
        views.write_notes(compute(table_1(67, [1] * 20), resamples=50))
    )
