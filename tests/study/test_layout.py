import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from data_rows import instruction
from ikusi import artifact, recipe, study
from ikusi.data.corpus import CorpusWriter
from ikusi.errors import InputError
from ikusi.evaluate import benchmark
from ikusi.miniature.bases import shipped
from ikusi.recipe import Recipe
from ikusi.study import graph, layout, progress
from ikusi.study.graph import Step

ROOT = Path(__file__).parents[2]
TRAINED = ("align", "instruct", "evaluate")  # kinds of steps that a seed has its own of


@pytest.fixture
def bases(tmp_path: Path) -> list[str]:
    """Overrides that name model folders, so that no shipped model is needed."""
    for name in ("vision", "english", "adapted"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(name.encode())
    return [
        f"vision={tmp_path / 'vision'}",
        f"backbones.english={tmp_path / 'english'}",
        f"backbones.adapted={tmp_path / 'adapted'}",
    ]


def load(bases: list[str], *changes: str) -> Recipe:
    return recipe.load(ROOT / "recipes/emoji-eu.yaml", [*bases, *changes])


def redone(before: Recipe, after: Recipe) -> set[str]:
    """Names of the steps of `after` that a study made from `before` does not hold."""
    old, new = fingerprints(before), fingerprints(after)
    return {name for name, value in new.items() if old.get(name) != value}


def fingerprints(of: Recipe) -> dict[str, str]:
    return graph.hash_steps(graph.order_steps(layout.list_steps(of)))


def by_name(of: Recipe) -> dict[str, Step]:
    return {step.name: step for step in layout.list_steps(of)}


def test_a_run_needs_its_data_and_the_alignment_of_its_backbone(bases: list[str]) -> None:
    steps = by_name(load(bases))
    needed = ("data", "features/instructions", "align/adapted")
    assert steps["instruct/adapted-eu020-text"].inputs == needed
    assert steps["evaluate/adapted-eu020"].inputs == ("data", "instruct/adapted-eu020")
    assert steps["evaluate/english-backbone"].inputs == ("data",)
    assert steps["evaluate/english-backbone"].settings["benchmarks"] == ["miniature/bertaqa"]
    kinds = [step.kind for step in steps.values()]
    counts = {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}
    assert counts == {
        "data": 1, "features": 2, "align": 2, "instruct": 16, "evaluate": 18, "report": 1
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("workers=7", set()),
        (
            "grid.ratios=[0,0.2,0.5,1]",
            {
                f"{kind}/{backbone}-eu050{text}"
                for kind in ("instruct", "evaluate")
                for backbone in ("english", "adapted")
                for text in ("", "-text")
            }
            | {"report"},
        ),
        (
            "text_only.rows=7",
            {
                f"{kind}/{backbone}-eu{ratio}-text"
                for kind in ("instruct", "evaluate")
                for backbone in ("english", "adapted")
                for ratio in ("000", "020", "080", "100")
            }
            | {"report"},
        ),
    ],
)
def test_a_change_redoes_only_what_depends_on_it(
    bases: list[str], change: str, expected: set[str]
) -> None:
    assert redone(load(bases), load(bases, change)) == expected


def test_one_seed_changes_no_name_and_no_step_and_a_second_trains_only_its_own(
    bases: list[str],
) -> None:
    plain = load(bases)
    assert redone(plain, load(bases, "grid.seeds=[0]")) == set()
    assert "seeds" not in by_name(plain)["report"].settings["recipe"]["grid"]
    models = [name for name in fingerprints(plain) if name.split("/")[0] in TRAINED]
    models = [name for name in models if not name.endswith("-backbone")]
    added = {f"{name}-seed7" for name in models}
    assert redone(plain, load(bases, "grid.seeds=[0,7]")) == added | {"report"}
    seven = by_name(load(bases, "grid.seeds=[7]"))
    assert set(seven) == set(fingerprints(plain))
    assert {seven[name].settings["seed"] for name in models if "evaluate" not in name} == {7}


def test_what_a_seed_changes_is_both_stages_and_not_what_is_asked(bases: list[str]) -> None:
    steps = by_name(load(bases, "grid.seeds=[0,7]"))
    run = steps["instruct/english-eu020-text-seed7"]
    assert run.inputs == ("data", "features/instructions", "align/english-seed7")
    assert (run.settings["seed"], steps["align/english-seed7"].settings["seed"]) == (7, 7)
    assert (steps["align/english"].settings["seed"], steps["data"].settings) == (
        0, by_name(load(bases))["data"].settings,
    )  # fmt: skip
    measured, other = (steps[f"evaluate/english-eu020{end}"].settings for end in ("", "-seed7"))
    assert {key for key in measured if measured[key] != other[key]} == {"checkpoint"}


