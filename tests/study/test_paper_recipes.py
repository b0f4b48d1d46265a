"""The recipes for real models: what the paper prints, and every one of them rehearsed."""

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open
from typer.testing import CliRunner

import warm
from data_rows import instruction, picture
from ikusi import packaged, recipe
from ikusi.cli import app
from ikusi.data.corpus import CorpusWriter
from ikusi.evaluate import benchmark
from ikusi.evaluate.benchmark import Benchmark
from ikusi.miniature.bases import shipped
from ikusi.recipe import Recipe
from ikusi.study import layout

RECIPES = Path(__file__).parents[2] / "recipes"
RUNS = {
    "basque-8b": "latxa-eu020-text",
    "basque-8b-lora": "llama-eu020-text",
    "forkme": "llama-gl020-text",
    "no-pictures": "latxa-eu000-text",
    "adapt-8b": "qwen-eu020-text",
    "adapt-vs-build": "qwen-eu020-text",
}
"""A run of each recipe for real models."""
CODES = [file.stem for file in packaged.LANGUAGES.glob("*.yaml") if file.stem != "en"]


def load(name: str, *changes: str) -> Recipe:
    return recipe.load(RECIPES / f"{name}.yaml", changes)


def write(folder: Path, row_type: str, code: str, pictures: int) -> None:
    """A corpus of 16 rows in English and in one language more."""
    with CorpusWriter(folder, row_type, ["en", code]) as writer:
        for number in range(pictures):
            writer.add_image(str(number), picture("red", 40 + number), "PNG", 40, 40, "made up")
        for number in range(16):
            turns = instruction(number)
            told = {"en": turns["en"], code: turns["eu"]}
            if row_type == "caption":
                told = {spoken: {"text": f"{number} {spoken}"} for spoken in told}
            writer.add_row(str(number), str(number % pictures) if pictures else None, told)


