"""Grids that leave some of their combinations out."""

from pathlib import Path

import pytest

from ikusi import recipe
from ikusi.errors import InputError

RECIPE = Path(__file__).parents[1] / "recipes/emoji-eu.yaml"
GRID = ["grid.ratios=[0, 0.2]", "grid.text_only=[false, true]", "grid.backbones=[english, adapted]"]


def list_names(*changes: str) -> list[str]:
    return [run.name for run in recipe.load(RECIPE, [*GRID, *changes]).runs()]


def test_a_run_is_left_out_if_it_fits_every_list_of_an_entry() -> None:
    excluded = (
        "grid.exclude=[{backbones: [english], text_only: [true]}, {ratios: [0], text_only: [true]}]"
    )
    assert list_names(excluded) == [
        *("english-eu000", "english-eu020", "adapted-eu000", "adapted-eu020"),
        "adapted-eu020-text",
    ]
    assert list_names("grid.exclude=[{ratios: [0.2], backbones: [english]}]") == [
        *("english-eu000", "english-eu000-text"),
        *("adapted-eu000", "adapted-eu020", "adapted-eu000-text", "adapted-eu020-text"),
    ]


def test_what_is_excluded_must_be_in_the_grid_and_each_backbone_keeps_a_run() -> None:
    with pytest.raises(InputError, match=r"grid.exclude\[1\]: expected lists that some run .*0.8"):
        list_names("grid.exclude=[{ratios: [0]}, {ratios: [0.8]}]")
    with pytest.raises(InputError, match=r"grid.backbones\[0\]: expected a backbone of which"):
        list_names("grid.exclude=[{backbones: [english]}]")


def test_text_only_rows_need_not_be_described_where_all_runs_with_them_are_excluded() -> None:
    with pytest.raises(InputError, match="text_only: expected keys and values"):
        list_names("text_only=null")
    assert list_names("text_only=null", "grid.exclude=[{text_only: [true]}]") == [
        *("english-eu000", "english-eu020", "adapted-eu000", "adapted-eu020"),
    ]


def test_a_recipe_written_out_reads_back_with_what_it_excludes(tmp_path: Path) -> None:
    one = recipe.load(
        RECIPE, ["grid.exclude=[{backbones: [english], ratios: [0, 0.2]}, {ratios: [1]}]"]
    )
    (tmp_path / "shown.yaml").write_text(recipe.show(one))
    assert recipe.load(tmp_path / "shown.yaml") == one and len(one.grid.exclude) == 2
