"""Grids in which each model is trained under several seeds."""

from pathlib import Path

import pytest

from ikusi import recipe
from ikusi.errors import InputError
from ikusi.recipe import Recipe

RECIPE = Path(__file__).parents[1] / "recipes/emoji-eu.yaml"
GRID = ["grid.ratios=[0.2]", "grid.text_only=[true]", "grid.backbones=[english]"]


def load(*changes: str) -> Recipe:
    return recipe.load(RECIPE, [*GRID, *changes])


def test_each_model_is_named_after_its_seed_but_for_the_recipes_own() -> None:
    named = [(run.name, run.aligned, run.seed) for run in load("seed=4", "grid.seeds=[4,1]").runs()]
    assert named == [
        ("english-eu020-text", "english", 4),
        ("english-eu020-text-seed1", "english-seed1", 1),
    ]
    alone = load("seed=4", "grid.seeds=[1]").runs()
    assert [(run.name, run.seed) for run in alone] == [("english-eu020-text", 1)]
    with pytest.raises(InputError, match=r"grid.seeds\[1\]: expected each entry once, found 1"):
        load("grid.seeds=[1,1]")


def test_a_backbone_may_not_be_called_as_another_one_with_a_seed() -> None:
    named = ["backbones.english-seed1=miniature/llama-en", "grid.backbones=[english,english-seed1]"]
    recipe.load(RECIPE, named)
    with pytest.raises(InputError, match="backbones: expected backbones whose names do not end"):
        recipe.load(RECIPE, [*named, "grid.seeds=[0,1]"])