@pytest.fixture
def corpora(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with small corpora where each recipe says that its own are."""
    monkeypatch.chdir(tmp_path)
    for name in RUNS:
        one = load(name)
        assert one.text_only is not None
        captions = one.stages.align.corpus if one.stages.align else "corpora/cc3m-eu"
        for corpus, row_type, pictures in (
            (captions, "caption", 5),
            (one.stages.instruct.corpus, "instruction", 5),
            (one.text_only.corpus, "instruction", 0),
        ):
            if not Path(corpus).is_dir():
                write(Path(corpus), row_type, one.language, pictures)
    for name in load("basque-8b").benchmarks:
        write_benchmark(Path("corpora") / name, benchmark.load(name), "eu")
    return tmp_path


def write_benchmark(folder: Path, bench: Benchmark, code: str) -> None:
    """A benchmark of 12 rows in English and in one language more."""
    asked: dict[str, Any] = {"question": "What is it?"}
    row: dict[str, Any] = {
        "vqa": asked | {"answers": ["red"] * 10},
        "choice": asked | {"choices": ["yes", "no", "red"], "answer": 1},
        "open": asked,
    }[bench.row_type]
    with CorpusWriter(folder, bench.row_type, ["en", code]) as writer:
        writer.add_image("0", picture("blue", 40), "PNG", 40, 40, "made up")
        for number in range(12):
            place = None if bench.text_only else "0"
            writer.add_row(
                str(number), place, {"en": row, code: row}, ("local", "global")[number % 2]
            )


@pytest.mark.system
@pytest.mark.slow
def test_the_plan_is_the_papers_sixteen_runs_on_two_aligned_backbones(corpora: Path) -> None:
    steps = layout.list_steps(load("basque-8b", "text_only.rows=16"))
    assert {step.name for step in steps if step.kind == "instruct"} == {
        f"instruct/{backbone}-eu{share}{text}"
        for backbone in ("llama", "latxa")
        for share in ("000", "020", "080", "100")
        for text in ("", "-text")
    }
    assert [step.name for step in steps if step.kind == "align"] == ["align/llama", "align/latxa"]
    measured = {step.name for step in steps if step.kind == "evaluate"}
    assert len(measured) == 18 and "evaluate/latxa-backbone" in measured
    trained = [step for step in steps if step.kind == "instruct"]
    assert all(step.settings["text_only"] for step in trained if step.name.endswith("-text"))


def test_what_the_paper_prints_is_in_its_recipe() -> None:
    """Sections 3.1, 5, 5.1, 5.2 and appendix A of arXiv 2511.09396."""
    paper = load("basque-8b")
    assert paper.vision == "openai/clip-vit-large-patch14-336"
    assert paper.connector == "linear"
    assert paper.backbones == {
        "llama": "meta-llama/Llama-3.1-8B-Instruct",
        "latxa": "HiTZ/Latxa-Llama-3.1-8B-Instruct@exp_2_101",
    }
    align, instruct, added = paper.stages.alignment, paper.stages.instruct, paper.text_only
    assert align.trainable == ["connector"]
    assert instruct.trainable == ["connector", "llm"]
    assert (align.ratio, align.learning_rate, align.batch_size) == (0.8, 1e-3, 32)
    assert (instruct.learning_rate, instruct.batch_size) == (2e-5, 128)
    assert instruct.weight_decay == 0.01
    for stage in (align, instruct):
        assert (stage.optimizer, stage.scheduler) == ("adamw", "cosine")
        assert (stage.warmup_ratio, stage.precision, stage.max_length) == (0.03, "bf16", 8192)
        assert stage.gradient_checkpointing
        assert stage.lora is None
    assert added is not None
    assert (added.rows, added.ratio) == (29_000, 0.8)
    assert paper.compute.parallel == "zero3"


def test_one_gpu_takes_adapters_and_fewer_runs() -> None:
    paper, small = load("basque-8b"), load("basque-8b-lora")
    assert small.stages.instruct.lora is not None
    assert small.stages.instruct.lora.rank == 64
    assert (small.compute.parallel, small.compute.processes) == ("ddp", 1)
    assert {run.name for run in small.runs()} < {run.name for run in paper.runs()}


def test_without_pictures_no_row_with_one_is_in_the_language() -> None:
    asked = load("no-pictures")
    assert asked.stages.alignment.ratio == 0 and {run.ratio for run in asked.runs()} == {0}
    assert asked.text_only is not None and asked.text_only.ratio == 1
    names = {model.name for model in asked.list_merged()}
    assert "llama-eu000-adapted100" in names


@pytest.mark.slow
def test_a_model_that_sees_is_trained_as_it_is_beside_one_that_is_aligned_first(
    corpora: Path,
) -> None:
    alone, beside = (
        layout.list_steps(load(name, "text_only.rows=16"))
        for name in ("adapt-8b", "adapt-vs-build")
    )
    assert [step.name for step in alone if step.kind == "align"] == []
    assert len([step for step in alone if step.kind == "instruct"]) == 8
    aligned = [step.name for step in beside if step.kind == "align"]
    assert aligned == ["align/llama", "align/latxa"]
    runs = [f"instruct/{name}-eu080-text" for name in ("llama", "latxa", "qwen")]
    built, also, adapted = ({s.name: s.settings for s in beside}[name] for name in runs)
    assert built["stage"] == also["stage"] == adapted["stage"]
    assert built["text_only"] == adapted["text_only"]
    starts = [built["aligned"], also["aligned"], adapted["model"]]
    assert starts == [*aligned, "Qwen/Qwen2.5-VL-7B-Instruct"]


@pytest.mark.parametrize("code", CODES)
def test_forkme_takes_any_packaged_language(code: str) -> None:
    """With models that are there: those of a rehearsal too."""
    assert load("forkme", f"language={code}").language == code
    rehearsed = load("forkme", f"language={code}", "rehearse=true")
    places = [rehearsed.encoder, *map(rehearsed.backbone, rehearsed.backbones)]
    assert [place for place in places if not Path(shipped.locate_base(place)).is_dir()] == []


@pytest.mark.system
@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_a_rehearsal_trains_on_this_machine(
    name: str, corpora: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command itself, from alignment to a checkpoint with what the recipe adds."""
    warm.let_workers_be_copies(monkeypatch)
    words = ["train", str(RECIPES / f"{name}.yaml"), "rehearse=true", "--stage", "instruct"]
    outcome = CliRunner().invoke(app, [*words, "--run", RUNS[name]])
    assert outcome.exit_code == 0, outcome.output
    trained = corpora / "studies" / f"{name}-rehearsal" / "instruct" / RUNS[name]
    summary = json.loads((trained / "summary.json").read_text(encoding="utf-8"))
    assert (summary["steps"], summary["counts"]["rows"]) == (3, 12)
    assert set(summary["counts"]["languages"]) <= {"en", load(name).language}
    with safe_open(trained / "checkpoint" / "model.safetensors", "np") as weights:
        assert any("multi_modal_projector" in key for key in weights.keys())  # noqa: SIM118


PAPER = ["grid.backbones=[latxa]", "grid.ratios=[0.2]", "grid.text_only=[true]"]
ARITHMETIC = [
    *("grid.backbones=[llama]", "grid.text_only=[false]", "merges.adapted.weights=[1]"),
    "benchmarks=[vqav2,bertaqa]",
]


@pytest.mark.system
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "changes", "model", "benchmarks"),
    [
        ("basque-8b", PAPER, "latxa-eu020-text", set(load("basque-8b").benchmarks)),
        ("no-pictures", ARITHMETIC, "llama-eu000-adapted100", {"vqav2", "bertaqa"}),
    ],
)
def test_a_rehearsal_goes_to_the_report(
    name: str,
    changes: list[str],
    model: str,
    benchmarks: set[str],
    corpora: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With benchmarks, of which a rehearsal asks a few rows, and what is merged."""
    warm.let_workers_be_copies(monkeypatch)
    words = ["study", str(RECIPES / f"{name}.yaml"), "rehearse=true", *changes]
    outcome = CliRunner().invoke(app, words)
    assert outcome.exit_code == 0, outcome.output
    folder = corpora / "studies" / f"{name}-rehearsal"
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert (folder / "report" / "index.html").is_file()
    measured = json.loads((folder / f"evaluate/{model}/results.json").read_text("utf-8"))
    assert set(measured) == benchmarks
    assert {one["eu"]["all"]["n"] for one in measured.values()} == {8}
    assert set(measured["bertaqa"]["en"]) == {"all", "local", "global"}
    assert results
