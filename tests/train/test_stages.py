"""A stage from its first step to its checkpoint, and across a kill."""

import json
import os
import resource
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, LlavaForConditionalGeneration

import warm
from ikusi.errors import IkusiError, InputError
from ikusi.recipe import Compute
from ikusi.train import checkpoints
from ikusi.train.divisions import Replicated
from ikusi.train.parallel import Place
from ikusi.train.stages import Progress, train_stage
from train.samples import Row, Samples, language_model, multimodal_model, stage

ALONE = Place(0, 1, torch.device("cpu"))
CHILD = """
import sys, time
from pathlib import Path
from train.samples import Row, Samples, multimodal_model, stage
from ikusi.train.stages import train_stage
torch_threads = __import__("torch").set_num_threads(1)
model, processor = multimodal_model()
slow = lambda progress: (print(progress.step, flush=True), time.sleep(0.2))
train_stage(model, processor, Samples(), stage(precision="bf16"), output=Path(sys.argv[1]), seed=3,
            progress=slow)
"""


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "checkpoint" / "model.safetensors")


def metrics(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def kill_after(step: int, output: Path) -> None:
    """Train in another process and kill it, unasked, while it trains the step after `step`."""
    child = warm.Command(["-c", CHILD, str(output)], os.environ)
    while str(step) not in child.said()[0].split():
        assert child.returncode is None, child.said()
        time.sleep(0.01)
    child.kill()
    child.communicate()
    assert child.returncode == -signal.SIGKILL


@pytest.mark.slow
def test_a_killed_stage_ends_with_the_weights_of_an_undisturbed_one(tmp_path: Path) -> None:
    settings = stage(precision="bf16")
    kill_after(5, tmp_path / "killed")
    left = checkpoints.find_latest(tmp_path / "killed" / "resume")
    assert left is not None
    assert left.name == "step-00000004"
    assert [line["step"] for line in metrics(tmp_path / "killed")][:4] == [1, 2, 3, 4]
    for name in ("killed", "whole"):
        model, processor = multimodal_model()
        train_stage(model, processor, Samples(), settings, output=tmp_path / name, seed=3)
    killed, whole = weights(tmp_path / "killed"), weights(tmp_path / "whole")
    assert killed.keys() == whole.keys()
    assert all(torch.equal(killed[name], whole[name]) for name in whole)
    clocked = {"tokens_per_second", "samples_per_second", "mfu", "data_wait_seconds"}
    clocked |= {"peak_memory_mb"}
    lines = [
        [{k: v for k, v in line.items() if k not in clocked} for line in metrics(tmp_path / name)]
        for name in ("killed", "whole")
    ]
    assert lines[0] == lines[1]
    counts = [
        json.loads((tmp_path / name / "summary.json").read_text())["counts"]
        for name in ("killed", "whole")
    ]
    assert counts[0] == counts[1]


def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path, caplog: Any) -> None:
    good, torn = tmp_path / "step-00000002", tmp_path / "step-00000004"
    learns = torch.nn.Linear(3, 1)
    division = Replicated(learns, stage(), ALONE)
    schedule = torch.optim.lr_scheduler.ConstantLR(division.optimizer)
    checkpoints.save(good, dict(learns.named_parameters()), division, schedule, {}, ALONE)
    torn.mkdir()
    (torn / "tensors-00000.safetensors").write_bytes(b"cut short")
    for state in ("{}", "[]", "{"):
        caplog.clear()
        (torn / "state.json").write_text(state)
        assert checkpoints.find_latest(tmp_path) == good
        assert "damaged" in caplog.text


def test_optimizer_and_random_state_survive_to_the_bit(tmp_path: Path) -> None:
    def made() -> tuple[torch.nn.Linear, Replicated, Any]:
        torch.manual_seed(0)
        learns = torch.nn.Linear(4, 2)
        division = Replicated(learns, stage(), ALONE)
        thirds = torch.optim.lr_scheduler.LambdaLR(division.optimizer, lambda s: 1 / 3**s)
        return learns, division, thirds

    def go(learns: torch.nn.Linear, division: Replicated, schedule: Any) -> None:
        division.backward(learns(torch.randn(4)).square().sum(), last=True)
        division.step()
        schedule.step()

    learns, division, schedule = made()
    go(learns, division, schedule)
    path = tmp_path / "step-00000001"
    names = dict(learns.named_parameters())
    checkpoints.save(path, names, division, schedule, {"more": 1}, ALONE)
    go(learns, division, schedule)
    again = made()
    checkpoints.load(path, dict(again[0].named_parameters()), *again[1:])
    checkpoints.load_random(path)
    go(*again)
    assert torch.equal(learns.weight, again[0].weight)
    assert torch.equal(learns.bias, again[0].bias)
    assert checkpoints.read_state(path)["more"] == 1


