"""The steps of a stage are those that torch makes when one writes them down plainly."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.nn.utils import clip_grad_norm_
from transformers import get_cosine_schedule_with_warmup

from ikusi.model.learning import set_trainable
from ikusi.recipe import Compute, Stage
from ikusi.train.attention import use_packed_attention
from ikusi.train.divisions import Replicated
from ikusi.train.loop import Loop
from ikusi.train.packed import PackedModel
from ikusi.train.parallel import Place
from ikusi.train.stages import Progress, train_stage
from ikusi.train.steps import Encoder, Steps
from train.samples import Samples, multimodal_model, stage
from train.test_stages import metrics, weights

WARM, STEPS, RATE = 2, 6, 3e-2


@pytest.mark.parametrize(("warm", "total"), [(0, 5), (2, 7), (4, 4), (1, 1)])
def test_the_learning_rate_is_that_of_transformers_cosine_to_the_bit(warm: int, total: int) -> None:
    of_torch = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 1.0)
    (theirs,) = get_cosine_schedule_with_warmup(of_torch, warm, total).lr_lambdas
    loop: Any = SimpleNamespace(warm=warm, total=total)
    for step in range(total + 1):
        assert Loop._share_of_rate(loop, step) == theirs(step)


def plain(settings: Stage) -> tuple[dict[str, torch.Tensor], list[list[float]]]:
    """Weights, and loss, norm of the gradients and learning rate of each step."""
    model, processor = multimodal_model()
    set_trainable(model, settings.trainable)
    learning = {name: p for name, p in model.named_parameters() if p.requires_grad}
    spared = [
        p for name, p in learning.items() if "norm" in name or "layrnorm" in name or "bias" in name
    ]
    rest = [p for p in learning.values() if not any(p is other for other in spared)]
    groups = [{"params": rest, "weight_decay": 0.1}, {"params": spared, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, RATE, fused=True)
    encoder = Encoder(Samples(), model, processor, settings.max_length)
    steps = Steps(Samples(), encoder, batch_size=settings.batch_size, epochs=settings.epochs)
    packed, lines = PackedModel(model, bf16=False), []
    with use_packed_attention(model):
        for step in range(STEPS):
            rise, way = step / WARM, (step - WARM) / (STEPS - WARM)
            rate = RATE * (rise if step < WARM else 0.5 * (1 + math.cos(math.pi * way)))
            for group in optimizer.param_groups:
                group["lr"] = rate
            portion: Any = steps[step]
            loss = packed(portion.parts[0])
            (loss * (1 / portion.supervised)).backward()
            norm = clip_grad_norm_(learning.values(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            lines.append([(loss.detach() / portion.supervised).item(), norm.item(), rate])
    return model.state_dict(), lines


@pytest.mark.slow
def test_a_stage_makes_the_steps_of_a_plain_loop_of_torch(tmp_path: Path) -> None:
    settings = stage(
        trainable=["connector", "llm", "vision"],
        learning_rate=RATE,
        weight_decay=0.1,
        warmup_ratio=WARM / STEPS,
    )
    model, processor = multimodal_model()
    train_stage(model, processor, Samples(), settings, output=tmp_path, seed=3)
    expected, lines = plain(settings)
    assert any(norm > 1 for _, norm, _ in lines), "gradients are clipped"
    names = ("loss", "gradient_norm", "learning_rate")
    assert [[line[name] for name in names] for line in metrics(tmp_path)] == lines
    found = model.state_dict()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_what_learns_is_held_in_fp32_beside_a_frozen_half() -> None:
    model, _ = multimodal_model()
    model.bfloat16()
    set_trainable(model, ["connector"])
    division = Replicated(model, stage(), Place(0, 1, torch.device("cpu")))
    held = {p.dtype for p in division.model.parameters() if p.requires_grad}
    assert held == {torch.float32}
    assert {p.dtype for p in model.model.language_model.parameters()} == {torch.bfloat16}


@pytest.mark.slow
def test_trackers_hear_of_the_first_step_to_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import TrainerCallback  # loads much, for this test alone
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

    events: list[tuple[str, int]] = []

    class Listener(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            events.append((f"begin {args.run_name} {args.learning_rate}", state.global_step))

        def on_log(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            events.append((f"{given['logs']['rows/en']} rows", state.global_step))

        def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            events.append(("end", state.global_step))

    monkeypatch.setitem(INTEGRATION_TO_CALLBACK, "tensorboard", Listener)
    arguments: Any = {"output": tmp_path / "a" / "b" / "c", "seed": 3}
    arguments["compute"] = Compute(report_to=["tensorboard"])

    class StoppedError(Exception):
        pass

    def stop(now: Progress) -> None:
        if now.step == 3:
            raise StoppedError

    model, processor = multimodal_model()
    with pytest.raises(StoppedError):
        train_stage(model, processor, Samples(), stage(), **arguments, progress=stop)
    assert events[0] == ("begin a/b/c 0.01", 0)
    assert [step for _, step in events[1:]] == [1, 2, 3], "a run that fails is not closed as whole"
    events.clear()
    model, processor = multimodal_model()
    train_stage(model, processor, Samples(), stage(), **arguments)
    assert events[0] == ("begin a/b/c 0.01", 2)
    assert [step for _, step in events[1:]] == [3, 4, 5, 6, 6]
    assert events[-1] == ("end", 6)


@pytest.mark.slow
def test_dropout_goes_on_where_it_was_when_a_stage_resumes(tmp_path: Path) -> None:
    """Adapters drop their inputs at random: the random numbers must go on as well."""
    settings = stage(lora={"rank": 4, "alpha": 8, "dropout": 0.3})

    class StoppedError(Exception):
        pass

    def stop(now: Progress) -> None:
        if now.step == 3:
            raise StoppedError

    model, processor = multimodal_model()
    arguments: Any = {"output": tmp_path / "stopped", "seed": 3}
    with pytest.raises(StoppedError):
        train_stage(model, processor, Samples(), settings, **arguments, progress=stop)
    for name in ("stopped", "whole"):
        model, processor = multimodal_model()
        train_stage(model, processor, Samples(), settings, output=tmp_path / name, seed=3)
    stopped, whole = weights(tmp_path / "stopped"), weights(tmp_path / "whole")
    assert all(torch.equal(stopped[name], whole[name]) for name in whole)
