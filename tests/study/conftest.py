"""Steps small enough to schedule by the dozen, in a module that worker processes can import."""

from pathlib import Path

import pytest
import torch

from ikusi.recipe.folder import StudyFolder
from ikusi.study.context import Context
from study.launch import together

TOY_STEPS = '''
import json, os, time
from pathlib import Path
from ikusi.errors import InputError
from ikusi.study.context import Context
from ikusi.yamlfile import Section


class Add(Section):
    number: int
    inputs: list[str] = []


class Count(Section):
    until: int
    seconds: float


class Nothing(Section):
    pass


def add(output: Path, context: Context, settings: Add) -> None:
    """number + the numbers of the inputs; appends a line to the study's diary."""
    total = settings.number + sum(
        json.loads((context.study.step(name) / "total.json").read_text())
        for name in settings.inputs
    )
    (output / "total.json").write_text(json.dumps(total))
    (output / "results.json").write_text(json.dumps({"toy": {"xx": {"all": {"score": total}}}}))
    with (context.study.root / "diary").open("a") as diary:
        diary.write(f"{output.name.removesuffix('.partial')} {os.getpid()}\\n")
    print("adding", settings.number)
    context.progress(1.0, "added")


def count(output: Path, context: Context, settings: Count) -> None:
    """Counts up to a number, a tick at a time, and goes on where it was killed."""
    kept = output / "count"
    reached = int(kept.read_text()) if kept.exists() else 0
    (context.study.root / "pid").write_text(str(os.getpid()))
    while reached < settings.until:
        time.sleep(settings.seconds)
        reached += 1
        (output / "count.new").write_text(str(reached))
        (output / "count.new").rename(kept)
        with (output / "ticks").open("a") as ticks:
            ticks.write(f"{reached}\\n")
        context.progress(reached / settings.until)


def fail(output: Path, context: Context, settings: Nothing) -> None:
    raise RuntimeError("the sky fell\\nin two lines")


def refuse(output: Path, context: Context, settings: Nothing) -> None:
    raise InputError("recipe.yaml:3: ratio: expected 0 to 1, found 7")


def vanish(output: Path, context: Context, settings: Nothing) -> None:
    os._exit(9)
'''


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module with the functions above."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "toy_steps.py").write_text(TOY_STEPS)
    monkeypatch.syspath_prepend(folder)
    return "toy_steps"


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a training by one process: this one."""
    from train import rank

    output = tmp_path_factory.mktemp("undisturbed")
    assert torch.get_num_threads() == 1, "as in the processes that are compared with it"
    context = Context(StudyFolder(output.parent), lambda report: None)
    rank.step(output, context, rank.Given.model_validate(together.SETTINGS))
    return output
