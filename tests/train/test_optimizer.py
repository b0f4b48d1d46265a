"""Muon beside AdamW as one optimiser, which parts learn by which, and what weight decay spares."""

from pathlib import Path

import pytest
import torch
from torch import nn

from ikusi.model.learning import set_trainable
from ikusi.train.muon import make_orthogonal
from ikusi.train.optimizer import MuonAdamW, make
from ikusi.train.stages import Progress, train_stage
from train.samples import Samples, multimodal_model, stage
from train.test_stages import weights

COEFFICIENTS, STEPS = (3.4445, -4.7750, 2.0315), 5


class Toy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table = nn.Embedding(5, 8)
        self.layers = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 4), nn.Tanh())

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(self.layers(self.table(ids)).square().sum())

    def linear(self) -> list[nn.Linear]:
        return [layer for layer in self.layers if isinstance(layer, nn.Linear)]


def stepped(model: Toy, *optimizers: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    for step in range(4):
        model(torch.tensor([step, 4])).backward()
        for optimizer in optimizers:
            optimizer.step()
        model.zero_grad()
    return model.state_dict()


@pytest.fixture(params=[True, False], ids=["with bf16", "without"])
def has_bf16(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether torch is made to say that the processor has instructions for bf16."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": request.param})
    return bool(request.param)


def test_both_parts_step_as_torch_steps_them(
    has_bf16: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_bf16:  # so torch's own Muon computes in fp32 too
        monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.float)
    ours, theirs = Toy(), Toy()
    matrices = [layer.weight for layer in theirs.linear()]
    muon = torch.optim.Muon(matrices, 1e-2, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    groups = [
        {"params": [theirs.table.weight], "weight_decay": 0.1},
        {"params": [layer.bias for layer in theirs.linear()], "weight_decay": 0.0},
    ]
    expected = stepped(theirs, muon, torch.optim.AdamW(groups, 1e-2, betas=(0.9, 0.98)))
    if not has_bf16:
        monkeypatch.setattr(torch.Tensor, "bfloat16", None)  # is not to be called
    found = stepped(ours, MuonAdamW(dict(ours.named_parameters()), 1e-2, 0.1))
    assert all(torch.allclose(found[name], expected[name], atol=1e-6) for name in expected)
    if has_bf16:
        assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("shape", [(8, 8), (6, 9), (9, 6), (4, 40), (40, 4)])
def test_without_bf16_matrices_are_made_orthogonal_as_exactly_as_fp32_can(
    shape: tuple[int, int],
) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    a, b, c = COEFFICIENTS
    left, values, right = torch.linalg.svd(matrix.double(), full_matrices=False)
    values /= values.norm()
    for _ in range(STEPS):
        values = a * values + b * values**3 + c * values**5
    found = make_orthogonal(matrix, COEFFICIENTS, STEPS, 1e-7)
    assert (found - left * values @ right).abs().max() < 1e-5
    assert not make_orthogonal(torch.zeros(shape), COEFFICIENTS, STEPS, 1e-7).any()


def test_without_matrices_between_hidden_spaces_all_is_adamw() -> None:
    parameter = nn.Parameter(torch.ones(2, 2))
    optimizer = MuonAdamW({"lm_head.weight": parameter}, 1e-2, 0.0)
    assert [set(group["params"]) for group in optimizer.param_groups] == [{parameter}]
    parameter.sum().backward()
    optimizer.step()
    assert torch.allclose(parameter, torch.full((2, 2), 0.99))


@pytest.mark.slow
def test_a_stage_with_muon_resumes_to_the_same_weights(tmp_path: Path) -> None:
    settings = stage(optimizer="muon")

    class StoppedError(Exception):
        pass

    def stop(now: Progress) -> None:
        if now.step == 5:
            raise StoppedError

    model, processor = multimodal_model()
    with pytest.raises(StoppedError):
        train_stage(
            model, processor, Samples(), settings, output=tmp_path / "a", seed=3, progress=stop
        )
    for name in ("a", "b"):
        model, processor = multimodal_model()
        train_stage(model, processor, Samples(), settings, output=tmp_path / name, seed=3)
    stopped, whole = weights(tmp_path / "a"), weights(tmp_path / "b")
    assert all(torch.equal(stopped[name], whole[name]) for name in whole)


def test_weight_decay_leaves_biases_and_normalisations_alone() -> None:
    model, _ = multimodal_model()
    set_trainable(model, ["connector", "llm", "vision"])
    decayed, spared = make(model, stage(weight_decay=0.1)).param_groups
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.1, 0.0)
    names = {parameter: name for name, parameter in model.named_parameters()}
    kept = {names[parameter] for parameter in spared["params"]}
    encoder, llm = "model.vision_tower.", "model.language_model."
    for name in (
        f"{llm}layers.1.post_attention_layernorm.weight",
        f"{llm}norm.weight",
        f"{encoder}pre_layrnorm.weight",
        f"{encoder}encoder.layers.0.layer_norm2.weight",
        f"{encoder}encoder.layers.0.self_attn.q_proj.bias",
        "model.multi_modal_projector.linear_1.bias",
    ):
        assert name in kept
    shrunk = {names[parameter] for parameter in decayed["params"]}
    assert f"{encoder}embeddings.class_embedding" in shrunk, "a vector, but no bias"
    assert f"{llm}embed_tokens.weight" in shrunk
    learns = {name for name, p in model.named_parameters() if p.requires_grad}
    assert shrunk | kept == learns
    assert not shrunk & kept


def test_eight_bits_hold_the_moments_of_all_but_tables() -> None:
    pytest.importorskip("bitsandbytes")
    model = nn.Sequential(nn.Embedding(128, 64), nn.Linear(64, 128))
    optimizer = make(model, stage(optimizer="adamw8bit"))
    model(torch.arange(4)).sum().backward()
    optimizer.step()
    table, matrix, _ = model.parameters()
    held = [optimizer.state[parameter]["state1"].dtype for parameter in (table, matrix)]
    assert held == [torch.float32, torch.uint8]


def test_eight_bits_of_one_model_say_nothing_of_the_next() -> None:
    """A process that trains two models holds the moments of each as if it were alone."""
    pytest.importorskip("bitsandbytes")
    tabled, plain = nn.Sequential(nn.Embedding(128, 64), nn.Linear(64, 128)), nn.Linear(64, 128)
    for model, given in ((tabled, torch.arange(4)), (plain, torch.ones(64))):
        optimizer = make(model, stage(optimizer="adamw8bit"))
        model(given).sum().backward()
        optimizer.step()
    assert optimizer.state[plain.weight]["state1"].dtype == torch.uint8
