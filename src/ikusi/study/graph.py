"""The steps of a study as a graph: what each needs, and the fingerprint of what it makes.

A step's settings are all that its function is given. So a step cannot depend on anything its
fingerprint does not know, and a changed recipe redoes exactly what it changes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from ikusi import __version__, artifact
from ikusi.recipe.folder import StudyFolder

Status = Literal["current", "waiting", "running", "done", "failed", "skipped"]

FINISHED: frozenset[Status] = frozenset({"current", "done", "failed", "skipped"})
USABLE: frozenset[Status] = frozenset({"current", "done"})


class Node(Protocol):
    """A node of the graph: a step, or its work in a plan."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of those that it needs."""


@dataclass(frozen=True)
class Step:
    """One folder of a study and the function that makes it.

    Attributes:
        name: the folder inside the study, such as `instruct/english-eu020`.
        function: `module:callable`, called as `callable(staging, context, settings)`, with the
            settings as the class that it says it takes.
        inputs: names of the steps whose folders the function reads.
        settings: what the function is given, as plain JSON values.
        reads: content fingerprints of what it reads besides its inputs (base models, language
            packs), by name.
        compute: what it runs on (`ikusi.recipe.Compute`); it does not change what comes out, and is
            no part of the fingerprint.
        resumes: the function goes on from what a killed attempt left in its folder; otherwise
            it starts from an empty one.
        version: raised when the function comes to give other numbers (`ikusi.study.code`).
    """

    name: str
    function: str
    inputs: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    reads: Mapping[str, str] = field(default_factory=dict)
    compute: Mapping[str, Any] = field(default_factory=dict)
    resumes: bool = False
    version: int = 1

    @property
    def kind(self) -> str:
        """The first part of the name: `instruct` for `instruct/english-eu020`."""
        return self.name.split("/", 1)[0]


@dataclass
class State:
    """The state of one step.

    Attributes:
        status: `current` was done by an earlier run, `done` by this one.
        fraction: share of the work done, 0 to 1.
        started_at: the fraction where this run took the step up (above 0 after a kill).
        note: what the step says about itself, such as its loss.
        began: `time.monotonic()` when this run started it.
        seconds: what it took, once finished.
        message: one line about a failure or a skip.
        bad_input: the failure is the input's fault (`InputError`), not the program's.
        made_by: fingerprints of the code that made it, where its manifest holds them.
        other_code: whether that is code which may give other numbers than that of today.
    """

    status: Status = "waiting"
    fraction: float = 0.0
    started_at: float | None = None
    note: str = ""
    began: float | None = None
    seconds: float | None = None
    message: str = ""
    bad_input: bool = False
    made_by: tuple[str, ...] = ()
    other_code: bool = False


def order_steps(steps: Iterable[Step]) -> list[Step]:
    """The steps with every step after its inputs, otherwise in the order given.

    Raises:
        ValueError: two steps share a name, an input is no step, or the graph has a cycle.
    """
    by_name: dict[str, Step] = {}
    for step in steps:
        if step.name in by_name:
            raise ValueError(f"two steps are named {step.name}")
        by_name[step.name] = step
    placed: dict[str, Step] = {}

    def place(name: str, path: tuple[str, ...]) -> None:
        if name in placed:
            return
        if name in path:
            raise ValueError(f"steps need each other: {' -> '.join((*path, name))}")
        if name not in by_name:
            raise ValueError(f"{path[-1]} needs {name}, which is no step")
        for needed in by_name[name].inputs:
            place(needed, (*path, name))
        placed[name] = by_name[name]

    for name in by_name:
        place(name, ())
    return list(placed.values())


def measure_depths(steps: Sequence[Node]) -> dict[str, int]:
    """Number of steps that must come before each one, along its longest path; for ordered steps."""
    depth: dict[str, int] = {}
    for step in steps:
        depth[step.name] = 1 + max((depth[needed] for needed in step.inputs), default=-1)
    return depth


def select_needed(steps: Sequence[Step], names: Iterable[str]) -> list[Step]:
    """The named steps and all they need, in order; for ordered steps."""
    wanted = set(names)
    for step in reversed(steps):
        if step.name in wanted:
            wanted.update(step.inputs)
    return [step for step in steps if step.name in wanted]


def select_dependents(steps: Sequence[Step], names: Iterable[str]) -> list[Step]:
    """The named steps and all that need them, in order; for ordered steps."""
    chosen = set(names)
    for step in steps:
        if not chosen.isdisjoint(step.inputs):
            chosen.add(step.name)
    return [step for step in steps if step.name in chosen]


def hash_steps(steps: Sequence[Step]) -> dict[str, str]:
    """Fingerprint of what each step makes; for ordered steps.

    It covers the settings, what is read, the inputs' fingerprints and two versions: the
    package's and the step's own. Not the source files: a reworded comment must not cost hours
    of training. A test asks for a raised version where code that matters has changed.
    """
    result: dict[str, str] = {}
    for step in steps:
        needed = {name: result[name] for name in step.inputs}
        code = [step.function, step.version, __version__]
        parts = [code, dict(step.settings), dict(step.reads), needed]
        result[step.name] = artifact.fingerprint(*parts)
    return result


def read_states(steps: Sequence[Step], folder: StudyFolder) -> dict[str, State]:
    """The state of each step in a study's folder: current, or else waiting. For ordered steps.

    A step is current only if all it needs is current too: a step whose input was deleted by
    hand is redone together with that input.
    """
    wanted = hash_steps(steps)
    result: dict[str, State] = {}
    for step in steps:
        inputs_stand = all(result[name].status == "current" for name in step.inputs)
        made = folder.step(step.name)
        if inputs_stand and artifact.is_current(made, wanted[step.name]):
            manifest = artifact.read_manifest(made) or {}
            result[step.name] = State(
                "current",
                fraction=1.0,
                seconds=manifest.get("seconds"),
                made_by=tuple(manifest.get("code", ())),
            )
        else:
            result[step.name] = State()
    return result
