"""Recipes, translations, benchmarks and language packs read back equal once written."""

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from ikusi import language, recipe, yamlfile, yamltext
from ikusi.evaluate import benchmark
from ikusi.language import LanguagePack
from ikusi.recipe import Recipe
from ikusi.translate import settings as translations

ROOT = Path(__file__).parents[1]
EVERYTHING = [
    "compute.slurm={minutes: 30, options: {qos: high, exclusive: true}, setup: [module load x]}",
    "stages.instruct.lora={rank: 4, alpha: 8, targets: [q_proj]}",
]
WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
# What a reader of YAML may take for something else.
TRAPS = st.sampled_from(
    [
        *["no", "1e3", "0x1F", "1_000", "12:30", "~", "null", "true", ".inf", "2026-01-01", "- a"],
        *["a: b", "#", "@a", "", " a ", "a\nb", "\x85", "\u2028", "\ufeff", "<<", "=", "'", '"'],
        *["\\", "%a", "\t", "?", "---", "\r", "\x7f"],
    ]
)
VALUES: dict[type, st.SearchStrategy[Any]] = {
    str: WORDS | TRAPS,
    bool: st.booleans(),
    int: st.integers(-1, 2**63 - 1),  # which is the largest that a file may hold
    float: st.floats(allow_nan=False) | st.floats(0, 1),
    list: st.lists(WORDS | TRAPS, max_size=3) | st.just([]),
    dict: st.dictionaries(WORDS | TRAPS, WORDS | TRAPS, max_size=3) | st.just({}),
}


def places(data: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Place of each value, lists and mappings included."""
    if place:
        yield place
    inner = (
        data.items()
        if isinstance(data, dict)
        else enumerate(data)
        if isinstance(data, list)
        else []
    )
    for key, value in inner:
        yield from places(value, (*place, key))


@st.composite
def changed(draw: st.DrawFn, model: BaseModel) -> BaseModel:
    """The same with up to four values replaced by others of their kind, where that is allowed."""
    data: Any = model.model_dump(mode="json")
    for _ in range(draw(st.integers(1, 4))):
        *path, last = draw(st.sampled_from(sorted(places(data), key=repr)))
        holder = data
        for part in path:
            holder = holder[part]
        before = deepcopy(holder[last])
        holder[last] = draw(VALUES.get(type(before), st.none()))
        try:
            model = type(model).model_validate(data)
        except (ValidationError, ValueError):
            holder[last] = before
    return model


def shipped() -> list[BaseModel]:
    whole = recipe.load(ROOT / "recipes/emoji-eu.yaml", EVERYTHING)
    files = sorted((ROOT / "recipes/translate").glob("*.yaml"))
    return [
        whole,
        *(translations.load(file) for file in files if file.stem != "forkme"),
        *(benchmark.load(name) for name in recipe.BENCHMARKS.names()),
        language.load("eu"),
    ]


MODELS = shipped()
QUICK = settings(
    deadline=None, max_examples=15, suppress_health_check=list(HealthCheck), derandomize=True
)


@QUICK
@given(st.sampled_from(MODELS).flatmap(changed))
def test_a_manifest_says_what_it_was_made_with(model: BaseModel) -> None:
    """Of a step, a translation or an evaluation; its JSON is read back as strictly as YAML."""
    text = json.dumps(model.model_dump(mode="json"), ensure_ascii=False)
    assert type(model).model_validate(json.loads(text)) == model


@QUICK
@given(model=st.sampled_from(MODELS).flatmap(changed))
def test_yaml_of_a_line_reads_back(model: BaseModel, tmp_path: Path) -> None:
    values = model.model_dump(mode="json")
    text = "".join(f"{name}: {yamltext.to_line(value)}\n" for name, value in values.items())
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8", newline="\n")
    document = yamlfile.read(tmp_path / "a.yaml")
    assert yamlfile.validate(type(model), document, []) == model


@pytest.mark.slow
@QUICK
@given(shown=changed(MODELS[0]))
def test_a_recipe_that_is_shown_is_itself(shown: Recipe, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(recipe.show(shown), encoding="utf-8", newline="\n")
    document = yamlfile.read(tmp_path / "a.yaml")
    assert yamlfile.validate(Recipe, document, []) == shown


@pytest.mark.slow
@QUICK
@given(pack=changed(MODELS[-1]))
def test_a_pack_that_is_written_is_itself(pack: LanguagePack, tmp_path: Path) -> None:
    assume(pack.code == "eu")
    english = language.load("en")
    language.write(pack.model_dump(), tmp_path / "eu.yaml", ["yes", "prompts"], english)
    document = yamlfile.read(tmp_path / "eu.yaml")
    assert (
        yamlfile.validate(LanguagePack, document, []).model_copy(
            update={"to_review": pack.to_review}
        )
        == pack
    )


@pytest.mark.parametrize("options", [{}, {"qos": "1e3"}])
def test_a_study_on_a_cluster_reads_its_own_recipe(options: dict[str, str], tmp_path: Path) -> None:
    slurm = f"compute.slurm={{minutes: 30, options: {yamltext.to_line(options)}}}"
    loaded = recipe.load(ROOT / "recipes/emoji-eu.yaml", [slurm])
    (tmp_path / "recipe.yaml").write_text(recipe.show(loaded), encoding="utf-8")
    assert recipe.load(tmp_path / "recipe.yaml") == loaded
