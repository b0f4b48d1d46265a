"""The tutorials' notebooks: the very files are run, at the smallest size."""

import json
from pathlib import Path
from typing import Any

import pytest

import notebooks

SIZES = {"concepts": 12, "captions": 8, "conversations": 16, "questions": 2}
PARAMETERS = f"""
from pathlib import Path

import ikusi

work, sizes = Path("work"), {SIZES}
"""


def read(path: Path) -> dict[str, Any]:
    notebook: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return notebook


def kinds(notebook: dict[str, Any]) -> list[list[str]]:
    """Outputs of each cell of code: text that it prints, and values by their type."""
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return [
        [kind for output in cell["outputs"] for kind in output.get("data", [output.get("name")])]
        for cell in cells
    ]


@pytest.mark.system
@pytest.mark.slow
@pytest.mark.parametrize("path", notebooks.list_notebooks(), ids=lambda path: path.stem)
def test_a_notebook_gives_what_is_kept_in_it(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    kept, again = read(path), read(path)
    notebooks.run_notebook(again, PARAMETERS)
    assert kinds(again) == kinds(kept)
    assert ["image/png"] in kinds(kept)
    assert list((tmp_path / "work").iterdir()), "the parameters were not those of the test"


def cell(source: str, *tags: str) -> dict[str, Any]:
    return {"cell_type": "code", "source": [source], "metadata": {"tags": [*tags]}, "outputs": []}


def test_cells_share_their_names_and_keep_what_they_print_and_end_with() -> None:
    notebook = {"cells": [cell("x = 1", "parameters"), cell("print(x)\nx + 1"), cell("x;\ny = 2")]}
    notebooks.run_notebook(notebook, "x = 3")
    first, second, third = (part["outputs"] for part in notebook["cells"])
    assert (first, third) == ([], [])
    assert second[0] == {"output_type": "stream", "name": "stdout", "text": ["3\n"]}
    assert second[1]["data"] == {"text/plain": ["4"]}


def test_a_cell_that_fails_ends_the_notebook() -> None:
    with pytest.raises(ZeroDivisionError):
        notebooks.run_notebook({"cells": [cell("1 / 0")]})
