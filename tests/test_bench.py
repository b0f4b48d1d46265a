"""The scripts behind docs/benchmarks.md."""

import argparse
import json
import math
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from sacrebleu.metrics import CHRF
from torch import nn
from transformers import AutoConfig

from data.stamps import make_stamps
from ikusi import artifact, recipe
from ikusi.study import layout
from translate.jobs import OFF
from translate.servers import MODEL, Faulty

BENCH = Path(__file__).parents[1] / "bench"
RECIPE = BENCH.parent / "recipes" / "emoji-eu.yaml"
SCRIPT, GPU = BENCH / "study_times.py", BENCH / "train_gpu.py"
TINY = ["--device", "cpu", "--shape", "tiny", "--layers", "2", "--batch", "4", "--steps", "2"]

Said = Callable[..., str]


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Said:
    """Output of a script, run in this process: torch is imported once for all of them."""

    def run(*words: str | Path) -> str:
        monkeypatch.setattr(sys, "argv", [str(word) for word in words])
        monkeypatch.syspath_prepend(BENCH)
        capsys.readouterr()
        runpy.run_path(str(words[0]), run_name="__main__")
        return capsys.readouterr().out

    return run


def test_times_of_a_study_come_from_its_manifests(tmp_path: Path) -> None:
    merge = "{basque: {run: english-eu000, plus: adapted, minus: english, weights: [1]}}"
    grid = ["grid.backbones=[english]", "grid.ratios=[0, 1]", "grid.text_only=[false]"]
    asked = recipe.load(RECIPE, [*grid, f"merges={merge}"])
    names = [step.name for step in layout.name_steps(asked)]
    for name in names:
        with artifact.write_folder(tmp_path / name, fingerprint=name):
            pass
    shown = subprocess.run(
        [sys.executable, SCRIPT, tmp_path], capture_output=True, text=True, check=True
    ).stdout
    counted = dict(line.split(" | ")[:2] for line in shown.splitlines()[2:] if line[:1] == "|")
    assert counted["| instruct"] == "2" and "| features" in counted and "| merge" in counted
    assert sum(map(int, counted.values())) == len(names)
    assert "ikusi" in shown.splitlines()[-1]


def test_a_folder_without_steps_is_refused(tmp_path: Path) -> None:
    asked = subprocess.run([sys.executable, SCRIPT, tmp_path], capture_output=True, text=True)
    assert asked.returncode == 1
    assert "finished steps" in asked.stderr


@pytest.mark.slow
def test_both_stages_of_the_gpu_benchmark_train_on_a_cpu_near_the_memory_estimated(
    said: Said,
) -> None:
    lines = said(GPU, *TINY).splitlines()
    for stage in ("align", "instruct"):
        line = next(line for line in lines if line.startswith(stage))
        assert float(re.findall(r"([\d.]+) samples/s", line)[0]) > 0
        assert abs(float(re.findall(r"([+-][\d.]+)%\)", line)[0])) < 20


@pytest.mark.slow
def test_a_model_that_sees_trains_in_the_gpu_benchmark_near_the_memory_planned(said: Said) -> None:
    lines = said(GPU, *[word.replace("tiny", "qwen-tiny") for word in TINY]).splitlines()
    assert next(line for line in lines if line.startswith("planned: ")).count("%") == 2
    for stage in ("adapters", "llm"):
        line = next(line for line in lines if line.startswith(stage))
        assert float(re.findall(r"([\d.]+) samples/s", line)[0]) > 0
        assert float(re.findall(r"MFU ([\d.]+)", line)[0]) > 0
        # Of 7 MB, what no plan counts (positions, masks, the encoder's inputs) is a good part.
        assert abs(float(re.findall(r"([+-][\d.]+)%\)", line)[0])) < 25


@pytest.mark.slow
def test_the_model_that_sees_of_the_gpu_benchmark_is_the_published_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(BENCH)
    from train_gpu import estimate, stage
    from train_seeing import SEEING

    shape = SEEING["qwen2.5-vl-7b"]
    model = shape.build(shape.layers, "meta")
    rows = shape.draw(model, 3, 8, 0)
    assert [row.shown.features for row in rows if row.shown] == [99, 391, 884]
    assert shape.count_places(rows) == (458, 4 * 458)
    assert shape.size_up(model, rows).total == sum(one.numel() for one in model.parameters())
    pixels = shape.look(rows, 0)
    longest_first = pixels["image_grid_thw"].prod(1).tolist()
    assert longest_first == [4 * 884, 4 * 391, 4 * 99]
    assert pixels["pixel_values"].shape == (sum(longest_first), 3 * 2 * 14 * 14)
    ids, shown = torch.from_numpy(rows[0].input_ids).long(), [one.shown for one in rows[:1]]
    layout: Any = shape.lay(model)
    assert layout.compute_positions(ids, shown).shape == (3, 101 + 8)
    steps = [rows[2:], rows[:2]]
    longest = [estimate(model, shape, stage("llm"), part).peak for part in (steps, steps[:1])]
    assert longest[0] == longest[1] > estimate(model, shape, stage("llm"), steps[1:]).peak


