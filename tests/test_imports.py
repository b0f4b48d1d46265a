"""The cost of large libraries when they are imported, by a person or by a command."""

import ast
import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import ikusi
from ikusi import catalogue, cli, imports
from ikusi.recipe.folder import StudyFolder
from ikusi.study import context
from test_architecture import SOURCE, parsed

MODULE = """
import gc
from ikusi.yamlfile import Section
looked = gc.isenabled()
class Nothing(Section):
    pass
def step(output, context, settings: Nothing):
    pass
THINGS = []
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a module that knows whether Python looked for garbage while it was imported."""
    (tmp_path / "heavy").mkdir()
    (tmp_path / "heavy" / "__init__.py").write_text("")
    (tmp_path / "heavy" / "module.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    assert gc.isenabled()
    yield "heavy.module"
    for name in ("heavy", "heavy.module"):
        sys.modules.pop(name, None)


def call(module: str) -> None:
    study = context.Context(StudyFolder(Path("s")), lambda report: None)
    context.call(f"{module}:step", Path("o"), study, {}, "here")


def list_things(module: str) -> None:
    things: catalogue.Modules[Any] = catalogue.Modules("heavy", "THINGS", "thing")
    assert things.names() == []


@pytest.mark.parametrize(
    "use", [imports.load, lambda name: catalogue.load(f"{name}:step"), list_things, call]
)
def test_nothing_looks_for_garbage_while_a_module_is_imported_by_name(
    use: Callable[[str], Any], module: str
) -> None:
    frozen = gc.get_freeze_count()
    use(module)
    assert sys.modules[module].looked is False and gc.isenabled()
    assert gc.get_freeze_count() > frozen, "nor among what it made, from then on"


def test_the_same_holds_for_public_names(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ikusi._PLACES, "heavy", f"{module}:looked")  # type: ignore[attr-defined]
    assert ikusi.heavy is False  # type: ignore[attr-defined]


def test_what_was_imported_before_keeps_no_garbage(module: str) -> None:
    imports.load(module)
    frozen = gc.get_freeze_count()
    imports.load(module)
    assert gc.get_freeze_count() == frozen


def test_a_module_that_cannot_be_imported_leaves_python_as_it_was(
    module: str, tmp_path: Path
) -> None:
    (tmp_path / "heavy" / "module.py").write_text("1 / 0")
    with pytest.raises(ZeroDivisionError):
        imports.load(module)
    assert gc.isenabled()


def test_who_has_turned_it_off_finds_it_off() -> None:
    gc.disable()
    try:
        with imports.keep_imports():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("chat", "chat {0}"),
        ("study", "inspect {0} {0}"),
        ("study", "export {0} --to llm --output {0}/o"),
    ],
    ids=["chat", "inspect", "export"],
)
def test_commands_on_a_model_import_so(
    module: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered = []

    @contextmanager
    def keep() -> Iterator[None]:
        entered.append(1)
        yield

    monkeypatch.setattr(f"ikusi.cli.{module}.keep_imports", keep)
    with pytest.raises(SystemExit) as end:
        cli.main(words.format(tmp_path).split())
    assert end.value.code == 3 and entered == [1]


# What brings transformers' Trainer along, and with it peft and bitsandbytes: a quarter of the time
# in which a training starts. Trackers, which show its settings, need them only where one is asked.
WITH_TRAINER = {"set_seed", "get_scheduler", "TrainerControl", "TrainerState", "TrainingArguments"}


@pytest.mark.slow
def test_only_trackers_bring_the_trainer_of_transformers() -> None:
    for path in SOURCE.rglob("*.py"):
        tree = parsed(path)
        inner = path == SOURCE / "train/trackers.py"
        for node in tree.body if inner else ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("transformers"):
                names = {alias.name for alias in node.names} & WITH_TRAINER
                assert not names, f"{path}: {sorted(names)}: from accelerate, or when it is needed"
