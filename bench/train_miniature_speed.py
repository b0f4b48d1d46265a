"""Time and memory of training a run of the miniature, by this build and an earlier one, in turns.

    python bench/train_miniature_speed.py [--commit 2691a2f] [--turns 2] [--steps 30 30]

The data of `recipes/emoji-eu.yaml` with fewer pictures, and their features, are made once by this
build, in the way and for the steps that the earlier one knows. Then both builds train the two
stages of the recipe's run with 80 % of Basque on them, as a study does, from this build's English
backbone, `--steps` of each, one thread, each stage in a process of its own; the earlier build is a
work tree of `--commit`. Counted is a stage's whole processor time but for importing libraries:
opening the model, tokens, steps, checkpoint. Memory is the most that its process held. The loss is
the mean of the last ten steps; `--seeds` trains this build from further seeds, to show how much of
a difference is seed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from ikusi import recipe as recipes
from ikusi.recipe.folder import METRICS, SUMMARY, StudyFolder
from ikusi.study import layout, steps
from ikusi.study.context import Context

ROOT = Path(__file__).parents[1]
RECIPE = ROOT / "recipes" / "emoji-eu.yaml"
NEWER = (("miniature", "checked"), ("stages", "instruct", "group_by_task"))  # keys of the recipe
PICTURES = 640  # of each stage, at most: beyond them a stage begins its next pass
STAGES = ("align", "instruct")
LAST = 10  # steps that a final loss is the mean of
MARK = "benchmark:"


def settle(folder: Path, made: Sequence[int], seed: int) -> Any:
    """The recipe, cut down to these many steps of each stage; written to `folder` on the way."""
    whole = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))
    for *place, key in NEWER:
        section = whole
        for name in place:
            section = section[name]
        section.pop(key, None)
    written = folder / "recipe.yaml"
    written.write_text(yaml.safe_dump(whole), encoding="utf-8")
    changes = [f"miniature.{name}_scenes={PICTURES}" for name in ("train", "caption")]
    changes += ["miniature.test_scenes=3", f"seed={seed}", "stages.instruct.batch_size=16"]
    changes += ["grid={backbones: [english], ratios: [0.8], text_only: [false]}"]
    changes += [f"backbones.english={ROOT / 'src/ikusi/bases/llama-en'}"]
    changes += [f"stages.{name}.max_steps={n}" for name, n in zip(STAGES, made, strict=True)]
    return recipes.load(written, changes)


def make(folder: Path, kind: str, recipe: Any, compute: dict[str, Any]) -> Path:
    """Make the steps of a kind, as a study does; returns the last one's folder."""
    context = Context(StudyFolder(folder), lambda _: None, compute)
    output = folder
    for one in layout.name_steps(recipe):
        if one.name.partition("/")[0] == kind:
            output = folder / one.name
            output.parent.mkdir(parents=True, exist_ok=True)
            getattr(steps, one.settings.function)(output, context, one.settings)
    return output


def train(folder: Path, name: str, recipe: Any) -> None:
    """Train one stage in this process, and print what that took."""
    import torch
    from memory import peak_mib

    from ikusi.train import stages  # noqa: F401 - libraries are loaded before the clock starts

    torch.set_num_threads(1)
    began = time.process_time()
    output = make(folder, name, recipe, {"data_workers": 0})
    seconds = time.process_time() - began
    tokens = json.loads((output / SUMMARY).read_text())["counts"]["tokens"]
    losses = [json.loads(line)["loss"] for line in (output / METRICS).read_text().splitlines()]
    loss = sum(losses[-LAST:]) / len(losses[-LAST:])
    print(MARK, json.dumps([seconds, tokens, loss, peak_mib()]))


def run_apart(source: Path, folder: Path, name: str, words: Sequence[str]) -> list[float]:
    """Train one stage by the build in `source`: seconds, tokens, loss, MiB."""
    places = os.pathsep.join([str(source / "src"), str(Path(__file__).parent)])
    environment = {**os.environ, "PYTHONPATH": places, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, *words, "--child", name, "--folder", str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    line = next(line for line in done.stdout.splitlines() if line.startswith(MARK))
    kept: list[float] = json.loads(line.removeprefix(MARK))
    return kept


def train_run(source: Path, data: Path, folder: Path, words: Sequence[str]) -> list[list[float]]:
    """Train both stages of a run by the build in `source`, in a folder of their own."""
    folder.mkdir()
    for name in ("data", "features"):
        (folder / name).symlink_to(data / name)
    return [run_apart(source, folder, name, words) for name in STAGES]


def show(name: str, stages: Sequence[Sequence[float]]) -> float:
    """Print a run's line; returns its seconds."""
    whole = sum(seconds for seconds, *_ in stages)
    cells = [
        f"{tokens / seconds:9,.0f} {loss:7.4f} {mib:6,.0f}" for seconds, tokens, loss, mib in stages
    ]
    print(f"{name:24}{whole:8.1f}   {'   '.join(cells)}", flush=True)
    return whole


def main() -> None:
    """Train by both builds in turns, and print what each took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--commit", default="2691a2f", help="the earlier build")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--steps", type=int, nargs=2, default=[30, 30], help="of align, instruct")
    parser.add_argument("--seeds", type=int, nargs="*", default=[], help="of further runs")
    parser.add_argument("--keep", type=Path, help="the data: made here, or used if it is there")
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--child", choices=STAGES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        train(asked.folder, asked.child, settle(asked.folder, asked.steps, asked.seed))
        return
    with tempfile.TemporaryDirectory() as name:
        compare(Path(name), asked, settle(Path(name), asked.steps, asked.seed))
    from train_miniature import machine

    print(f"{machine()}, one thread")


def compare(folder: Path, asked: argparse.Namespace, recipe: Any) -> None:
    """Measure both builds in `folder`."""
    data, before = (asked.keep or folder / "made").resolve(), folder / "before"
    subprocess.run(
        ["git", "-C", str(ROOT), "worktree", "add", "--detach", "-q", str(before), asked.commit],
        check=True,
    )
    try:
        if not data.exists():
            for kind in ("data", "features"):
                make(data, kind, recipe, {})
        head = "   ".join(f"{name:>8}/s {'loss':>6} {'MiB':>6}" for name in STAGES)
        print(f"{'':24}{'seconds':>8}   {head}")
        words = ["--steps", *map(str, asked.steps)]
        took: dict[str, list[float]] = {asked.commit: [], "this build": []}
        for turn in range(asked.turns):
            for build, source in ((asked.commit, before), ("this build", ROOT)):
                made = train_run(source, data, folder / f"{build}-{turn}", words)
                took[build].append(show(f"{build}, turn {turn + 1}", made))
        for seed in asked.seeds:
            made = train_run(ROOT, data, folder / f"seed-{seed}", [*words, "--seed", str(seed)])
            show(f"this build, seed {seed}", made)
    finally:
        subprocess.run(
            ["git", "-C", str(ROOT), "worktree", "remove", "--force", str(before)], check=True
        )
    earlier, now = (sum(took[build]) for build in (asked.commit, "this build"))
    print(f"this build takes {now / earlier:.0%} of the processor time of {asked.commit}")


if __name__ == "__main__":
    main()