@pytest.mark.slow
def test_packed_equals_padded_in_the_gpu_benchmark_on_a_cpu(said: Said) -> None:
    shown = said(GPU, *TINY, "--parity")
    assert shown.count("\nok ") + shown.startswith("ok ") == 7
    assert "DIFFERS" not in shown


@pytest.mark.slow
def test_the_evaluation_of_the_gpu_benchmark_runs_on_a_cpu_and_picks_as_a_plain_loop(
    said: Said,
) -> None:
    asked = ["--device", "cpu", "--shape", "tiny", "--questions", "4", "--batch-size", "2"]
    shown = said(BENCH / "evaluate_gpu.py", *asked)
    assert "2 of 2 picks equal" in shown


@pytest.mark.slow
def test_the_plan_says_what_fits_on_which_card(said: Said) -> None:
    rows = [line.split("|") for line in said(GPU, "--plan").splitlines() if line.startswith("| ")]
    fits = {(row[1].strip(), row[2].strip()): row[-2].strip() for row in rows[1:]}
    assert fits["QLoRA", "24"] == "fits"
    assert fits["full, zero3", "2 x 80"] == "too much"


def test_a_tally_counts_storages_once_and_forgets_what_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(BENCH)
    from train_tally import Tally

    layer = nn.Linear(10, 10, bias=False)  # 400 bytes
    with Tally(layer) as tally:
        big = torch.zeros(100)
        view = big.view(10, 10)
        assert tally.held == 800
        del big, view
        assert tally.held == 400
        layer(torch.zeros(1, 10)).sum().backward()
    assert layer.weight.grad is not None
    assert tally.held >= 800
    assert tally.most >= tally.held


class Parsed(BaseException):
    """A script has taken its arguments; what it does with them is not run."""


def documented() -> list[str]:
    """Every command of the documents that runs one of these scripts, with its arguments."""
    pages = sorted((BENCH.parent / "docs").glob("*.md"))
    text = "\n".join(page.read_text(encoding="utf-8").replace("\\\n", " ") for page in pages)
    return sorted(set(re.findall(r"python (bench/\w+\.py[^`\n#]*)", text)))


@pytest.mark.parametrize("command", documented())
def test_documented_commands_take_their_arguments(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, *words = shlex.split(command)
    path = BENCH.parent / script
    if "parse_args" not in path.read_text(encoding="utf-8"):
        assert not [word for word in words if word.startswith("-")]
        return
    if "lmms" in script:
        pytest.importorskip("lmms_eval")
    parse = argparse.ArgumentParser.parse_args

    def stop(parser: argparse.ArgumentParser) -> None:
        parse(parser)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stop)
    monkeypatch.setattr(sys, "argv", [str(path), *words])
    monkeypatch.setattr(sys, "path", [str(BENCH), *sys.path])
    with pytest.raises(Parsed):
        runpy.run_path(str(path), run_name="__main__")


def said_alone(script: str, *words: str) -> str:
    """Output of a script in a process of its own, which must end well."""
    asked = [sys.executable, str(BENCH / script), *words]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout


