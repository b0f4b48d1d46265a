"""Tasks written for other programs: found by name, on the corpus, by our own functions."""

import ast
import importlib.util
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

import measured
from ikusi import language
from ikusi.errors import InputError
from ikusi.evaluate import benchmark
from ikusi.evaluate.harness import files
from ikusi.evaluate.metrics import score_text
from ikusi.evaluate.verdict import make_normaliser

CODES = ["en", "eu"]


class Loader(yaml.SafeLoader):
    """Reads a function's name as text."""


Loader.add_constructor("!function", lambda _, node: str(node.value))


def written(tmp_path: Path, name: str) -> tuple[dict[str, Any], Any, pa.Table]:
    """Settings, functions and rows of the Basque task of a benchmark."""
    pairs = measured.five(tmp_path / "data", CODES)
    files.write("lmms-eval", pairs, CODES, tmp_path / "tasks")
    task = f"ikusi_miniature_{name}_eu"
    settings = yaml.load((tmp_path / "tasks" / f"{task}.yaml").read_text("utf-8"), Loader)
    functions = opened(tmp_path / "tasks" / f"{task}.py")
    return settings, functions, pq.read_table(settings["dataset_kwargs"]["data_files"]["test"])


def opened(path: Path) -> Any:
    """The functions of a task's file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    functions = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(functions)
    return functions


def test_names_are_unique_and_every_function_named_is_in_the_file(tmp_path: Path) -> None:
    settings, functions, _ = written(tmp_path, "aokvqa")
    assert len(list((tmp_path / "tasks").glob("*.yaml"))) == 5 * len(CODES)
    assert settings["task"] == "ikusi_miniature_aokvqa_eu"
    named = [str(value) for value in settings.values() if str(value).startswith(settings["task"])]
    called = {name.removeprefix(settings["task"] + ".") for name in named if "." in name}
    assert {"doc_to_text", "doc_to_visual", "doc_to_choice", "lmms_choices"} <= called
    assert all(callable(getattr(functions, name)) for name in called)


def test_choices_are_judged_by_the_lowest_loss_in_any_form(tmp_path: Path) -> None:
    _, functions, table = written(tmp_path, "aokvqa")
    for row in table.to_pylist():
        given = ["(7.5, False)"] * len(row["choices"])
        given[row["answer"]] = "(1.5, True)"
        told = functions.lmms_choices(row, given)
        assert told["accuracy"] == 1.0
        assert told["ikusi"]["pick"] == row["answer"] == functions.doc_to_target(row)
    with pytest.raises(ValueError, match="expected 4 scores, found 3"):
        functions.lmms_choices(row, given[:3])


def test_answers_are_judged_by_every_metric_and_rows_stay_as_they_are(tmp_path: Path) -> None:
    _, functions, table = written(tmp_path, "vqa")
    rows = table.to_pylist()
    reads = make_normaliser(benchmark.load("miniature/vqa"), language.load("eu"))
    for row, before in zip(rows, table.to_pylist(), strict=True):
        told = functions.text_results(row, ["a hot dog"])
        metrics = score_text("a hot dog", row["answers"], reads)
        assert {name: told[name] for name in metrics} == metrics
        assert row == before
    with pytest.raises(ValueError, match="expected an answer, found None"):
        functions.text_results(rows[0], [None])


def test_pictures_come_from_the_corpus(tmp_path: Path) -> None:
    _, functions, table = written(tmp_path, "vqa")
    colours = [functions.doc_to_visual(row)[0].getpixel((3, 3)) for row in table.to_pylist()]
    assert colours == list(measured.COLOURS.values())
    _, plain, rows = written(tmp_path / "more", "bertaqa")
    assert plain.doc_to_visual(rows.to_pylist()[0]) == []


def test_a_task_is_that_of_its_benchmark_wherever_the_program_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = measured.five(tmp_path / "data", CODES)
    asked, corpus = next(pair for pair in pairs if pair[0].name == "miniature/vqa")
    own = asked.model_copy(update={"prompts": {"any": "Own words: {question}"}})
    (name,) = files.write("lmms-eval", [(own, corpus)], ["eu"], tmp_path / "tasks")
    monkeypatch.chdir(tmp_path)
    functions = opened(tmp_path / "tasks" / f"{name}.py")
    row = pq.read_table(corpus.folder / "eu.parquet").to_pylist()[0]
    assert functions.doc_to_text(row) == f"Own words: {row['question']}"


def test_a_benchmark_that_a_program_cannot_take_is_refused(tmp_path: Path) -> None:
    pairs = measured.five(tmp_path / "data", CODES)
    with pytest.raises(InputError, match="miniature/vqa: expected a benchmark of options"):
        files.write("lm-eval", pairs[:1], CODES, tmp_path / "tasks")
    few = benchmark.load("bertaqa")
    with pytest.raises(InputError, match="bertaqa: expected a benchmark without few-shots"):
        files.write("lmms-eval", [(few, pairs[-1][1])], CODES, tmp_path / "tasks")


HOSTILE = 'x"""\nraise SystemExit\n"""'


def test_a_name_is_never_code(tmp_path: Path) -> None:
    pairs = measured.five(tmp_path / "data", CODES)
    with pytest.raises(InputError, match=r"name: expected a name of letters"):
        renamed = pairs[1][0].model_dump() | {"name": HOSTILE}
        (tmp_path / "own.yaml").write_text(yaml.safe_dump(renamed), "utf-8")
        benchmark.read(tmp_path / "own.yaml")
    # Even one that came past the definition is written as data.
    bench = pairs[1][0].model_copy(update={"name": HOSTILE})
    (name,) = files.write("lmms-eval", [(bench, pairs[1][1])], ["en"], tmp_path / "tasks")
    tree = ast.parse((tmp_path / "tasks" / f"{name}.py").read_text("utf-8"))
    kinds = {type(node) for node in tree.body}
    assert kinds == {ast.Expr, ast.ImportFrom, ast.Assign} and name.isidentifier()
    assert HOSTILE in [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]


def test_two_benchmarks_do_not_become_one_task(tmp_path: Path) -> None:
    (bench, corpus), *_ = measured.five(tmp_path / "data", CODES)
    both = [(bench.model_copy(update={"name": name}), corpus) for name in ("my-own", "my/own")]
    with pytest.raises(InputError, match="differ in name, found ikusi_my_own_en for en twice"):
        files.write("lmms-eval", both, ["en"], tmp_path / "tasks")
    assert not list((tmp_path / "tasks").glob("*.py"))
