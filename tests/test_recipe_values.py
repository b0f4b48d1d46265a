"""Values of a recipe that something behind it would refuse, or that could leave their place."""

import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from ikusi import recipe, study
from ikusi.errors import InputError
from ikusi.recipe.training import Tracker
from ikusi.recipe.values import is_name
from test_recipe import SMALL, message


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL, encoding="utf-8")
    return path


@pytest.mark.parametrize("key", ["seed", "miniature.seed"])
@pytest.mark.parametrize("seed", ["4294967296", "-1", "true"])
def test_a_seed_that_numpy_refuses_is_refused(small: Path, key: str, seed: str) -> None:
    assert message(small, [f"{key}={seed}"]).startswith(f"command line: {key}: expected ")
    np.random.seed(2**32 - 1)
    assert recipe.load(small, [f"{key}={2**32 - 1}"])


def test_trackers_are_those_that_transformers_has(small: Path) -> None:
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

    assert {*get_args(Tracker), "flyte", "azure_ml"} == set(INTEGRATION_TO_CALLBACK)
    told = message(small, ["compute.report_to=[tensorbord]"])
    assert told.endswith("found tensorbord (did you mean tensorboard?)")


def test_a_tracker_that_is_not_installed_is_refused_before_anything_runs(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers.integrations import integration_utils

    monkeypatch.setattr(
        integration_utils, "get_available_reporting_integrations", lambda: ["tensorboard"]
    )
    with pytest.raises(InputError, match=r"report_to: .*\(tensorboard\), found wandb"):
        study.run(recipe.load(small, ["compute.report_to=[wandb]"]), tmp_path / "study")
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    "name", ["../a", "a/b", "", ".", "a\nb", "a" * 101, "[red]a", "$x$", "a\x1b[2J", "-a"]
)
def test_what_becomes_a_folder_cannot_leave_its_place(small: Path, name: str) -> None:
    assert not is_name(name)
    for key in ("name", "backbones"):
        given = json.dumps(name if key == "name" else {name: "miniature/llama-en"})
        assert "expected a name of letters" in message(small, [f"{key}={given}"])