@pytest.mark.slow
def test_a_stage_learns_and_leaves_what_is_frozen(tmp_path: Path) -> None:
    samples = Samples()
    model, processor = multimodal_model()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    seen: list[Progress] = []
    summary = train_stage(
        model, processor, samples, stage(epochs=8), output=tmp_path, seed=0, progress=seen.append
    )
    lines = metrics(tmp_path)
    assert lines[-1]["loss"] < 0.3 * lines[0]["loss"]
    changed = {n for n, t in model.state_dict().items() if not torch.equal(t, before[n])}
    assert "model.multi_modal_projector.linear_1.weight" in changed
    assert not [n for n in changed if "linear_2" in n or "vision_tower" in n]
    assert [progress.step for progress in seen] == list(range(1, 25))
    assert seen[-1].total == summary["steps"] == 24
    assert seen[-1].seconds_left == 0
    assert summary["counts"]["rows"] == 96
    assert summary["counts"]["languages"] == {"en": 72, "eu": 24}
    assert sum(line["languages"].get("eu", 0) for line in lines) == 24
    assert not (tmp_path / "resume").exists()
    again = train_stage(model, processor, samples, stage(epochs=8), output=tmp_path, seed=0)
    assert again == summary


@pytest.mark.slow
def test_the_checkpoint_is_a_stock_llava(tmp_path: Path) -> None:
    model, processor = multimodal_model()
    settings = stage(trainable=["connector"], epochs=1)
    train_stage(model, processor, Samples(), settings, output=tmp_path, seed=0)
    stock = LlavaForConditionalGeneration.from_pretrained(tmp_path / "checkpoint").eval()
    ids = torch.tensor([[6, 7, 8, 9]])
    with torch.no_grad():
        assert torch.equal(stock(ids).logits, model(ids).logits)
    told = json.loads((tmp_path / "checkpoint" / "config.json").read_text())
    assert "packed" not in json.dumps(told)
    of_encoder = [name for name in weights(tmp_path) if name.startswith("vision_tower.")]
    assert of_encoder
    assert all(name.startswith("vision_tower.vision_model.") for name in of_encoder)


@pytest.mark.slow
def test_aligning_trains_the_connector_alone_even_on_text(tmp_path: Path) -> None:
    model, processor = multimodal_model()
    before = {name: p.clone() for name, p in model.named_parameters()}
    settings = stage(trainable=["connector"], batch_size=1, epochs=1)
    train_stage(model, processor, Samples(), settings, output=tmp_path, seed=0)
    changed = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    assert changed == {f"model.multi_modal_projector.linear_1.{n}" for n in ("weight", "bias")}


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_bare_llm_trains_on_text(tmp_path: Path, precision: str) -> None:
    model, tokenizer = language_model()
    settings = stage(trainable=["llm"], precision=precision, gradient_checkpointing=True)
    train_stage(model, tokenizer, Samples(pictures=False), settings, output=tmp_path, seed=0)
    lines = metrics(tmp_path)
    assert lines[-1]["loss"] < lines[0]["loss"]
    stock = AutoModelForCausalLM.from_pretrained(tmp_path / "checkpoint")
    assert stock.dtype == torch.float32


@pytest.mark.slow
def test_parts_change_nothing_but_the_last_bits(tmp_path: Path) -> None:
    losses = []
    for micro_tokens in (None, 30):
        model, processor = multimodal_model()
        output = tmp_path / str(micro_tokens)
        train_stage(
            model, processor, Samples(), stage(learning_rate=1e-3), output=output, seed=0,
            compute=Compute(micro_tokens=micro_tokens),
        )  # fmt: skip
        losses.append([line["loss"] for line in metrics(output)])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_a_loss_that_is_not_a_number_is_told_with_its_samples(tmp_path: Path) -> None:
    model, processor = multimodal_model()
    with torch.no_grad():
        model.lm_head.weight[3] = float("nan")
    with pytest.raises(
        IkusiError,
        match=r"^step 1: expected a finite loss, found nan; the last .* is none; .*row-\d+",
    ):
        train_stage(model, processor, Samples(), stage(), output=tmp_path, seed=0)


