"""Task files for lmms-eval and lm-evaluation-harness, from our own benchmarks.

A task is a YAML file and a Python file beside it, which hands the functions to ``task.Task``. The
benchmark stands in it in full, so that it is the same wherever the program runs.
Names begin with ``ikusi_``: both programs let a task of their own win over one of the same name.
"""

import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from pprint import pformat
from typing import Any, Literal

import yaml

from ikusi import artifact, claim
from ikusi.data.corpus import Corpus
from ikusi.errors import InputError
from ikusi.evaluate import benchmark
from ikusi.evaluate.benchmark import Benchmark
from ikusi.evaluate.metrics import REGISTRY

KIND = "tasks"

Suite = Literal["lmms-eval", "lm-eval"]

FUNCTIONS = '''"""Functions of the task beside this file, written by `ikusi tasks`."""

from ikusi.evaluate.harness.task import Task

TASK = Task(
{benchmark},
{language!r},
{corpus!r},
)
doc_to_text = TASK.doc_to_text
doc_to_visual = TASK.doc_to_visual
doc_to_choice = TASK.doc_to_choice
doc_to_target = TASK.doc_to_target
few_shots = TASK.few_shots
lmms_choices = TASK.lmms_choices
lm_choices = TASK.lm_choices
text_results = TASK.text_results
'''


class _Function(str):
    """The name of a function in the file beside a task."""


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(
    _Function, lambda dumper, name: dumper.represent_scalar("!function", str(name))
)


def write(
    suite: Suite,
    pairs: Sequence[tuple[Benchmark, Corpus]],
    languages: Sequence[str],
    output: Path,
) -> list[str]:
    """Write a task for each benchmark in each language and return their names.

    Raises:
        InputError: a benchmark that the program cannot take, or ``output`` holds what is not ours.
    """
    laid = {"lmms-eval": _for_lmms, "lm-eval": _for_lm}[suite]
    tasks = [
        (make_task_name(bench.name, code), bench, corpus, code)
        for bench, corpus in pairs
        for code in languages
    ]
    names = [name for name, *_ in tasks]
    for name, bench, _, code in tasks:
        if names.count(name) > 1:
            raise InputError(
                f"{bench.name}: expected benchmarks whose tasks differ in name, "
                f"found {name} for {code} twice"
            )
    with claim.claim_folder(output, KIND, [corpus.folder for _, corpus in pairs]) as place:
        for name, bench, corpus, code in tasks:
            _write(place, name, bench, corpus, code, laid)
    return names


def describe_usage(
    suite: Suite, names: Sequence[str], output: Path, asked: Sequence[Benchmark]
) -> str:
    """The command line that runs the tasks that were written."""
    listed, place = ",".join(names), shlex.quote(str(output))
    if suite == "lmms-eval":
        return (
            f"python -m lmms_eval --model ikusi --model_args pretrained=MODEL --tasks {listed} "
            f"--include_path {place} --batch_size 64 --output_path measured --log_samples"
        )
    chat = any(bench.format == "chat" for bench in asked)
    asked_as = "--apply_chat_template --fewshot_as_multiturn " if chat else ""
    return (
        f"lm_eval run --model hf --model_args pretrained=LLM --tasks {listed} "
        f"--include_path {place} {asked_as}--output_path measured --log_samples"
    )


def make_task_name(benchmark: str, language: str) -> str:
    """The name of a task: also of a Python module, so of letters, digits and underscores alone.

    >>> make_task_name("miniature/vqa", "eu")
    'ikusi_miniature_vqa_eu'
    """
    return re.sub(r"\W", "_", f"ikusi_{benchmark}_{language}")


def _write(
    output: Path,
    name: str,
    bench: Benchmark,
    corpus: Corpus,
    code: str,
    laid: Callable[[Benchmark, str], dict[str, Any]],
) -> None:
    folder = corpus.folder.resolve()
    rows = {"dataset_path": "parquet", "test_split": "test"}
    files = {"data_files": {"test": str(folder / f"{code}.parquet")}}
    settings = {"task": name, **rows, "dataset_kwargs": files, **laid(bench, name)}
    text = yaml.dump(settings, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    artifact.write_text(output / f"{name}.yaml", f"# Written by `ikusi tasks`.\n{text}")
    definition = pformat(benchmark.read_content(bench), width=100, sort_dicts=False)
    functions = FUNCTIONS.format(benchmark=definition, language=code, corpus=str(folder))
    artifact.write_text(output / f"{name}.py", functions)


def _for_lmms(bench: Benchmark, name: str) -> dict[str, Any]:
    if bench.few_shots:
        raise InputError(
            f"{bench.name}: expected a benchmark without few-shots, as lmms-eval shows none, found "
            f"{bench.few_shots}; write it for lm-eval, or measure it with `ikusi evaluate`"
        )
    asked = _describe_asked(bench, name, ("doc_to_text", "doc_to_visual", "doc_to_target"))
    if bench.scorer == "options":
        return asked | {
            "output_type": "multiple_choice",
            "doc_to_choice": _Function(f"{name}.doc_to_choice"),
            "process_results": _Function(f"{name}.lmms_choices"),
            "target_delimiter": "",
            "metric_list": _metrics(["accuracy"]),
        }
    greedy = {"max_new_tokens": bench.max_new_tokens, "do_sample": False, "temperature": 0}
    return asked | {
        "output_type": "generate_until",
        "process_results": _Function(f"{name}.text_results"),
        "generation_kwargs": {**greedy, "num_beams": 1},
        "metric_list": _metrics(list(REGISTRY.every)),
    }


def _for_lm(bench: Benchmark, name: str) -> dict[str, Any]:
    if not bench.text_only or bench.scorer != "options":
        raise InputError(
            f"{bench.name}: expected a benchmark of options without pictures, as lm-eval scores no "
            "others; write it for lmms-eval"
        )
    asked = _describe_asked(bench, name, ("doc_to_text", "doc_to_target", "doc_to_choice"))
    shots = {"split": "test", "sampler": "first_n"}
    return asked | {
        "output_type": "multiple_choice",
        "process_results": _Function(f"{name}.lm_choices"),
        "num_fewshot": bench.few_shots,
        "fewshot_config": {**shots, "process_docs": _Function(f"{name}.few_shots")},
        "target_delimiter": " ",
        "fewshot_delimiter": "\n\n",
        "metric_list": _metrics(["accuracy"]),
    }


def _describe_asked(bench: Benchmark, name: str, functions: Sequence[str]) -> dict[str, Any]:
    about = {"description": "", "metadata": {"version": 1.0, "ikusi": bench.description}}
    return {function: _Function(f"{name}.{function}") for function in functions} | about


def _metrics(names: Sequence[str]) -> list[dict[str, Any]]:
    return [{"metric": name, "aggregation": "mean", "higher_is_better": True} for name in names]
