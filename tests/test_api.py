"""The public interface: its names, their types, and the example that is built on them."""

import ast
import inspect
import pydoc
import subprocess
import sys
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import ikusi
from ikusi.recipe import Stage

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "from_rows_to_figure.py"

# Methods whose values are rows as they stand in a table; this list only ever shrinks.
UNTYPED_ROWS = {"Corpus.row", "Corpus.take"}


def public_callables() -> dict[str, Any]:
    """Each public function, and each public method of each public class, by name."""
    found: dict[str, Any] = {}
    for name in ikusi.__all__:
        thing = getattr(ikusi, name)
        if not inspect.isclass(thing):
            found[name] = thing
            continue
        for key, value in vars(thing).items():
            method = next(
                (
                    getattr(value, kind)
                    for kind in ("__func__", "fget", "func")
                    if hasattr(value, kind)
                ),
                value,
            )  # of a class method, a property, a cached property
            if inspect.isfunction(method) and (key == "__init__" or not key.startswith("_")):
                found[f"{name}.{key}"] = method
    return found


def holds_any(hint: Any, seen: tuple[Any, ...] = ()) -> bool:
    """Whether a type is Any or has it inside, the fields of typed dictionaries included."""
    if hint is Any or hint in (dict, list, tuple):
        return True
    if typing.is_typeddict(hint) and hint not in seen:
        fields = typing.get_type_hints(hint).values()
        return any(holds_any(field, (*seen, hint)) for field in fields)
    inside = [part for part in typing.get_args(hint) if not isinstance(part, str | int | bool)]
    flat = [one for part in inside for one in (part if isinstance(part, list) else [part])]
    return any(holds_any(part, seen) for part in flat)


@pytest.mark.parametrize("name", sorted(public_callables()))
def test_no_public_function_takes_or_returns_any(name: str) -> None:
    hints = typing.get_type_hints(public_callables()[name])
    untyped = [key for key, hint in hints.items() if holds_any(hint)]
    assert bool(untyped) == (name in UNTYPED_ROWS), untyped


def test_names_for_type_checkers_are_those_that_are_imported_when_used() -> None:
    source = ast.parse(Path(ikusi.__file__).read_text(encoding="utf-8"))
    branch = next(node for node in source.body if isinstance(node, ast.If))
    for node in branch.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            name = alias.asname or alias.name
            module = __import__(str(node.module), fromlist=[alias.name])
            assert getattr(ikusi, name) is getattr(module, alias.name)
    named = [alias.asname or alias.name for node in branch.body for alias in node.names]  # type: ignore[attr-defined]
    assert sorted(named) == sorted(ikusi.__all__)


def test_importing_the_package_and_listing_it_loads_nothing_heavy() -> None:
    code = "import sys, ikusi; dir(ikusi); print({'torch', 'pyarrow'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"
    assert set(ikusi.__all__) <= set(dir(ikusi))


def test_help_shows_every_public_name_with_what_it_does() -> None:
    shown = pydoc.render_doc(ikusi, renderer=pydoc.TextDoc())
    for name in ikusi.__all__:
        assert name in shown
        assert (getattr(ikusi, name).__doc__ or "").splitlines()[0] in shown


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = ikusi.trian  # type: ignore[attr-defined]


def test_the_package_says_that_it_is_typed() -> None:
    assert Path(ikusi.__file__).with_name("py.typed").is_file()


def test_typed_settings_of_a_stage_are_those_of_a_recipe() -> None:
    from ikusi.api import StageSettings

    fields = {k: v for k, v in Stage.model_fields.items() if k not in ("corpus", "ratio")}
    assert set(typing.get_type_hints(StageSettings)) == set(fields)
    assert StageSettings.__required_keys__ == {k for k, v in fields.items() if v.is_required()}


def test_the_example_is_short_and_uses_public_names_only() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    tree = ast.parse(text)
    code = [line for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    assert len(code) <= 75
    imported = {
        alias.name.split(".")[0] if isinstance(node, ast.Import) else str(node.module)
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported == {"sys", "pathlib", "ikusi"}
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        if node.value.id == "ikusi"
    }
    assert used <= set(ikusi.__all__)


if TYPE_CHECKING:
    # mypy reads these as a user's code. An ignored line that had no error would be one itself, so
    # each proves that a mistake of its kind is found before anything runs.
    model, processor = ikusi.assemble("encoder", "llm")
    mixture = ikusi.Mixture([], "eu", "en", seed=0)
    ikusi.train_stage(
        model, processor, mixture, "out", trainable=["connector"], learning_rate=1e-3,
        batch_size=8, epochs=1,
    )  # fmt: skip
    ikusi.train_stage(model, processor, mixture, "out", trainable=["connector"])  # type: ignore[call-arg]
    ikusi.train_stage(
        model, processor, mixture, "out", trainable=["conector"], learning_rate=1e-3,  # type: ignore[list-item]
        batch_size=8, epochs=1,
    )  # fmt: skip
    results = ikusi.evaluate_model("out", {"vqav2": ikusi.Corpus.open(Path("c"))}, ["eu"], "out")
    results["vqav2"]["eu"]["all"]["skore"]  # type: ignore[typeddict-item]
    ikusi.draw_scores([results], "out", "Scores")  # type: ignore[arg-type]
