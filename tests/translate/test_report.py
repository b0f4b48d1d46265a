from pathlib import Path

import pytest

from ikusi.errors import InputError
from ikusi.translate import report
from translate.jobs import Capitals, corpus, job, settings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    texts = [{"text": f"{word} {number}"} for number, word in enumerate(["good"] * 6 + ["bad"] * 3)]
    texts += [{"text": "see http://a.eu/b <b>there</b>"}, {"text": "far away"}]

    class Lossy(Capitals):
        def outcome(self, row, check):  # type: ignore[no-untyped-def]
            if "http" in row.texts[0]:
                row.texts[0] = row.texts[0].replace("b>", "i>")
            return super().outcome(row, check)

    job(
        corpus(tmp_path / "corpus", "caption", texts),
        tmp_path / "work",
        Lossy(),
        settings(preserved="flag"),
    ).run()
    return tmp_path / "work"


def test_the_counts_add_up(folder: Path) -> None:
    found = report.gather(folder)
    assert dict(found.statuses) == {"ok": 7, "quarantined": 3, "unreached": 1}
    assert dict(found.reasons) == {"engine": 3, "no answer": 1}
    assert dict(found.flags) == {"preserved": 1}
    assert found.ratio.count == 7
    assert [histogram.count for histogram in found.histograms("score")] == [7, 7]
    assert len(found.worst()) == 7


def test_the_page_shows_rows_side_by_side_and_runs_nothing_in_them(folder: Path) -> None:
    report.write(folder, folder / "report.html")
    page = (folder / "report.html").read_text()
    assert "GOOD 0" in page
    assert "engine: expected words, found a bad one" in page
    assert "&lt;I&gt;THERE" in page
    assert "<I>" not in page
    assert "<script" not in page
    assert "quarantined 3 (27.3 %)" in page


def test_the_summary_fits_a_terminal(folder: Path) -> None:
    assert report.write_summary(report.gather(folder)) == [
        "         3 set aside: engine",
        "         1 set aside: no answer",
        "         1 flagged: preserved",
    ]


def test_nothing_to_report_on_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected shards of a translation, found none yet"):
        report.write(tmp_path, tmp_path / "report.html")


def test_numbers_outside_a_histogram_are_counted_at_its_ends() -> None:
    histogram = report.Histogram("x", 0.0, 3.0)
    for value in (-5.0, 0.1, 2.9, 99.0):
        histogram.add(value)
    assert (histogram.bins[0], histogram.bins[-1], histogram.count) == (2, 2, 4)


def test_scores_are_shown_under_the_name_of_what_they_are() -> None:
    quality = {"command": ["/opt/bin/comet-score", "{source}", "{target}"], "least": 0.5}
    assert report.measure({}) == "score"
    assert report.measure({"checks": {"round_trip": {"chrf": 15.0}}}) == "chrF (0 to 100)"
    both = {"round_trip": {"chrf": 15.0}, "quality": quality}
    assert report.measure({"checks": both}) == "score of comet-score"
