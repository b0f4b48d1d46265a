"""A training that several processes share, and what it must come to: what one alone makes of it."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

SETTINGS = {"rows": 13, "batch_size": 2, "epochs": 1, "save_every": 1}  # of `train.rank:step`


def assert_same_training(found: Path, wanted: Path) -> None:
    """The same steps with the same losses, and the same weights at the end."""
    ours, theirs = lines(found), lines(wanted)
    assert [line["step"] for line in ours] == [line["step"] for line in theirs]
    losses = [line["loss"] for line in theirs]
    assert [line["loss"] for line in ours] == pytest.approx(losses, rel=1e-4)
    made, expected = weights(found), weights(wanted)
    assert made.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(made[name], expected[name], atol=1e-4, rtol=1e-3, msg=name)


def lines(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]


def weights(output: Path) -> dict[str, torch.Tensor]:
    return load_file(output / "checkpoint" / "model.safetensors")
