"""Norms in a training compute what transformers' own compute, and have the same gradients."""

from typing import Any

import pytest
import torch
from torch import nn
from transformers.models.gemma.modeling_gemma import GemmaRMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from ikusi.train import norms
from ikusi.train.attention import use_packed_attention
from train.samples import language_model

WIDTH = 24


class Gated(LlamaRMSNorm):
    """A norm by its name, which computes more."""

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(super().forward(hidden_states) * 2)


class Nameless(nn.RMSNorm):
    """A norm that does not say what it adds to the mean square."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__(width)


def make(kind: Any, learns: bool = True) -> Any:
    generator = torch.Generator().manual_seed(0)
    norm = kind(WIDTH, eps=1e-2)
    norm.weight.data = torch.randn(WIDTH, generator=generator)
    return norm.requires_grad_(learns)


def call(norm: nn.Module, half: bool = False) -> list[torch.Tensor | None]:
    """Some states normalised, with gradients of these and of the weight."""
    generator = torch.Generator().manual_seed(1)
    states = torch.randn(2, 5, WIDTH, generator=generator, requires_grad=True)
    wanted = torch.randn(2, 5, WIDTH, generator=generator)
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        made = norm(states)
    norm.zero_grad()
    (made * wanted).sum().backward()
    return [made.detach(), states.grad, norm.get_parameter("weight").grad]


@pytest.mark.parametrize("learns", [True, False])
@pytest.mark.parametrize("kind", [LlamaRMSNorm, GemmaRMSNorm])
def test_a_norm_and_its_gradients_are_those_of_transformers(kind: Any, learns: bool) -> None:
    norm = make(kind, learns)
    expected = call(norm)
    with norms.use_lean_norms(nn.ModuleList([norm])):
        assert "forward" in vars(norm)
        found = call(norm)
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours is None) == (theirs is None)
        assert ours is None or theirs is None or torch.allclose(ours, theirs, atol=2e-6)


def test_under_autocast_it_gives_the_half_type_and_gradients_near_those_of_fp32() -> None:
    norm = make(LlamaRMSNorm)
    expected = call(norm)
    with norms.use_lean_norms(nn.ModuleList([norm])):
        found = call(norm, half=True)
    kinds = [torch.bfloat16, torch.float32, torch.float32]
    assert [value.dtype for value in found if value is not None] == kinds
    for ours, theirs in zip(found, expected, strict=True):
        assert ours is not None
        assert theirs is not None
        assert (ours.float() - theirs).abs().max() < 0.02 * theirs.abs().max()


def test_states_in_bf16_have_gradients_in_bf16() -> None:
    norm, states = make(LlamaRMSNorm), torch.randn(3, WIDTH, dtype=torch.bfloat16)
    states.requires_grad_()
    with norms.use_lean_norms(nn.ModuleList([norm])):
        made = norm(states)
        made.sum().backward()
    assert made.dtype == states.grad.dtype == torch.bfloat16  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", [Gated, Nameless, nn.LayerNorm])
def test_a_norm_that_computes_anything_else_is_left_alone(kind: Any) -> None:
    norm = make(kind)
    with norms.use_lean_norms(nn.ModuleList([norm])):
        assert "forward" not in vars(norm)


def test_all_norms_of_a_decoder_are_computed_so_in_a_training() -> None:
    model = language_model()[0]
    found = [module for module in model.modules() if isinstance(module, LlamaRMSNorm)]
    with use_packed_attention(model):
        assert found and all("forward" in vars(norm) for norm in found)


def test_afterwards_a_norm_is_as_it_was() -> None:
    norm = make(LlamaRMSNorm)
    with pytest.raises(KeyError), norms.use_lean_norms(nn.ModuleList([norm])):
        raise KeyError
    assert "forward" not in vars(norm)