def test_a_full_disk_is_told_and_the_last_whole_checkpoint_stays(tmp_path: Path) -> None:
    model, processor = multimodal_model()

    def fill(progress: Progress) -> None:
        if progress.step == 3:  # as if the disk had little room left from here on
            limit = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limit))

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    told = r"step-00000004: expected to write a larger file, .* whole one is step-00000002$"
    try:
        with pytest.raises(IkusiError, match=told):
            train_stage(
                model, processor, Samples(), stage(), output=tmp_path, seed=0, progress=fill
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert [path.name for path in (tmp_path / "resume").iterdir()] == ["step-00000002"]


@pytest.mark.slow
def test_training_ahead_in_other_processes_changes_nothing(tmp_path: Path) -> None:
    for workers in (0, 2):
        model, processor = multimodal_model()
        compute = Compute(data_workers=workers)
        output = tmp_path / str(workers)
        train_stage(model, processor, Samples(), stage(), output=output, seed=0, compute=compute)
    found, wanted = weights(tmp_path / "2"), weights(tmp_path / "0")
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


@pytest.mark.slow
def test_a_tracker_of_the_trainer_gets_every_step(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    model, processor = multimodal_model()
    compute = Compute(report_to=["tensorboard"])
    train_stage(model, processor, Samples(), stage(), output=tmp_path, seed=0, compute=compute)
    events = EventAccumulator(str(next((tmp_path / "runs").iterdir())))
    events.Reload()
    for name in ("loss", "mfu", "data_wait_seconds", "rows/eu"):
        tag = next(tag for tag in events.Tags()["scalars"] if tag.endswith(name))
        assert [event.step for event in events.Scalars(tag)][-1] == 6, name
    assert metrics(tmp_path)[0]["mfu"] > 0


@pytest.mark.slow
def test_no_more_steps_than_asked_for(tmp_path: Path) -> None:
    model, processor = multimodal_model()
    summary = train_stage(model, processor, Samples(), stage(max_steps=2), output=tmp_path, seed=0)
    assert summary["steps"] == 2
    assert summary["counts"]["rows"] == 8


@pytest.mark.slow
def test_an_encoder_that_learns_stays_inside(tmp_path: Path) -> None:
    model, processor = multimodal_model()
    before = {name: p.clone() for name, p in model.named_parameters()}
    settings = stage(trainable=["connector", "llm", "vision"], epochs=1)
    train_stage(model, processor, Samples(), settings, output=tmp_path, seed=0)
    changed = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    assert any("vision_tower" in name for name in changed)
    unread = [name for name in before if "vision_tower" in name and "layers.1." in name]
    assert unread
    assert not changed.intersection(unread)


def test_a_picture_for_a_bare_llm_is_refused_by_its_row(tmp_path: Path) -> None:
    model, tokenizer = language_model()
    with pytest.raises(InputError, match=r"found 8 that .*: row-1: expected text alone"):
        settings = stage(trainable=["llm"])
        train_stage(model, tokenizer, Samples(), settings, output=tmp_path, seed=0)


@dataclass
class Spoiled(Samples):
    """Samples of which some hold what no tokenizer takes for text."""

    bad: tuple[int, ...] = (2, 5, 6, 8, 9, 10, 11)

    def __getitem__(self, index: int) -> Row:
        row = super().__getitem__(index)
        if index in self.bad:
            row.messages[1]["content"][0]["text"] += " <|end|> yes"
        return row


@pytest.mark.slow
def test_all_rows_that_cannot_be_trained_on_are_told_before_the_first_step(tmp_path: Path) -> None:
    def never(progress: Progress) -> None:
        raise AssertionError(f"step {progress.step} was trained")

    model, processor = multimodal_model()
    with pytest.raises(InputError) as told:
        train_stage(
            *(model, processor, Spoiled(), stage()), output=tmp_path, seed=0, progress=never
        )
    reason = "assistant turn: expected text, found the control token '<|end|>' in it"
    assert str(told.value) == (
        "expected 12 rows to train on, found 7 that this tokenizer cannot take (all are in "
        f"{tmp_path / 'refused.jsonl'}): "
        + "; ".join(f"row-{index}: {reason}" for index in (2, 5, 6, 8, 9))
        + "; and 2 more"
    )
    refused = list(map(json.loads, (tmp_path / "refused.jsonl").read_text().splitlines()))
    assert refused == [{"id": f"row-{index}", "reason": reason} for index in Spoiled.bad]
    few = Spoiled(bad=(Samples().order(0)[-1],))
    train_stage(model, processor, few, stage(max_steps=1), output=tmp_path, seed=0)
    assert not (tmp_path / "refused.jsonl").exists(), "what is not trained on stops nothing"


def test_grouping_by_task_wants_samples_in_such_an_order(tmp_path: Path) -> None:
    grouped = stage(group_by_task=True, batch_size=3, max_steps=1)
    for found in (None, 4):
        model, processor = multimodal_model()
        samples = Samples()
        samples.batch_size = found  # type: ignore[attr-defined]
        problem = f"group_by_task: expected a mixture with batch_size=3, found batch_size={found}"
        with pytest.raises(InputError, match=problem):
            train_stage(model, processor, samples, grouped, output=tmp_path, seed=0)
    samples.batch_size = 3  # type: ignore[attr-defined]
    assert train_stage(model, processor, samples, grouped, output=tmp_path, seed=0)["steps"] == 1


@pytest.mark.slow
def test_a_resume_folder_of_other_settings_is_not_used(tmp_path: Path) -> None:
    def trained(name: str) -> dict[str, torch.Tensor]:
        model, processor = multimodal_model()
        train_stage(model, processor, Samples(), stage(), output=tmp_path / name, seed=0)
        return weights(tmp_path / name)

    class EnoughError(Exception):
        pass

    def stop(progress: Progress) -> None:
        if progress.step == 3:
            raise EnoughError

    model, processor = multimodal_model()
    with pytest.raises(EnoughError):
        train_stage(
            model, processor, Samples(), stage(), output=tmp_path / "other", seed=1, progress=stop
        )
    assert checkpoints.find_latest(tmp_path / "other" / "resume")
    other, fresh = trained("other"), trained("fresh")
    assert all(torch.equal(other[name], fresh[name]) for name in fresh)
