"""A recipe's merges name runs and backbones that are there, and each weight gives a model."""

from pathlib import Path

import pytest

from ikusi import recipe
from ikusi.errors import InputError
from ikusi.study import layout

RECIPES = Path(__file__).parents[1] / "recipes"
GRID = ["grid.backbones=[english]", "grid.ratios=[0,0.2]", "grid.text_only=[false]"]
BASQUE = "{run: english-eu000, plus: adapted, minus: english, weights: [0.5, 1]}"
BACK = "{run: english-eu020, plus: english, minus: english-eu020, weights: [0.3], method: ties}"
MERGES = [*GRID, f"merges={{basque: {BASQUE}, back: {BACK}}}"]


def load(*changes: str) -> recipe.Recipe:
    return recipe.load(RECIPES / "emoji-eu.yaml", [*MERGES, *changes])


def test_each_weight_gives_a_model_that_is_measured() -> None:
    loaded = load()
    names = ["english-eu000-basque050", "english-eu000-basque100", "english-eu020-back030"]
    assert [one.name for one in loaded.list_merged()] == names
    steps = {step.name: step for step in layout.list_steps(loaded)}
    for name, run in zip(names, ["000", "000", "020"], strict=True):
        merge, measured = steps[f"merge/{name}"], steps[f"evaluate/{name}"]
        assert merge.inputs == (f"instruct/english-eu{run}",)
        assert f"merge/{name}" in measured.inputs
        assert measured.settings["checkpoint"] == f"merge/{name}"
        assert measured.name in steps["report"].inputs
    basque, back = steps[f"merge/{names[0]}"], steps[f"merge/{names[2]}"]
    assert basque.reads.keys() == {"miniature/llama-eu", "miniature/llama-en"}
    assert (basque.settings["weight"], basque.settings["method"]) == (0.5, "linear")
    assert back.reads.keys() == {"miniature/llama-en"}
    assert (back.settings["minus"], back.settings["method"]) == ("instruct/english-eu020", "ties")


def test_another_weight_trains_nothing_anew() -> None:
    before, after = (
        {step.name: step.settings for step in layout.list_steps(load(*changes))}
        for changes in ([], ["merges.basque.weights=[0.5,0.75]"])
    )
    kept = {name for name in before.keys() & after.keys() if before[name] == after[name]}
    assert before.keys() - kept == {
        "merge/english-eu000-basque100",
        "evaluate/english-eu000-basque100",
        "report",
    }


def test_a_recipe_with_merges_written_out_is_the_same_recipe(tmp_path: Path) -> None:
    written = tmp_path / "recipe.yaml"
    written.write_text(recipe.show(load()), encoding="utf-8")
    assert recipe.load(written) == load()


def test_a_rehearsal_merges_too() -> None:
    rehearsed = load("rehearse=true")
    assert [one.name for one in rehearsed.list_merged()] == [
        one.name for one in load().list_merged()
    ]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            "merges.basque.run=english-eu002",
            "merges.basque.run: expected a run of the grid (english-eu000, english-eu020), "
            "found english-eu002 (did you mean english-eu020?)",
        ),
        (
            "merges.basque.plus=adopted",
            "merges.basque.plus: expected a backbone or a run (english, adapted, english-eu000, "
            "english-eu020), found adopted (did you mean adapted?)",
        ),
        (
            "merges.basque.weights=[0.5,0.502]",
            "merges.basque.weights[1]: expected weights that differ by a hundredth, found 0.502",
        ),
        (
            "merges.basque.weights=[0.004]",
            "merges.basque.weights[0]: expected weights that differ by a hundredth, found 0.004",
        ),
        ("merges.basque.weights=[-1]", "merges.basque.weights[0]: expected"),
        ("merges.basque.density=2", "merges.basque.density: expected a share between 0 and 1"),
        ("merges.basque.parts=[sight]", "merges.basque.parts[0]: expected"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(change: str, expected: str) -> None:
    with pytest.raises(InputError) as refused:
        load(change)
    assert expected in str(refused.value) and "\n" not in str(refused.value)


def test_two_models_of_one_name_are_refused() -> None:
    other = "{run: english-eu000, plus: adapted, minus: english, weights: [0.5]}"
    with pytest.raises(InputError, match=r"merges\.basque1: expected a name.*basque1050"):
        load("merges.basque.weights=[10.5]", f"merges.basque1={other}")