def with_options() -> list[Path]:
    """The scripts that take options."""
    scripts = sorted(BENCH.glob("*.py"))
    return [path for path in scripts if "parse_args()" in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("script", with_options(), ids=lambda path: path.stem)
def test_every_script_with_options_loads_and_explains_them(script: Path, said: Said) -> None:
    if "lmms" in script.stem:
        pytest.importorskip("lmms_eval")
    with pytest.raises(SystemExit) as ended:
        said(script, "--help")
    assert ended.value.code == 0


@pytest.mark.slow
def test_a_family_made_larger_is_trained_in_the_benchmark_beside_trl(
    said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(BENCH)
    from seers import Size, count_weights, make
    from train_trl import Taken, agree, write_rows

    size = Size(64, 2, weights=300_000, vocabulary=1000, eyes=32)
    folder = make("idefics3", tmp_path / "model", size)
    config = AutoConfig.from_pretrained(folder)
    assert abs(count_weights(config) - 300_000) < 20_000
    write_rows(tmp_path / "rows", 4, 8)
    asked = ["--child", "Ikusi", "--folder", tmp_path, "--batch", "2"]
    shown = said(BENCH / "train_trl.py", *asked).partition("benchmark:")[2]
    seconds, _, _, losses = json.loads(shown)
    assert seconds > 0 and len(losses) == 2 and losses[0] == pytest.approx(math.log(1000), abs=1)
    ours, theirs = Taken(seconds, 1, 2, losses), Taken(2 * seconds, 2, 4, [losses[0] + 2e-4])
    took = {"Ikusi": [ours], "TRL": [theirs]}
    assert agree(took, "TRL", 3e-4) and not agree(took, "TRL", 1e-4)


def test_times_to_go_are_held_to_what_came(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(BENCH)
    from time_to_go import follow, show

    said = [
        "1 of 3 steps, 0:01 gone, about 1:02:03 to go",
        "x, to go: 5:00 and what report will take",
    ]
    lines, _ = follow([sys.executable, "-c", f"print(*{said}, sep=chr(10))"], {})
    assert [left for _, left in lines] == [3723, None]
    show([(10, 1.0), (70, 150.0), (100, 109.0), (150, None), (190, 5.0)], 200)
    shown = capsys.readouterr().out
    assert "3 lines after the first 60 s, of which 1 did not know all" in shown
    assert "| 2 of 4 | 1 | +15% | +15% |" in shown
    assert "| all | 2 | +12% | +15% |" in shown
    assert "2 of 2 are within 20 %" in shown


@pytest.mark.slow
def test_fetched_pictures_are_told_for_what_they_are() -> None:
    shown = said_alone("fetch_images.py", "--urls", "60")
    assert "60 good pictures of 16x16 alone" in shown


@pytest.mark.slow
def test_words_of_one_stem_are_listed() -> None:
    if not any(Path("/usr/share/locale/eu").rglob("*.mo")):
        pytest.skip("no program of this machine has messages in Basque")
    assert re.search(r"One word: [1-9]\d* pairs", said_alone("inflected_words.py", "eu"))


@pytest.mark.slow
def test_the_benchmark_of_a_server_ends_with_every_row_accounted_for() -> None:
    with Faulty(rate=0).started() as server:
        few = ["--url", server.url, "--model", MODEL, "--rows", "2", "--fault-rows", "10"]
        asked = [sys.executable, str(BENCH / "translate_chat.py"), *few]
        shown = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert "of the bare loop's throughput" in shown
    counts = re.search(r"(\d+) translated .*, (\d+) refused .*, (\d+) not reached", shown)
    assert counts and sum(map(int, counts.groups())) == 10


@pytest.mark.slow
def test_a_table_of_judgements_is_made_and_all_its_figures_computed(said: Said) -> None:
    found = json.loads(said(BENCH / "judgements.py", "--judgements", "1500", "--runs", "1"))
    assert (found["rows"], found["replaced"]) == (1500, 150)
    assert found["cells"] > 50 and found["seconds"] > 0


def test_translations_are_measured_beside_those_of_people(said: Said, tmp_path: Path) -> None:
    pairs = [("txakur bat", "Txakur bat."), ("Inurri beltz bat.", "Inurri bat.")]
    script = tmp_path / "translate"
    words = f"s/^A dog.$/{pairs[0][0]}/; s/^An ant.$/{pairs[1][0]}/"
    script.write_text(f"#!/bin/sh\nexec sed '{words}'\n")
    script.chmod(0o755)
    recipe = tmp_path / "recipe.yaml"
    engine = {"kind": "command", "command": [str(script)]}
    recipe.write_text(json.dumps({"name": "a", "language": "eu", "engine": engine, "checks": OFF}))
    shown = said(BENCH / "translate_captions.py", recipe, "--stamps", make_stamps(tmp_path))
    row = next(line for line in shown.splitlines() if line.startswith("| all |"))
    metric = CHRF(word_order=2)
    mean = sum(metric.sentence_score(ours, [theirs]).score for ours, theirs in pairs) / 2
    assert row.startswith(f"| all | 2 | 2 | {mean:.1f} [") and row.endswith("| 1 |")
    assert "| 9 or more | 0 | 0 |" in shown