def test_the_live_grid_has_a_row_for_each_seed(bases: list[str]) -> None:
    loaded = load(bases, "grid.seeds=[0,7]")
    cells = {(cell.row, cell.column): cell.steps for cell in progress.list_cells(loaded)}
    assert len(cells) == len(loaded.runs()) == 32
    assert cells["english + text, seed 7", "20 % eu"] == (
        "align/english-seed7", "instruct/english-eu020-text-seed7",
        "evaluate/english-eu020-text-seed7",
    )  # fmt: skip
    assert ("english", "20 % eu") in {
        (cell.row, cell.column) for cell in progress.list_cells(load(bases))
    }


def test_fewer_resamples_retrain_nothing(bases: list[str]) -> None:
    kinds = {name.split("/")[0] for name in redone(load(bases), load(bases, "bootstrap=10"))}
    assert kinds == {"evaluate", "report"}


@pytest.mark.slow
def test_another_aspect_of_pictures_makes_everything_from_alignment_on_anew(
    bases: list[str],
) -> None:
    before, after = load(bases), load(bases, "image_aspect=pad")
    unmoved = set(fingerprints(before)) - redone(before, after)
    assert unmoved == {"data", "evaluate/english-backbone", "evaluate/adapted-backbone"}
    assert by_name(after)["align/english"].settings["image_aspect"] == "pad"


def test_a_retrained_base_makes_its_own_runs_stale(bases: list[str], tmp_path: Path) -> None:
    before = fingerprints(load(bases))
    (tmp_path / "adapted" / "model.safetensors").write_bytes(b"other weights")
    after = fingerprints(load(bases))
    changed = {name for name in after if before[name] != after[name]}
    assert all("adapted" in name or name == "report" for name in changed)
    assert {"align/adapted", "instruct/adapted-eu000", "evaluate/adapted-backbone"} <= changed


def test_notes_about_a_model_make_nothing_stale(bases: list[str], tmp_path: Path) -> None:
    before = fingerprints(load(bases))
    for name in ("README.md", "training.json", "retrieval.json"):
        (tmp_path / "adapted" / name).write_text("how it was made")
    assert fingerprints(load(bases)) == before


def test_settings_are_plain_json_and_name_a_function(bases: list[str]) -> None:
    def plain(value: Any) -> bool:
        if isinstance(value, dict):
            return all(isinstance(key, str) and plain(item) for key, item in value.items())
        if isinstance(value, list):
            return all(plain(item) for item in value)
        return value is None or isinstance(value, str | int | float | bool)

    for step in layout.list_steps(load(bases)):
        assert plain(dict(step.settings)), step.name
        assert step.function.startswith("ikusi.study.steps:")


def test_a_corpus_that_is_not_there_is_told(bases: list[str]) -> None:
    with pytest.raises(InputError, match="/no/such: expected the folder of a corpus, found none"):
        layout.list_steps(load(bases, "stages.align.corpus=/no/such"))


def test_another_revision_of_a_model_makes_its_own_runs_stale(bases: list[str]) -> None:
    bases = [change for change in bases if not change.startswith("backbones.adapted=")]
    before = load(bases, "backbones.adapted=org/llm@v1")
    assert shipped.locate_base(before.backbone("adapted")) == "org/llm@v1"
    changed = redone(before, load(bases, "backbones.adapted=org/llm@v2"))
    assert all("adapted" in name or name == "report" for name in changed)
    assert {"align/adapted", "instruct/adapted-eu000", "evaluate/adapted-backbone"} <= changed


@pytest.mark.slow
def test_a_finished_study_is_told_at_once_and_without_torch(
    bases: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "studies" / "emoji-eu"
    known = fingerprints(load(bases))
    for name, value in known.items():
        with artifact.write_folder(folder / name, fingerprint=value):
            pass
    code = (
        "import sys\n"
        "from ikusi.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: print(sorted({'torch', 'transformers', 'rich'} & set(sys.modules)))"
    )
    arguments = ["study", str(ROOT / "recipes/emoji-eu.yaml"), *bases]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments, "--studies", str(folder.parent)],
        capture_output=True,
        text=True,
        check=True,
    )
    told, heavy = done.stdout.splitlines()
    assert told == f"nothing to do: all {len(known)} steps are current"
    assert heavy == "[]"


