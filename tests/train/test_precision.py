"""A processor without instructions for bf16 is told of, once, before a training."""

from pathlib import Path
from typing import Any

import pytest
import torch

from ikusi import study
from ikusi.study.graph import Step
from ikusi.train.precision import EMULATED, describe_emulated_bf16, settle
from ikusi.train.stages import train_stage
from train.samples import Samples, multimodal_model, stage

ANSWERS: list[tuple[dict[str, Any], bool]] = [
    ({"avx2": True, "avx512_bf16": False, "amx_bf16": False}, True),
    ({"avx2": True, "avx512_bf16": True, "amx_bf16": False}, False),
    ({"avx2": True, "avx512_bf16": False, "amx_bf16": True}, False),
    ({"neon": True}, False),  # of which torch tells nothing
]


@pytest.fixture(params=ANSWERS, ids=str)
def emulated(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether bf16 is emulated on the processor that torch is made to tell of."""
    told, answer = request.param
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: told)
    monkeypatch.setattr("ikusi.study.launch.hardware.list_accelerators", list)
    assert (describe_emulated_bf16() is not None) == answer
    return bool(answer)


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_a_study_says_once_that_bf16_is_emulated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    emulated: bool, precision: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(study, "_go", lambda *_: None)
    settings = {"stage": {"precision": precision}}
    steps = [Step(name, "train.samples:none", settings=settings) for name in ("align", "instruct")]
    study.run_steps(steps, tmp_path / "study", 1)
    assert capsys.readouterr().err.count(EMULATED) == (emulated and precision == "bf16")


def test_a_study_whose_trainings_are_elsewhere_or_on_a_gpu_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: ANSWERS[0][0])
    monkeypatch.setattr(study, "_go", lambda *_: None)
    settings = {"stage": {"precision": "bf16"}}
    for gpus, compute in (([], {"slurm": {"minutes": 9}}), (["0"], {})):
        found = list(gpus)
        monkeypatch.setattr(
            "ikusi.study.launch.hardware.list_accelerators", lambda found=found: found
        )
        step = Step("align", "train.samples:none", settings=settings, compute=compute)
        study.run_steps([step], tmp_path / "study", 1)
    assert EMULATED not in capsys.readouterr().err


@pytest.mark.skipif(torch.accelerator.is_available(), reason="is about processors")
@pytest.mark.parametrize(("told", "chosen"), [(0, "fp32"), (1, "bf16"), (2, "bf16"), (3, "fp32")])
def test_auto_is_bf16_where_the_processor_has_it(
    told: int, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: ANSWERS[told][0])
    assert settle(stage(precision="auto")).precision == chosen
    assert settle(stage(precision="bf16")).precision == "bf16"
    assert settle(stage(precision="fp32")).precision == "fp32"


@pytest.mark.parametrize("has", [True, False])
def test_auto_asks_a_gpu_whether_it_has_bf16(has: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: has or including_emulation
    )
    assert settle(stage(precision="auto")).precision == ("bf16" if has else "fp32")


@pytest.mark.slow
@pytest.mark.skipif(torch.accelerator.is_available(), reason="is about processors")
def test_a_stage_of_auto_is_trained_and_written_as_what_it_became(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: ANSWERS[0][0])
    plain, auto = (
        train_stage(
            *multimodal_model(),
            Samples(),
            stage(max_steps=1, precision=precision),
            output=tmp_path / precision,
            seed=0,
        )
        for precision in ("fp32", "auto")
    )
    assert auto["identity"] == plain["identity"] and auto["final_loss"] == plain["final_loss"]


@pytest.mark.slow
@pytest.mark.skipif(torch.accelerator.is_available(), reason="is about processors")
def test_a_training_from_python_says_so_too(
    tmp_path: Path,
    emulated: bool,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    formats: list[torch.dtype] = []

    def find_peak(device: torch.device, dtype: torch.dtype) -> float:
        formats.append(dtype)
        return 1e9

    monkeypatch.setattr("ikusi.train.stages.find_peak", find_peak)
    told = stage(max_steps=1, precision="bf16")
    train_stage(*multimodal_model(), Samples(), told, output=tmp_path, seed=0)
    assert caplog.messages.count(EMULATED) == emulated
    has = any(torch.cpu.get_capabilities().get(name) for name in ("avx512_bf16", "amx_bf16"))
    assert formats == [torch.bfloat16 if has else torch.float32], "MFU is of another format's speed"
