"""Time and memory of a finished step, kept for plans (`ikusi.speeds`)."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ikusi import artifact, jsonfile, speeds
from ikusi.errors import InputError
from ikusi.miniature.bases import shipped
from ikusi.pretrained import describe_shape
from ikusi.recipe import Compute
from ikusi.recipe.folder import (
    ALIGN,
    CHECKPOINT,
    DATA,
    EVALUATE,
    FEATURES,
    INSTRUCT,
    MERGE,
    METRICS,
    REPORT,
    RESULTS,
    SUMMARY,
    StudyFolder,
    locate_checkpoint,
)
from ikusi.speeds import Speed
from ikusi.study.graph import Step

logger = logging.getLogger(__name__)

CONFIG, MIB = "config.json", 2**20


def describe_training(
    shape: str, stage: Mapping[str, Any], features: bool, compute: Mapping[str, Any]
) -> str:
    """All that the speed of a training depends on, but for the machine.

    Args:
        shape: of encoder and LLM.
        stage: its settings, as plain values.
        features: whether the encoder's features are read.
        compute: what it runs on, as plain values.
    """
    keys = ("trainable", "precision", "gradient_checkpointing", "lora", "optimizer", "batch_size")
    shared = {key: compute.get(key) for key in ("parallel", "processes", "micro_tokens")}
    settings = {key: stage.get(key) for key in keys} | {"features": features}
    return _write(shape, settings | (shared if compute.get("processes", 1) > 1 else {}))


def describe_features(shape: str, precision: str) -> str:
    """The same of an encoder that looks at pictures."""
    return _write(shape, {"precision": precision})


def describe_evaluation(shape: str, benchmarks: list[str], compute: Mapping[str, Any]) -> str:
    """The same of a measurement."""
    at_once = Compute.model_validate(compute).eval_batch_size
    return _write(shape, {"benchmarks": benchmarks, "eval_batch_size": at_once})


def describe_data(image_size: int) -> str:
    """The same of the miniature's pictures."""
    return _write("", {"image_size": image_size})


def describe_merge(shape: str) -> str:
    """The same of a merge, which counts bytes."""
    return _write(shape, {"of": "bytes"})


def describe_report() -> str:
    """The same of a report, which counts questions."""
    return _write("", {"of": "questions"})


def _write(shape: str, settings: Mapping[str, Any]) -> str:
    return f"{shape} {json.dumps(settings, sort_keys=True)}".strip()


def keep(step: Step, study: StudyFolder, seconds: float, processor: float, fresh: bool) -> None:
    """Keep what a finished step took; what is not known is left out.

    Args:
        seconds: from its beginning to its end.
        processor: processor time of its worker.
        fresh: whether its worker had taken up no step of its kind before.
    """
    try:
        measured = _read(step, study)
    except (InputError, OSError, ValueError, KeyError, TypeError) as error:
        logger.info("%s: what it took is not kept: %s", step.name, error)
        return
    if measured is None:
        return
    about, amount, rows, more = measured
    memory = (artifact.read_manifest(study.step(step.name)) or {}).get("peak_memory_mb")
    alone = step.compute.get("processes", 1) == 1 and not step.compute.get("slurm")
    figures: dict[str, Any] = {
        "machine": speeds.name_machine(),
        "memory": memory * MIB if memory else None,
        "processor": processor if alone else None,
        "seconds": seconds,
        "fresh": fresh and alone,  # what is started for a step is always new
    }
    speeds.add(Speed(kind=step.kind, about=about, amount=amount, rows=rows, **(figures | more)))


Measured = tuple[str, float, int, dict[str, Any]]
"""What a speed is about, the amount, rows, and what replaces what the worker saw."""


def _read(step: Step, study: StudyFolder) -> Measured | None:
    if step.compute.get("slurm"):
        return None  # it was made on another machine, whose name is not known here
    output, settings = study.step(step.name), step.settings
    if step.kind in (ALIGN, INSTRUCT):
        return _read_training(output, settings, step.compute)
    if step.kind == FEATURES:
        count = len(jsonfile.read(output / "image_ids.json", list[str]))
        shape = _read_shape(Path(shipped.locate_base(settings["vision"])))
        return describe_features(shape, settings["precision"]), count, count, {}
    if step.kind == EVALUATE:
        return _read_evaluation(output, settings, study, step.compute)
    if step.kind == MERGE:
        size = float((artifact.read_manifest(output) or {})["counts"]["bytes"])
        return describe_merge(_read_shape(output / CHECKPOINT)), size, 1, {}
    if step.kind == DATA:
        count = sum(jsonfile.read_object(path)["images"] for path in output.rglob("corpus.json"))
        return describe_data(settings["miniature"]["image_size"]), count, count, {}
    return _read_report(study) if step.kind == REPORT else None


def _read_training(
    output: Path, settings: Mapping[str, Any], compute: Mapping[str, Any]
) -> Measured:
    summary = jsonfile.read_object(output / SUMMARY)
    tokens, rows = summary["counts"]["tokens"], summary["counts"]["rows"]
    shape = _read_shape(output / CHECKPOINT)
    about = describe_training(shape, settings["stage"], bool(settings["features"]), compute)
    lines = (output / METRICS).read_text(encoding="utf-8").splitlines()
    # The first step opens what is opened once.
    paces = [(one["tokens"], one["tokens_per_second"]) for one in map(json.loads, lines[1:])]
    counted = sum(count for count, _ in paces)
    worked = sum(count / pace for count, pace in paces if pace)
    more: dict[str, Any] = {"processes": summary["processes"]}
    if counted and worked:
        more["steady"] = worked * tokens / counted
    if summary["device"] != "cpu" and summary["peak_memory_mb"]:
        more["memory"] = summary["peak_memory_mb"] * MIB
    return about, float(tokens), rows, more


def _read_evaluation(
    output: Path, settings: Mapping[str, Any], study: StudyFolder, compute: Mapping[str, Any]
) -> Measured:
    if "checkpoint" in settings:
        model = locate_checkpoint(study.step(settings["checkpoint"]))
    else:
        model = Path(shipped.locate_base(settings["model"]))
    about = describe_evaluation(_read_shape(model), list(settings["benchmarks"]), compute)
    asked = sum(_count_asked(jsonfile.read_object(output / RESULTS)))
    return about, float(asked), asked, {}


def _read_report(study: StudyFolder) -> Measured | None:
    measured = study.step(EVALUATE).glob(f"*/{RESULTS}")
    asked = sum(sum(_count_asked(jsonfile.read_object(path))) for path in measured)
    return (describe_report(), float(asked), asked, {}) if asked else None


def _count_asked(results: Mapping[str, Any]) -> list[int]:
    """Questions of each benchmark and language."""
    return [groups["all"]["n"] for one in results.values() for groups in one.values()]


def _read_shape(folder: Path) -> str:
    if not folder.is_dir():
        from ikusi.model import hub

        folder = hub.find_folder(folder)
    return describe_shape(jsonfile.read_object(folder / CONFIG))
