import json
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel

from ikusi import language, recipe
from ikusi.errors import InputError
from ikusi.recipe import Recipe

RECIPES = Path(__file__).parents[1] / "recipes"
MINIATURE = """\
miniature: {concepts: 12, train_scenes: 9, caption_scenes: 9, test_scenes: 3, text_rows: 9,
            image_size: 32}
"""
SMALL = f"""\
name: small
language: eu
{MINIATURE}\
vision: miniature/encoder
backbones:
  english: miniature/llama-en
  adapted: miniature/llama-{{language}}
stages:
  align:
    corpus: miniature/captions
    trainable: [connector]
    ratio: 0.8
    learning_rate: 1e-3
    batch_size: 4
    epochs: 1
  instruct:
    corpus: miniature/instructions
    trainable: [connector, llm]
    learning_rate: 1e-3
    batch_size: 4
    epochs: 0.5
text_only: {{corpus: miniature/text, rows: 8}}
grid:
  backbones: [english]
  ratios: [0, 0.2]
  text_only: [false, true]
benchmarks: [miniature/vqa]
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL, encoding="utf-8")
    return path


def message(path: Path, overrides: list[str] | None = None) -> str:
    """The line that is told when a recipe is refused, without the folder it lies in."""
    with pytest.raises(InputError) as told:
        recipe.load(path, overrides or [])
    return str(told.value).replace(f"{path.parent}/", "")


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_recipe_loads(path: Path) -> None:
    loaded = recipe.load(path)
    assert loaded.name == path.stem
    assert language.check(language.load(loaded.language)) == []


def test_the_study_in_miniature_has_the_papers_sixteen_runs() -> None:
    names = [run.name for run in recipe.load(RECIPES / "emoji-eu.yaml").runs()]
    assert len(names) == len(set(names)) == 16
    assert {"english-eu000", "english-eu020-text", "adapted-eu100-text"} <= set(names)


def test_the_quick_recipe_differs_in_three_fields() -> None:
    full = recipe.load(RECIPES / "emoji-eu.yaml").model_dump()
    quick = recipe.load(RECIPES / "emoji-eu-quick.yaml").model_dump()
    grid, quick_grid = full.pop("grid"), quick.pop("grid")
    assert {key for key in full if full[key] != quick[key]} == {"name"}
    assert {key for key in grid if grid[key] != quick_grid[key]} == {"backbones", "text_only"}


def test_runs_follow_the_grid(small: Path) -> None:
    runs = recipe.load(small).runs()
    assert [(run.name, run.backbone, run.ratio, run.text_only) for run in runs] == [
        ("english-eu000", "english", 0.0, False),
        ("english-eu020", "english", 0.2, False),
        ("english-eu000-text", "english", 0.0, True),
        ("english-eu020-text", "english", 0.2, True),
    ]


def test_the_language_fills_in_the_backbones_place(small: Path) -> None:
    loaded = recipe.load(small)
    assert loaded.backbone("adapted") == "miniature/llama-eu"
    assert loaded.backbone("english") == "miniature/llama-en"


def test_numbers_may_be_written_as_people_do(small: Path) -> None:
    assert recipe.load(small).stages.alignment.learning_rate == 0.001
    changed = recipe.load(small, ["stages.align.learning_rate=2e-5"])
    assert changed.stages.alignment.learning_rate == 2e-5


def test_overrides_change_one_key_each(small: Path) -> None:
    changed = recipe.load(
        small, ["seed=7", "workers=2", "grid.ratios=[1]", "backbones.mine=models/mine"]
    )
    assert (changed.seed, changed.workers, changed.grid.ratios) == (7, 2, [1.0])
    assert changed.backbones["mine"] == "models/mine"
    assert changed.stages == recipe.load(small).stages


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("[0, 0.2]", "[0, 0.2, 1.2]",
         "small.yaml:26: grid.ratios[2]: expected a share between 0 and 1, found 1.2"),
        ("  ratios:", "  ratois:",
         "small.yaml:26: grid.ratois: expected a known key, found ratois "
         "(did you mean grid.ratios?)"),
        ("name: small", "nane: small",
         "small.yaml:1: nane: expected a known key, found nane (did you mean name?)"),
        ("    batch_size: 4\n", "",
         "small.yaml:10: stages.align.batch_size: expected a value, found nothing"),
        ("batch_size: 4", "batch_size: four",
         "small.yaml:15: stages.align.batch_size: expected a whole number, found four"),
        ("batch_size: 4", "batch_size: 0",
         "small.yaml:15: stages.align.batch_size: expected at least 1, found 0"),
        ("epochs: 1", "epochs: 0",
         "small.yaml:16: stages.align.epochs: expected more than 0, found 0"),
        ("[connector]", "[conector]",
         "small.yaml:12: stages.align.trainable[0]: expected connector or llm or vision, "
         "found conector (did you mean connector?)"),
        ("[connector, llm]", "[llm, llm]",
         "small.yaml:19: stages.instruct.trainable[1]: expected each entry once, found llm"),
        ("backbones: [english]", "backbones: [inglish]",
         "small.yaml:25: grid.backbones[0]: expected a name in backbones (english, adapted), "
         "found inglish (did you mean english?)"),
        ("[miniature/vqa]", "[miniature/vqq]",
         "small.yaml:28: benchmarks[0]: expected the name of a benchmark, found miniature/vqq "
         "(did you mean miniature/vqa?)"),
        ("[miniature/vqa]", "[miniature/vqa]\nseen_pictures: [miniature/vqq]",
         "small.yaml:29: seen_pictures[0]: expected a name in benchmarks (miniature/vqa), "
         "found miniature/vqq (did you mean miniature/vqa?)"),
        ("language: eu", "language: ue",
         "small.yaml:2: language: expected a language with a pack (en, eu, gl), found ue "
         "(did you mean eu?)"),
        ("language: eu", "language: en",
         "small.yaml:2: language: expected a language other than source_language, found en"),
        ("[0, 0.2]", "[0.2, 0.201]",
         "small.yaml:26: grid.ratios[1]: expected shares that differ by a percent, found 0.201"),
        ("    ratio: 0.8\n", "",
         "small.yaml:10: stages.align.ratio: expected a share between 0 and 1, found nothing"),
        ("epochs: 0.5", "epochs: 0.5\n    ratio: 0.2",
         "small.yaml:23: stages.instruct.ratio: expected nothing, as grid.ratios sets it, "
         "found 0.2"),
        ("name: small", "name: ../small",
         "small.yaml:1: name: expected a name of letters, digits, dots and dashes, "
         "found ../small"),
        ("[false, true]", "[0]",
         "small.yaml:27: grid.text_only[0]: expected true or false, found 0"),
        ("[false, true]", "[]",
         "small.yaml:27: grid.text_only: expected at least 1 in the list, found a list of 0"),
        ("miniature/encoder", "miniature/encoder\nconnector: mlp",
         "small.yaml:6: connector: expected linear or mlp2x_gelu, found mlp"),
        ("miniature/encoder", "miniature/encoder\nworkers: 0",
         "small.yaml:6: workers: expected auto or a whole number of at least 1, found 0"),
        ("rows: 8", "rows: 8, rows: 9",
         "small.yaml:23: text_only.rows: expected each key once, "
         "found it again (first at small.yaml:23)"),
        ("text_only: {corpus: miniature/text, rows: 8}", "text_only: yes",
         "small.yaml:23: text_only: expected keys and values, found yes"),
        ("text_only: {corpus: miniature/text, rows: 8}\n", "",
         "small.yaml:1: text_only: expected keys and values, as runs of the grid have text-only "
         "rows, found nothing"),
        (MINIATURE, "",
         "small.yaml:1: miniature: expected keys and values, as stages.align.corpus is "
         "miniature/captions, found nothing"),
        ("grid:", "grid: [",
         "small.yaml:26: expected YAML, found a syntax error "
         "(expected ',' or ']', but got '<scalar>')"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_one_line(small: Path, old: str, new: str, expected: str) -> None:
    assert old in SMALL
    small.write_text(SMALL.replace(old, new, 1), encoding="utf-8")
    assert message(small) == expected


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("seed", "command line: expected key=value, found seed"),
        ("seed=-1", "command line: seed: expected at least 0, found -1"),
        ("grid.ratios=[0, 2]",
         "command line: grid.ratios[1]: expected a share between 0 and 1, found 2"),
        ("ratios=[0]",
         "command line: ratios: expected a known key, found ratios (did you mean grid.ratios?)"),
        ("stages.algn.epochs=2",
         "command line: stages.algn: expected a known key, found algn "
         "(did you mean stages.align?)"),
        ("grid={ratios: [3]}",
         "command line: grid.ratios[0]: expected a share between 0 and 1, found 3"),
        ("name.first=x", "command line: name.first: expected a known key, found first "
         "(did you mean name?)"),
        ("grid.ratios=[", "command line: grid.ratios: expected YAML, found ["),
        ("backbones.a/b=x",
         "command line: backbones.a/b: expected a name of letters, digits, dots and dashes, "
         "found a/b"),
    ],
)  # fmt: skip
def test_mistaken_overrides_are_told_in_one_line(small: Path, override: str, expected: str) -> None:
    assert message(small, [override]) == expected


def test_a_recipe_that_extends_another_gives_only_what_differs(small: Path) -> None:
    child = small.with_name("child.yaml")
    child.write_text("extends: small.yaml\nname: child\nstages: {align: {epochs: 3}}\n")
    loaded = recipe.load(child)
    assert loaded.name == "child"
    assert loaded.stages.alignment.epochs == 3
    assert loaded.stages.alignment.batch_size == 4
    assert loaded.grid == recipe.load(small).grid


@pytest.mark.parametrize(
    ("base", "child", "expected"),
    [
        (SMALL.replace("0.2]", "2]"), "extends: small.yaml\n",
         "small.yaml:26: grid.ratios[1]: expected a share between 0 and 1, found 2"),
        (SMALL, "extends: small.yaml\ngrid:\n  ratios: [7]\n",
         "child.yaml:3: grid.ratios[0]: expected a share between 0 and 1, found 7"),
        (SMALL, "extends: small.yaml\ngrid:\n  ratois: [0]\n",
         "child.yaml:3: grid.ratois: expected a known key, found ratois "
         "(did you mean grid.ratios?)"),
        (SMALL, "extends: smal.yaml\n",
         "child.yaml:1: extends: expected a file beside this one, or one of Ikusi's, "
             "found smal.yaml "
         "(did you mean small.yaml?)"),
        ("extends: child.yaml\n", "extends: small.yaml\n",
         "child.yaml: extends: expected a file that does not extend this one, "
         "found a circle of 2"),
    ],
)  # fmt: skip
def test_mistakes_point_to_the_file_they_stand_in(
    small: Path, base: str, child: str, expected: str
) -> None:
    small.write_text(base, encoding="utf-8")
    path = small.with_name("child.yaml")
    path.write_text(child, encoding="utf-8")
    assert message(path) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "small.yaml:1: name: expected a value, found nothing"),
        (b"- a\n", "small.yaml:1: expected keys and values, found a list of 1"),
        (b"name: \xff\n", "small.yaml: expected UTF-8 text, found byte 6"),
        (b"name: \x00\n", "small.yaml: expected YAML, found "),
        (b"name: !!python/object:os.system x\n", "small.yaml:1: expected YAML, found "),
        (b"a: &a [*a]\n", "small.yaml:1: expected YAML, found a syntax error (alias *a; "),
        (b"? [a]\n: b\n", "small.yaml:1: expected a word as the key, found a list or mapping"),
        (b"[" * 1000, "small.yaml: expected YAML, found too many levels"),
    ],
)
def test_files_that_are_no_recipe_are_told(small: Path, content: bytes, expected: str) -> None:
    small.write_bytes(content)
    assert message(small).startswith(expected)


def test_a_missing_file_is_told_with_the_nearest(small: Path) -> None:
    assert message(small.with_name("smal.yaml")) == (
        "smal.yaml: expected a YAML file, found no such file (did you mean small.yaml?)"
    )


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_what_is_shown_is_the_same_recipe(tmp_path: Path, path: Path) -> None:
    loaded = recipe.load(path, ["stages.instruct.learning_rate=2e-3"])
    text = recipe.show(loaded)
    (tmp_path / "shown.yaml").write_text(text, encoding="utf-8")
    assert recipe.load(tmp_path / "shown.yaml") == loaded
    assert Recipe.model_validate(yaml.safe_load(text)) == loaded
    assert "# Peak learning rate.\n    learning_rate: 0.002\n" in text


def models(model: type[BaseModel]) -> list[type[BaseModel]]:
    kinds = [info.annotation for info in model.model_fields.values()]
    inner = [each for kind in kinds for each in (kind, *get_args(kind))]
    nested = [kind for kind in inner if isinstance(kind, type) and issubclass(kind, BaseModel)]
    return [model, *(deep for kind in nested for deep in models(kind))]


@pytest.mark.parametrize("model", [*models(Recipe), recipe.Run, language.LanguagePack])
def test_every_field_says_what_it_is(model: type[BaseModel]) -> None:
    silent = [name for name, info in model.model_fields.items() if not info.description]
    assert silent == []


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        (["grid.text_only=[false]", "text_only=null"], None),
        (["stages.align.corpus=a", "stages.instruct.corpus=b", "benchmarks=[]"],
         "text_only.corpus"),
        (["stages.align.corpus=a", "stages.instruct.corpus=b", "text_only.corpus=c"],
         "benchmarks[0]"),
        (["stages.align.corpus=a", "stages.instruct.corpus=b", "grid.text_only=[false]",
          "benchmarks=[]"], None),
    ],
)  # fmt: skip
def test_the_miniature_is_needed_where_its_data_is_used(
    small: Path, changes: list[str], missing: str | None
) -> None:
    """A text-only corpus that no run adds is no use of it, and a model that ships is none."""
    if missing is not None:
        told = message(small, [*changes, "miniature=null"])
        assert told.startswith(
            f"command line: miniature: expected keys and values, as {missing} is miniature/"
        )
    else:
        kept = [] if changes[-1] == "text_only=null" else ["miniature=null"]
        assert recipe.load(small, [*changes, *kept]).runs()


def test_a_recipe_cannot_be_changed(small: Path) -> None:
    loaded = recipe.load(small)
    with pytest.raises(ValueError, match="frozen"):
        loaded.seed = 3


def test_the_schema_describes_every_key_and_asks_for_none() -> None:
    schema = recipe.make_json_schema()
    assert json.loads(json.dumps(schema)) == schema
    assert set(schema["properties"]) == {*Recipe.model_fields, "extends"}
    parts: list[dict[str, Any]] = [schema, *schema["$defs"].values()]
    assert not any("required" in part for part in parts)
    assert all(part["additionalProperties"] is False for part in parts)


def test_benchmarks_are_named_by_their_files() -> None:
    assert "miniature/vqa" in recipe.BENCHMARKS.names()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            ["stages.instruct.optimizer=muon", "compute={parallel: fsdp, processes: 2}"],
            "command line: stages.instruct.optimizer: expected adamw in 2 processes with "
            "compute.parallel fsdp, found muon",
        ),
        (
            ["stages.align.optimizer=adamw8bit", "compute={parallel: zero2, processes: 4}"],
            "command line: stages.align.optimizer: expected adamw in 4 processes with "
            "compute.parallel zero2, found adamw8bit",
        ),
        (
            [
                "stages.instruct.lora={quantize: nf4}",
                "compute={parallel: zero3, slurm: {minutes: 60, nodes: 2}}",
            ],
            "command line: stages.instruct.lora.quantize: expected none in 2 processes with "
            "compute.parallel zero3, found nf4",
        ),
    ],
)
def test_an_optimiser_that_a_strategy_cannot_have_is_refused_when_it_is_read(
    small: Path, changes: list[str], expected: str
) -> None:
    assert message(small, changes) == expected
    recipe.load(small, [changes[0], "compute={parallel: ddp, processes: 2}"])
    recipe.load(small, [changes[0], "compute.parallel=zero3"])  # of one process, which is alone


def test_such_an_optimiser_is_told_by_its_line(small: Path) -> None:
    learns = "    trainable: [connector, llm]\n"
    text = SMALL.replace(learns, f"{learns}    optimizer: muon\n")
    small.write_text(f"{text}compute: {{parallel: zero2, processes: 2}}\n", encoding="utf-8")
    line = text[: text.index("optimizer")].count("\n") + 1
    told = message(small)
    assert told.startswith(f"small.yaml:{line}: stages.instruct.optimizer: expected adamw")


@pytest.mark.parametrize("name", ["org/llm@", "@main", "org/llm@two words", "a/b/c@main", "a@b@c"])
def test_a_revision_that_is_none_is_refused(small: Path, name: str) -> None:
    told = message(small, [f"backbones.english='{name}'"])
    expected = "expected a folder, or a hub id as NAME or NAME@REVISION"
    assert told == f"command line: backbones.english: {expected}, found {name}"


def test_a_hub_id_may_name_its_revision(small: Path, tmp_path: Path) -> None:
    (tmp_path / "odd @ name").mkdir()
    odd = str(tmp_path / "odd @ name")
    loaded = recipe.load(small, ["vision=org/clip@refs/pr/3", f"backbones.english={odd}"])
    assert (loaded.vision, loaded.backbone("english")) == ("org/clip@refs/pr/3", odd)
