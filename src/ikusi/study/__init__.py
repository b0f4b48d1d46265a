"""Runs a study: its recipe as a graph of steps, what is done, what is stale, what to show.

Kill it anywhere: the next run goes on, and what comes out is what an undisturbed run gives.
"""

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ikusi import artifact, claim, recipe, terminal, yamlfile
from ikusi.errors import InputError
from ikusi.recipe import Recipe
from ikusi.recipe.folder import EVALUATE, StudyFolder
from ikusi.study import code, graph, layout, needs, results
from ikusi.study.graph import State, Step
from ikusi.study.remaining import Plan

if TYPE_CHECKING:
    from ikusi.study.launch.torchrun import Group

MOST_JOBS = 32  # in a cluster's queue at once

EstimateSteps = Callable[[], Plan]
"""Plans the steps of a study that is to run."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of carrying out a study.

    Attributes:
        states: where each step stands; with `only`, those steps and what they need.
        folder: the study's own.
    """

    states: Mapping[str, State]
    folder: StudyFolder

    def names(self, status: graph.Status) -> list[str]:
        """Names of the steps with this status."""
        return [name for name, state in self.states.items() if state.status == status]

    @property
    def exit_code(self) -> int:
        """0 when all is there, 3 when only bad input is to blame, else 1."""
        failed = [self.states[name] for name in self.names("failed")]
        if not failed:
            return 0
        return 3 if all(state.bad_input for state in failed) else 1

    def describe(self) -> str:
        """The end of the run in one line."""
        page = self.folder.page
        where = f"; report at {page}" if page.exists() else ""
        if lost := len(self.names("failed")):
            skipped = len(self.names("skipped"))
            return f"{lost} failed, {skipped} skipped; the same command tries them again"
        if made := len(self.names("done")):
            return f"done: {made} of {len(self.states)} steps made{where}"
        return f"nothing to do: all {len(self.states)} steps are current{where}"


def run(
    recipe_: Recipe,
    folder: Path,
    workers: int | None = None,
    only: Sequence[str] | None = None,
    redo: Sequence[str] | None = None,
    estimate_steps: EstimateSteps = dict,
) -> Outcome:
    """Bring a study up to date.

    Args:
        recipe_: the study.
        folder: where its steps' folders are.
        workers: steps run at once; the recipe's own figure if not given.
        only: names of steps, `*` allowed (`instruct/english-*`); they and what they need.
        redo: names of finished steps that are made anew, with all that need them, `*` allowed; an
            empty list stands for those that other code made.
        estimate_steps: plans its steps, for the time to go; called if any is to be made.

    Raises:
        InputError: a named step, base, corpus or tracker does not exist, the study is running
            already, or its recipe does not fit the processes that torchrun has started.
    """
    from ikusi.study.launch import torchrun

    if group := torchrun.read_group():
        _fits(recipe_, group)
    needs.check(recipe_)
    _expect_trackers(recipe_)
    needs.fetch_models(recipe_)
    asked = recipe_.workers if workers is None else workers
    return run_steps(
        layout.list_steps(recipe_),
        folder,
        asked,
        only=only,
        redo=redo,
        shown=recipe_,
        estimate_steps=estimate_steps,
    )


def read_states(recipe_: Recipe, folder: Path) -> dict[str, State]:
    """The state of each step of a study, without running any."""
    steps = layout.list_steps(recipe_)
    return _compare(steps, StudyFolder(folder))


def _compare(steps: Sequence[Step], folder: StudyFolder) -> dict[str, State]:
    states = graph.read_states(steps, folder)
    code.compare(steps, states)
    return states


