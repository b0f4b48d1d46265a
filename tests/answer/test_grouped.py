"""Keys that heads share are attended to as they are: equal numbers, and no copy for each head."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers.integrations.sdpa_attention import sdpa_attention_forward

import tiny_llava as tiny
from ikusi.answer.engine import Query
from ikusi.answer.grouped import attend, use_grouped_attention

ROWS, LENGTH, SEEN, WIDTH = 3, 5, 11, 8


def states(heads: int, shared: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(heads)
    sizes = ((heads, LENGTH), (shared, SEEN), (shared, SEEN))
    query, key, value = (torch.randn(ROWS, *size, WIDTH, generator=generator) for size in sizes)
    return query, key, value


def mask(heads: int = 1) -> Tensor:
    """Other tokens for each row, each new token and, where it is asked for, each head."""
    generator = torch.Generator().manual_seed(1)
    sees = torch.rand(ROWS, heads, LENGTH, SEEN, generator=generator) < 0.5
    sees[..., 0] = True
    return sees


def layer(groups: int) -> nn.Module:
    made: Any = nn.Module()
    made.num_key_value_groups = groups
    return made


@pytest.mark.parametrize(("heads", "shared"), [(6, 2), (6, 1), (4, 4)])
@pytest.mark.parametrize("masked", [None, mask(), torch.where(mask(), 0.0, -1e30)])
def test_it_attends_as_transformers_does(heads: int, shared: int, masked: Tensor | None) -> None:
    given = (layer(heads // shared), *states(heads, shared), masked)
    mixed, weights = attend(*given, scaling=0.3)
    expected, _ = sdpa_attention_forward(*given, scaling=0.3)
    assert weights is None
    torch.testing.assert_close(mixed, expected)


def test_a_mask_for_each_head_is_kept() -> None:
    given = (layer(3), *states(6, 2), mask(6))
    torch.testing.assert_close(attend(*given)[0], sdpa_attention_forward(*given)[0])


@pytest.mark.parametrize("options", [(), ("a dog", "the red house")])
def test_no_key_is_copied_for_each_head(options: tuple[str, ...], key_heads: list[int]) -> None:
    texts = ("what is a dog ?", "what is on the left ?")
    queries = [
        Query(text, ({"role": "user", "content": [{"type": "text", "text": text}]},), options)
        for text in texts
    ]
    tiny.engine().answer(queries, {})
    assert set(key_heads) == {2}, "the tiny model has 4 heads that share 2 of keys"


@pytest.mark.parametrize("kernel", ["eager", "sdpa"])
def test_the_model_keeps_its_own_attention(kernel: str) -> None:
    model = tiny.model(tiny.tokenizer())
    model.set_attn_implementation(kernel)
    decoder: Any = model.get_decoder()
    with pytest.raises(KeyError), use_grouped_attention(model):
        assert (decoder.config._attn_implementation == kernel) == (kernel == "eager")
        raise KeyError
    assert decoder.config._attn_implementation == kernel
