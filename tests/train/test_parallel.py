"""Several processes train as one does, whatever they share, and go on where another left off."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
import torch
from safetensors.torch import load_file

from model import seeing
from train.nursery import Nursery

pytestmark = [pytest.mark.slow, pytest.mark.system]

# Two samples a step: in many of them one process has only text. The last step has one sample.
STAGE = {"batch_size": 2, "epochs": 1, "learning_rate": 1e-3, "save_every": 1}
ROWS = 13


class Train(Protocol):
    """Trains in new processes; returns what they wrote."""

    def __call__(
        self, output: Path, *, processes: int = 1, stop: int | None = None, **told: Any
    ) -> str: ...


@pytest.fixture(scope="module")
def train() -> Iterator[Train]:
    nursery = Nursery()

    def run(output: Path, *, processes: int = 1, stop: int | None = None, **told: Any) -> str:
        output.mkdir(parents=True, exist_ok=True)
        settings = output.with_suffix(".json")
        whole = {"rows": ROWS, "stage": STAGE, "output": str(output), "stop": stop, **told}
        settings.write_text(json.dumps(whole))
        codes, wrote = nursery.train(settings, processes)
        assert any(codes) == (stop is not None), wrote[-3000:]
        return wrote

    yield run
    nursery.close()


def lines(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]


def weights(output: Path) -> dict[str, torch.Tensor]:
    return load_file(output / "checkpoint" / "model.safetensors")


def assert_same_training(found: Path, wanted: Path) -> None:
    for one, other in zip(lines(found), lines(wanted), strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-4)
        assert one["gradient_norm"] == pytest.approx(other["gradient_norm"], rel=1e-3)
        assert one["learning_rate"] == other["learning_rate"]
        assert one["languages"] == other["languages"]
    ours, theirs = weights(found), weights(wanted)
    assert ours.keys() == theirs.keys()
    for name in theirs:
        torch.testing.assert_close(ours[name], theirs[name], atol=1e-4, rtol=1e-3, msg=name)


@pytest.fixture(scope="module")
def alone(train: Train, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("alone") / "run"
    train(output)
    return output


@pytest.mark.parametrize("parallel", ["ddp", "fsdp", "zero2", "zero3"])
def test_two_processes_train_as_one(
    parallel: str, train: Train, alone: Path, tmp_path: Path
) -> None:
    train(tmp_path / "run", processes=2, compute={"parallel": parallel})
    assert_same_training(tmp_path / "run", alone)


def test_two_processes_train_a_model_with_positions_in_three_axes_as_one(
    train: Train, tmp_path: Path
) -> None:
    settings = STAGE | {"max_length": 400, "trainable": ["connector", "llm", "vision"]}
    folder = str(seeing.qwen2_5_vl(tmp_path / "model"))
    given: dict[str, Any] = {"seeing": folder, "stage": settings, "rows": 5}
    train(tmp_path / "alone", **given)
    for parallel in ("fsdp", "zero3"):
        train(tmp_path / parallel, processes=2, compute={"parallel": parallel}, **given)
        assert_same_training(tmp_path / parallel, tmp_path / "alone")


@pytest.mark.parametrize("parallel", ["zero2", "zero3"])
def test_divided_training_in_bf16_follows_that_in_fp32(
    parallel: str, train: Train, alone: Path, tmp_path: Path
) -> None:
    """As the paper's recipe trains; to what bf16's 8 bits of precision allow."""
    settings = STAGE | {"precision": "bf16", "save_every": 100}
    train(tmp_path / "run", processes=2, compute={"parallel": parallel}, stage=settings)
    for one, other in zip(lines(tmp_path / "run"), lines(alone), strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=0.02)
        assert one["gradient_norm"] == pytest.approx(other["gradient_norm"], rel=0.05)


def test_each_goes_on_where_another_was_killed(train: Train, alone: Path, tmp_path: Path) -> None:
    output = tmp_path / "run"
    train(output, stop=2)
    for place, parallel in enumerate(("zero3", "fsdp", "zero2", "ddp")):
        stop = 3 + place if place < 3 else None
        told = train(output, processes=2, stop=stop, compute={"parallel": parallel})
        assert "going on from" in told
    assert_same_training(output, alone)