@pytest.mark.slow
def test_a_byte_deep_in_a_base_model_or_a_corpus_makes_its_steps_stale(
    bases: list[str], tmp_path: Path
) -> None:
    weights, corpus = tmp_path / "adapted" / "model.safetensors", tmp_path / "pictures"
    weights.write_bytes(bytes(3 * 2**20))
    with CorpusWriter(corpus, "instruction", ["en", "eu"]) as writer:
        writer.add_row("1", None, instruction(1))
    (corpus / "images-00000.parquet").write_bytes(bytes(3 * 2**20))
    given = [*bases, f"stages.align.corpus={corpus}"]
    for path, steps in ((weights, "align/adapted"), (corpus / "images-00000.parquet", "features")):
        before = fingerprints(load(given))
        with path.open("r+b") as file:
            file.seek(2 * 2**20)
            file.write(b"x")
        after = fingerprints(load(given))
        changed = {name for name in after if before[name] != after[name]}
        assert any(name.startswith(steps) for name in changed)
        assert "data" not in changed


def own_benchmark(folder: Path, **changes: str) -> None:
    """Two benchmarks in ./benchmarks: `miniature/base`, and `miniature/mine`, which extends it."""
    known = benchmark.read_content(benchmark.load("miniature/vqa")) | changes
    place = folder / "benchmarks" / "miniature"
    place.mkdir(parents=True, exist_ok=True)
    (place / "base.yaml").write_text(yaml.safe_dump(known | {"name": "miniature/base"}))
    (place / "mine.yaml").write_text("extends: base.yaml\nname: miniature/mine\n")


def test_a_change_in_the_file_that_a_benchmark_extends_makes_its_scores_anew(
    bases: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own_benchmark(tmp_path)
    asked = load(bases, "benchmarks=[miniature/mine]")
    before = fingerprints(asked)
    own_benchmark(tmp_path, metric="vqa_accuracy")
    after = fingerprints(asked)
    changed = {name.split("/")[0] for name in after if before[name] != after[name]}
    assert changed == {"evaluate", "report"}


def test_where_a_benchmark_says_too_little_a_study_says_so(
    bases: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own_benchmark(tmp_path)
    place = tmp_path / "benchmarks" / "miniature" / "base.yaml"
    place.write_text(place.read_text().replace("text_only: false\n", ""))
    with pytest.raises(InputError, match="text_only: expected a value, found nothing"):
        study.read_states(load(bases, "benchmarks=[miniature/mine]"), tmp_path / "study")


def test_a_copied_model_is_still_itself(bases: list[str], tmp_path: Path) -> None:
    before = fingerprints(load(bases))
    shutil.move(tmp_path / "adapted", tmp_path / "away")
    shutil.copytree(tmp_path / "away", tmp_path / "adapted", copy_function=shutil.copyfile)
    assert fingerprints(load(bases)) == before


def test_what_starts_from_a_run_comes_after_it_aligned_or_not(bases: list[str]) -> None:
    start, grid = "backbones.more.run=english-eu000", "grid.backbones=[more, english]"
    steps = by_name(load(bases, start, grid))
    assert steps["instruct/more-eu020"].inputs == ("data", "instruct/english-eu000")
    assert steps["evaluate/more-backbone"].inputs == ("data", "instruct/english-eu000")
    assert steps["evaluate/more-backbone"].settings["benchmarks"] == ["miniature/bertaqa"]
    assert "align/more" not in steps
    ordered = list(steps)
    assert ordered.index("instruct/english-eu000") < ordered.index("instruct/more-eu020")
    steps = by_name(load(bases, start, grid, "backbones.more.align=true"))
    assert steps["align/more"].inputs == ("data", "instruct/english-eu000")
    assert steps["instruct/more-eu020"].inputs == ("data", "align/more")


def test_a_merge_may_name_a_backbone_that_is_a_run(bases: list[str]) -> None:
    merge = "merges.back={run: more-eu080, plus: more, minus: more-eu080, weights: [0.5]}"
    grid = ["backbones.more.run=english-eu000", "grid.backbones=[more, english]"]
    steps = by_name(load(bases, *grid, merge))
    wanted = ("instruct/more-eu080", "instruct/english-eu000")
    assert steps["merge/more-eu080-back050"].inputs == wanted
