"""What the figures show of a study, apart from the page they stand on."""

from pathlib import Path

from ikusi.report import figures
from ikusi.report.reading import Study
from report.studies import Folder, even

TEXT = ["grid.backbones=[english]", "benchmarks=[miniature/aokvqa,{}]"]


def drawn(path: Path, text_only: str) -> list[str]:
    overrides = [one.format(text_only) for one in TEXT]
    Folder(path, overrides, pictures=8).measure(even)
    found = figures.text_only(Study(path))
    assert found is not None
    return [panel.title for panel in found.panels]


def test_groups_of_a_text_only_benchmark_are_shown_beside_the_whole(tmp_path: Path) -> None:
    titles = drawn(tmp_path, "bertaqa")
    assert [title.partition(" ·")[0] for title in titles[1:]] == [
        "BertaQA",
        "BertaQA, global",
        "BertaQA, local",
    ]


def test_a_benchmark_of_one_group_is_shown_once(tmp_path: Path) -> None:
    assert len(drawn(tmp_path, "miniature/bertaqa")) == 2
