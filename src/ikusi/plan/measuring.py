"""Measures what a plan is computed from: a short time of each kind of step, on this machine.

The steps are a study's own, of the recipe's true shapes, made in two sizes, so that what does not
depend on the size is known apart; a first study is made before, which shows what loading libraries
adds to it. What is not here is stood in for: models by random weights of their
shape, corpora by made-up words and grey pictures.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ikusi import artifact, processes
from ikusi import recipe as recipes
from ikusi.errors import IkusiError, InputError
from ikusi.plan import stand_ins
from ikusi.progress import Report
from ikusi.recipe import Recipe
from ikusi.recipe.folder import StudyFolder
from ikusi.study import graph, layout, worker
from ikusi.study.launch.hardware import claim_hardware, list_accelerators

if TYPE_CHECKING:
    from ikusi.translate.settings import Translation

COLD, ROUNDS = 3, (2, 6)  # sizes: of the study that loads libraries, and of the others
ALIGN_STEPS, INSTRUCT_STEPS = 6, 2  # optimiser steps of a stage in a study of size 1
TESTED = 8  # test scenes of the miniature, likewise; rows of any benchmark are three times as many
FEWEST, MOST, SECONDS = 50, 5000, 40  # rows that are translated, and how long that may take
FURTHER = 10  # times the rows of the round before: the last is several batches of any engine
INPUT_FAULT = 3  # exit code of a command whose input is at fault


def measure_study(
    recipe: Recipe, report: Report, cold: int = COLD, rounds: tuple[int, ...] = ROUNDS
) -> None:
    """Make short studies of a recipe on this machine; their speeds are kept as any study's are.

    Args:
        cold: size of the first, in which libraries are loaded.
        rounds: sizes of the others.

    Raises:
        InputError: a step was refused.
        IkusiError: a step failed.
    """
    first = recipe.grid.backbones[0]
    if recipe.sees(first):
        raise InputError(
            f"measuring: expected an LLM first in grid.backbones, as nothing stands in for a model "
            f"that sees already, found {first}"
        )
    with TemporaryDirectory() as name:
        spawn = multiprocessing.get_context("spawn")
        near, far = spawn.Pipe()
        process = spawn.Process(target=_serve, args=(far, recipe, Path(name), (cold, *rounds)))
        process.start()
        far.close()
        try:
            _listen(near, report)
        finally:
            process.terminate()
            process.join()


def _listen(near: Any, report: Report) -> None:
    while True:
        try:
            message = near.recv()
        except EOFError:
            raise IkusiError("measuring: its process ended before it was done") from None
        if message is None:
            return
        if isinstance(message, worker.Failed):
            raise (InputError if message.bad_input else IkusiError)(f"measuring: {message.message}")
        done, total, note = message
        report(done, total, unit="steps", note=note)


def _serve(far: Any, recipe: Recipe, folder: Path, sizes: tuple[int, ...]) -> None:
    """Make all rounds in a process that claims its hardware before any library is loaded."""
    gpus = list_accelerators()[: recipe.compute.processes]
    claim_hardware(",".join(gpus) or None)
    try:
        near_by = stand_ins.replace(recipe, folder / "stand-ins", max(sizes) * ALIGN_STEPS)
    except InputError as error:
        far.send(worker.Failed(str(error), True))
        return
    rounds = [shorten(near_by, size) for size in sizes]
    laid = [(one, graph.order_steps(layout.list_steps(one))) for one in rounds]
    total, done = sum(len(steps) for _, steps in laid), 0
    for number, (one, steps) in enumerate(laid):
        study = StudyFolder(folder / f"round-{number}")
        study.root.mkdir()
        artifact.write_text(study.recipe, recipes.show(one))
        names = graph.hash_steps(steps)
        for step in steps:
            far.send((done, total, step.name))
            order = worker.Order(step, names[step.name], {}, study.log(step.name), None)
            outcome = worker.run_order(order, study, lambda report: None, None)
            if isinstance(outcome, worker.Failed):
                far.send(outcome)
                return
            done += 1
    far.send(None)


def shorten(recipe: Recipe, size: int) -> Recipe:
    """The same study of one backbone and one run, with so few rows that it takes seconds."""
    align, instruct = recipe.stages.alignment, recipe.stages.instruct
    steps = (ALIGN_STEPS * size, INSTRUCT_STEPS * size)
    stages = recipe.stages.model_copy(
        update={
            # Once through what is made for so many steps, so that each has a whole batch.
            "align": align.model_copy(update={"max_steps": steps[0], "epochs": 1.0}),
            "instruct": instruct.model_copy(update={"max_steps": steps[1], "epochs": 1.0}),
        }
    )
    made = recipe.miniature
    if made is not None:
        scenes = {
            "caption_scenes": steps[0] * align.batch_size,
            "train_scenes": steps[1] * instruct.batch_size,
            "test_scenes": TESTED * size,
            "text_rows": steps[1] * instruct.batch_size,
        }
        made = made.model_copy(update=scenes)
    text = recipe.text_only
    if text is not None:
        text = text.model_copy(update={"rows": min(text.rows, steps[1] * instruct.batch_size)})
    first = {"backbones": recipe.grid.backbones[:1], "ratios": recipe.grid.ratios[:1]}
    first |= {"text_only": sorted(recipe.grid.text_only)[:1], "seeds": recipe.grid.seeds[:1]}
    first |= {"exclude": []}  # which may leave out just this one
    grid = recipe.grid.model_copy(update=first)
    changed = {
        "name": "measured",
        "stages": stages,
        "miniature": made,
        "text_only": text,
        "grid": grid,
        "merges": {},
        "benchmark_rows": 3 * TESTED * size,
        "judgements": [],
        "compute": recipe.compute.model_copy(update={"slurm": None, "report_to": []}),
    }
    return recipe.model_copy(update=changed)


def measure_translation(settings: Translation, corpus: Path, report: Report) -> None:
    """Translate some rows of a corpus, in two or three sizes, by the command that translates; their
    speed is kept as any translation's is.

    Raises:
        InputError: the corpus or the engine is not there.
        IkusiError: the command failed.
    """
    rows = FEWEST
    with TemporaryDirectory() as name:
        recipe = Path(name) / "recipe.yaml"  # JSON is YAML
        artifact.write_json(recipe, settings.model_dump(mode="json"))
        for number in range(3):
            report(number, 3, unit="rounds", note=f"{rows} rows")
            began = time.monotonic()
            _translate(recipe, corpus, Path(name) / f"round-{number}" / "corpus", rows)
            taken = time.monotonic() - began
            if number and (taken > SECONDS or rows == MOST):
                return
            rows = min(MOST, rows * (2 if taken > SECONDS else FURTHER))


def _translate(recipe: Path, corpus: Path, output: Path, rows: int) -> None:
    where = ["--corpus", str(corpus), "--output", str(output), "--limit", str(rows)]
    done = processes.run([sys.executable, "-m", "ikusi", "translate", str(recipe), *where])
    if done.returncode:
        reason = done.stderr.strip().rpartition("\n")[2].removeprefix("error: ")
        raise (InputError if done.returncode == INPUT_FAULT else IkusiError)(f"measuring: {reason}")