def run_steps(
    steps: Sequence[Step],
    folder: Path,
    workers: int | Literal["auto"],
    *,
    only: Sequence[str] | None = None,
    redo: Sequence[str] | None = None,
    shown: Recipe | None = None,
    estimate_steps: EstimateSteps = dict,
) -> Outcome:
    """Run the steps that are not current; see `run`.

    Args:
        shown: the recipe whose grid is drawn and kept as `recipe.yaml`, if there is one.
    """
    everything, study = graph.order_steps(steps), StudyFolder(folder)
    wanted = (
        graph.select_needed(everything, _select_named(only, everything)) if only else everything
    )
    states = _compare(wanted, study)
    other = [name for name, state in states.items() if state.other_code]
    again = None if redo is None else _select_named(redo, everything) if redo else other
    if other and again is None:
        terminal.say(code.describe_changed(other), error=True)
    if not again and all(state.status == "current" for state in states.values()):
        return Outcome(states, study)
    with claim.claim_folder(folder, "study"):
        # Those that need others first: cut here, nothing stays current that was made from a step
        # which is made anew.
        for step in reversed(graph.select_dependents(everything, again or ())):
            artifact.outdate(study.step(step.name), step.kind)
        states = graph.read_states(wanted, study)  # another run may just have ended
        if shown is not None:
            artifact.write_text(study.recipe, recipe.show(shown))
        _warn_of_bf16(wanted, states)
        _go(everything, wanted, states, study, workers, shown, estimate_steps)
    return Outcome(states, study)


def _go(
    everything: Sequence[Step],
    wanted: Sequence[Step],
    states: dict[str, State],
    study: StudyFolder,
    workers: int | Literal["auto"],
    shown: Recipe | None,
    estimate_steps: EstimateSteps,
) -> None:
    """Show and run. What this needs is imported here: a study with nothing to do needs none."""
    from ikusi.study import progress
    from ikusi.study.scheduler import Scheduler

    def note_made(step: Step) -> None:
        if step.kind == EVALUATE:
            results.collect(study, everything)

    def score(name: str) -> float | None:
        return (
            results.compute_mean_score(results.read(study.step(name)), shown.language)
            if shown
            else None
        )

    count, gpus = _workers(workers, wanted)
    cells = progress.list_cells(shown) if shown else []
    board = progress.Board(study.root.name, study, wanted, count, cells, score, estimate_steps())
    with progress.display(board, terminal.open_console()) as display:
        Scheduler(wanted, states, study, count, display, gpus, note_made).run()


def _warn_of_bf16(steps: Sequence[Step], states: Mapping[str, State]) -> None:
    """Say once where trainings on this machine's processor are to be in bf16, which it emulates."""
    from ikusi.study.launch.hardware import list_accelerators
    from ikusi.train.precision import describe_emulated_bf16

    concerned = any(
        states[step.name].status == "waiting"
        and step.settings.get("stage", {}).get("precision") == "bf16"
        and not step.compute.get("slurm")
        for step in steps
    )
    if concerned and not list_accelerators() and (slow := describe_emulated_bf16()):
        terminal.say(slow, error=True)


def _expect_trackers(recipe_: Recipe) -> None:
    """Refuse a tracker that is not installed, of which a training would die after all before it."""
    if not recipe_.compute.report_to:
        return
    from transformers.integrations.integration_utils import get_available_reporting_integrations

    installed = get_available_reporting_integrations()
    for name in recipe_.compute.report_to:
        if name not in installed:
            raise InputError(
                f"compute.report_to: expected a tracker that is installed "
                f"({', '.join(installed) or 'none is'}), found {name}"
            )


def _fits(recipe_: Recipe, group: "Group") -> None:
    """Check a recipe against what torchrun has started, which it could not know."""
    if recipe_.compute.slurm:
        raise InputError("compute.slurm: expected none, as torchrun has machines already; found it")
    if lone := recipe_.find_undivided(group.everywhere):
        key, expected, actual = lone
        raise InputError(f"{yamlfile.spell(key)}: expected {expected}, found {actual}")


def _workers(asked: int | Literal["auto"], steps: Sequence[Step]) -> tuple[int, int]:
    """Number of workers at once, and of GPUs for each of them, if there are any."""
    from ikusi.study.launch import torchrun
    from ikusi.study.scheduler import count_workers

    if group := torchrun.read_group():
        return 1, group.processes
    if any(step.compute.get("slurm") for step in steps):
        return (MOST_JOBS if asked == "auto" else asked), 0
    processes = max(step.compute.get("processes", 1) for step in steps)
    return count_workers(asked, processes), processes


def _select_named(patterns: Sequence[str], steps: Sequence[Step]) -> list[str]:
    names = [step.name for step in steps]
    selected: list[str] = []
    for pattern in patterns:
        matching = fnmatch.filter(names, pattern)
        if not matching:
            near = get_close_matches(pattern, names, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise InputError(f"step: expected one of this study, found {pattern}{hint}")
        selected += matching
    return selected
