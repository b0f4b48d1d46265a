"""A recipe that a person has copied to a folder of their own."""

import shutil
from pathlib import Path

from ikusi import recipe

RECIPES = Path(__file__).parents[1] / "recipes"


def test_a_recipe_copied_alone_still_extends_ikusis_own(tmp_path: Path) -> None:
    for name in ("forkme.yaml", "emoji-eu-quick.yaml"):
        shutil.copy(RECIPES / name, tmp_path / "mine.yaml")
        assert recipe.load(tmp_path / "mine.yaml") == recipe.load(RECIPES / name)


def test_a_file_beside_a_recipe_comes_before_ikusis_own(tmp_path: Path) -> None:
    shutil.copy(RECIPES / "emoji-eu.yaml", tmp_path)
    beside = tmp_path / "emoji-eu.yaml"
    beside.write_text(beside.read_text().replace("bootstrap: 1000", "bootstrap: 77"))
    child = tmp_path / "child.yaml"
    child.write_text("extends: emoji-eu.yaml\nname: child\n")
    assert recipe.load(child).bootstrap == 77
