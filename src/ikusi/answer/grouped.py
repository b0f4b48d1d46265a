"""Attention to keys and values that several heads share, without a copy of them for each head.

Where several new tokens have a mask, transformers' own attention copies keys and values, all that
was read before among them, once for each query head: at every step of answers side by side, and for
every batch of options. Here the queries of the heads that share a key are rows of one head instead:
the same products and sums, on every device.

Legend of shapes: N rows, H query heads, K key and value heads, G = H / K, L new tokens, S tokens
in all, D width of a head.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "ikusi_grouped"


@contextmanager
def use_grouped_attention(model: PreTrainedModel) -> Iterator[None]:
    """Let the LLM within ``model`` attend by groups of heads, where torch's kernel computes it."""
    config: Any = model.get_decoder().config
    before = config._attn_implementation
    if before == "sdpa":
        config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = before


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **others: Any,
) -> tuple[Tensor, None]:
    """Attend as transformers' attention functions do.

    ``query`` [N, H, L, D], ``key`` and ``value`` [N, K, S, D], ``attention_mask`` [N, 1, L, S] or
    none; returns [N, L, H, D].
    """
    rows, heads, length, _ = query.shape
    shared = key.shape[1]
    if shared == heads or attention_mask is None or attention_mask.shape[1] != 1:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **others)
    groups = heads // shared
    folded = query.reshape(rows, shared, groups * length, -1)
    mask = attention_mask.repeat(1, 1, groups, 1)
    mixed, _ = sdpa_attention_forward(_ALONE, folded, key, value, mask, **others)
    unfolded = mixed.transpose(1, 2).reshape(rows, heads, length, -1)
    return unfolded.transpose(1, 2), None


_ALONE = nn.Module()  # of whose heads each has keys of its own
AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)
