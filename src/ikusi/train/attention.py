"""Attention among samples laid end to end in one row, each blind to all the others.

On a GPU, in bf16 or fp16, a kernel for samples of varying length does it: torch's own
`varlen_attn`, or flash-attention's where torch has none. Elsewhere transformers would write out a
T x T mask: sixty times the work for 4,000 tokens of 64-token samples. Here samples of like length
are attended to together, padded to the longest among them and a little more, so that shapes recur;
in fp32 on a CPU, whose kernels take any shape, each alone and without padding. What fills the row
up behind the last sample attends to nothing. Where tokens of a sample see each other whichever
comes first, as those of a picture do in some models, `Packing.blocks` says which.

Legend of shapes: T tokens of the row, N samples of a bucket, L longest of them, H query heads,
K key and value heads, D width of a head.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from inspect import signature
from itertools import pairwise
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel

from ikusi.errors import InputError
from ikusi.train.last_layer import Read, use_few_tokens
from ikusi.train.norms import use_lean_norms

NAME = "ikusi_packed"
FULLEST_WASTE = 0.75  # a bucket's shortest sample has at least this share of its longest's length
LENGTH_MULTIPLE = 16  # tokens, of a bucket's padded length
LONGEST_EXPLICIT = 384  # tokens; beyond it the fused CPU kernel is faster in bf16 too
UNKNOWN = {"s_aux": "attention sinks"}


@dataclass(frozen=True)
class Bucket:
    """Neighbouring samples of like length: tokens `start` to `stop` of the row.

    `longest`: the length L to which each is padded. `places` [tokens]: where each token goes in the
    padded N x L grid; None where nothing is padded.
    """

    start: int
    stop: int
    samples: int
    longest: int
    places: Tensor | None


@dataclass(frozen=True)
class Packing:
    """The samples in a row. `offsets` [samples + 1]: where each starts (int32).

    `blocks` [T]: tokens of a sample that have one number, from 0 on, see each other, also those
    that come later; -1 for all others. None where no token sees what comes later. `read`: the
    tokens that the last layer is needed for; None for all.
    """

    offsets: Tensor
    buckets: tuple[Bucket, ...]
    blocks: Tensor | None = None
    read: Read | None = None

    def alone(self) -> list[Bucket]:
        """Each sample as a bucket of its own, without padding."""
        edges = pairwise(self.offsets.tolist())
        return [Bucket(start, stop, 1, stop - start, None) for start, stop in edges]

    def to(self, device: torch.device, non_blocking: bool = False) -> Packing:
        """The same on another device."""
        return self._with(lambda part: part.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Packing:
        """The same in memory that a GPU copies from without waiting."""
        return self._with(lambda part: part.pin_memory())

    def _with(self, change: Callable[[Tensor], Tensor]) -> Packing:
        buckets = tuple(
            bucket if bucket.places is None else replace(bucket, places=change(bucket.places))
            for bucket in self.buckets
        )
        blocks = None if self.blocks is None else change(self.blocks)
        return replace(self, offsets=change(self.offsets), buckets=buckets, blocks=blocks)


def pack_lengths(lengths: Sequence[int], blocks: Tensor | None = None) -> Packing:
    """Lay out samples of these lengths in this order, and bucket neighbours of like length.

    Sort the lengths for few buckets; any order is correct. `blocks`: as in `Packing`.
    """
    offsets = [0]
    for length in lengths:
        offsets.append(offsets[-1] + length)
    buckets, first = [], 0
    for index in range(1, len(lengths) + 1):
        group = lengths[first : index + 1]
        if index == len(lengths) or min(group) < FULLEST_WASTE * max(group):
            buckets.append(_bucket(lengths[first:index], offsets[first]))
            first = index
    return Packing(torch.tensor(offsets, dtype=torch.int32), tuple(buckets), blocks)


def _bucket(lengths: Sequence[int], start: int) -> Bucket:
    longest, total = max(lengths), sum(lengths)
    longest += -longest % LENGTH_MULTIPLE
    places = None
    if longest * len(lengths) > total:
        places = torch.cat([torch.arange(n) + row * longest for row, n in enumerate(lengths)])
    return Bucket(start, start + total, len(lengths), longest, places)


@contextmanager
def use_packed_attention(model: PreTrainedModel) -> Iterator[None]:
    """Let the LLM within `model` attend by the `packing` that is passed to its forward."""
    decoder: Any = model.get_decoder()
    before = decoder.config._attn_implementation
    decoder.config._attn_implementation = NAME
    try:
        with use_few_tokens(decoder), use_lean_norms(decoder):
            yield
    finally:
        decoder.config._attn_implementation = before


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    packing: Packing,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """Causal attention inside each sample, as transformers' attention functions are called.

    `query` [1, H, T, D], `key` and `value` [1, K, T, D]; returns [1, T, H, D]. Raises InputError
    for kinds of attention it does not compute.
    """
    for name, kind in UNKNOWN.items():
        if others.get(name) is not None:
            raise InputError(f"{type(module).__name__}: {kind} cannot be trained without padding")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    kind = query.device.type
    if torch.is_autocast_enabled(kind):
        # Rotary embeddings leave fp32 behind; every kernel below is faster in the half type.
        dtype = torch.get_autocast_dtype(kind)
        query, key, value = query.to(dtype), key.to(dtype), value.to(dtype)
    plain = not dropout and softcap is None and packing.blocks is None
    kernel = find_varlen_kernel() if kind == "cuda" and plain else None
    if kernel is not None and query.dtype in (torch.bfloat16, torch.float16):
        parts = [_attend_varlen(kernel, query, key, value, packing, scale, sliding_window)]
    else:
        manner = _Manner(scale, dropout, sliding_window, softcap)
        alone = kind == "cpu" and query.dtype == torch.float32 and softcap is None
        buckets = packing.alone() if alone else packing.buckets
        # Split at once: each slice would have a gradient of the whole row's size.
        lengths = [bucket.stop - bucket.start for bucket in buckets]
        lengths.append(query.shape[2] - sum(lengths))
        queries, keys, values = (states.split(lengths, 2) for states in (query, key, value))
        parts = [
            _attend_bucket(*states, _pad_blocks(packing.blocks, states[-1]), manner)
            for states in zip(queries, keys, values, buckets, strict=False)
        ]
    if behind := query.shape[2] - packing.buckets[-1].stop:
        parts.append(parts[0].new_zeros(behind, *parts[0].shape[1:]))
    return (parts[0] if len(parts) == 1 else torch.cat(parts))[None], None


AttentionInterface.register(NAME, attend)


def describe_kernel(device: torch.device, bf16: bool) -> str:
    """Describe the kernel that computes attention on a device, in words for the log."""
    kernel = find_varlen_kernel() if device.type == "cuda" and bf16 else None
    if kernel is None:
        alone = device.type == "cpu" and not bf16
        how = "each sample alone" if alone else "samples of like length together"
        return f"torch's scaled_dot_product_attention, {how}"
    return f"{kernel.__module__}.{kernel.__name__}"


@cache
def find_varlen_kernel() -> Callable[..., Tensor] | None:
    """A kernel for samples of varying length: torch's, else flash-attention's, else none."""
    with suppress(ImportError):
        from torch.nn.attention.varlen import varlen_attn

        if "window_size" in signature(varlen_attn).parameters:
            return cast(Callable[..., Tensor], varlen_attn)
    with suppress(ImportError):
        from flash_attn import flash_attn_varlen_func

        return cast(Callable[..., Tensor], flash_attn_varlen_func)
    return None


def _attend_varlen(
    kernel: Callable[..., Tensor],
    query: Tensor,
    key: Tensor,
    value: Tensor,
    packing: Packing,
    scale: float,
    window: int | None,
) -> Tensor:
    """The mixed values of all samples' tokens, [tokens, H, D], by a GPU's kernel."""
    stop, longest = packing.buckets[-1].stop, max(bucket.longest for bucket in packing.buckets)
    rows = [states[0, :, :stop].transpose(0, 1) for states in (query, key, value)]
    places = (packing.offsets, packing.offsets, longest, longest)
    seen = (-1 if window is None else window - 1, 0)
    if kernel.__module__.startswith("flash_attn"):
        return kernel(*rows, *places, softmax_scale=scale, causal=True, window_size=seen)
    grouped = query.shape[1] != key.shape[1]
    return kernel(*rows, *places, scale=scale, window_size=seen, enable_gqa=grouped)


@dataclass(frozen=True)
class _Manner:
    """Settings of attention, as `attend` gets them."""

    scale: float
    dropout: float
    window: int | None
    softcap: float | None


def _attend_bucket(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bucket: Bucket,
    blocks: Tensor | None,
    manner: _Manner,
) -> Tensor:
    """The mixed values of one bucket's tokens, [tokens, H, D], from its own part of the row.

    `blocks`: of its grid, [N, L].
    """
    heads, width, window = query.shape[1], value.shape[-1], manner.window
    if window is not None and window >= bucket.longest:
        window = None
    short = bucket.longest <= LONGEST_EXPLICIT and query.dtype == torch.bfloat16
    grid = (_pad(query, bucket), _pad(key, bucket), _pad(value, bucket))
    if manner.softcap is not None or (short and query.device.type == "cpu"):
        cap = manner.softcap
        mixed = attend_explicit(*grid, manner.scale, manner.dropout, window, blocks, cap)
    else:
        mixed = attend_fused(*grid, manner.scale, manner.dropout, window, blocks)
    tokens = mixed.transpose(1, 2).reshape(-1, heads * width)
    if bucket.places is not None:
        tokens = tokens.index_select(0, bucket.places)
    return tokens.view(-1, heads, width)


def _pad_blocks(blocks: Tensor | None, bucket: Bucket) -> Tensor | None:
    """The bucket's part of the blocks of a row, as [N, L]."""
    if blocks is None:
        return None
    rows = blocks[bucket.start : bucket.stop]
    if bucket.places is not None:
        grid = rows.new_full((bucket.samples * bucket.longest,), -1)
        rows = grid.index_copy(0, bucket.places, rows)
    return rows.view(bucket.samples, bucket.longest)


def _pad(states: Tensor, bucket: Bucket) -> Tensor:
    """The bucket's part of the row, [1, H, tokens, D], as [N, H, L, D].

    What stands after a sample's end no query of it can see.
    """
    _, heads, _, width = states.shape
    rows = states[0].transpose(0, 1).reshape(-1, heads * width)
    if bucket.places is not None:
        grid = rows.new_zeros(bucket.samples * bucket.longest, heads * width)
        rows = grid.index_copy(0, bucket.places, rows)
    return rows.view(bucket.samples, bucket.longest, heads, width).transpose(1, 2)


def attend_fused(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scale: float,
    dropout: float,
    window: int | None,
    blocks: Tensor | None = None,
) -> Tensor:
    """Causal attention by torch's fused kernel.

    Args:
        query: [N, H, L, D].
        key: [N, K, L, D].
        value: [N, K, L, D].
        scale: by which products of query and key are multiplied.
        dropout: probability.
        window: how many tokens back each token sees, itself included; None for all.
        blocks: [N, L], as in `Packing`.

    Returns:
        [N, H, L, D].
    """
    mask = None
    if window is not None or blocks is not None:
        mask = _visible(query.shape[2], window, blocks, query.device)
    mixed: Tensor = F.scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=mask,
        dropout_p=dropout,
        is_causal=mask is None,
        scale=scale,
        enable_gqa=query.shape[1] != key.shape[1],
    )
    return mixed


def attend_explicit(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scale: float,
    dropout: float,
    window: int | None,
    blocks: Tensor | None = None,
    softcap: float | None = None,
) -> Tensor:
    """The same with the L x L scores written out.

    In bf16 on a CPU the fused kernel takes 2 to 8 times as long for samples this short. `softcap`:
    the scores are bent so that none is larger, which the fused kernel cannot do.
    """
    samples, heads, length, _ = query.shape
    repeats = heads // key.shape[1]
    key, value = (states.repeat_interleave(repeats, 1) for states in (key, value))
    query, key, value = (s.reshape(samples * heads, length, -1) for s in (query, key, value))
    seen = _visible(length, window, blocks, query.device)
    bias = torch.zeros_like(seen, dtype=query.dtype).masked_fill(~seen, float("-inf"))
    bias = bias.expand(samples, heads, -1, -1).reshape(samples * heads, length, length)
    if softcap is None:
        scores = torch.baddbmm(bias, query, key.transpose(1, 2), alpha=scale)
    else:
        scores = torch.tanh(torch.bmm(query, key.transpose(1, 2)) * (scale / softcap))
        scores = scores * softcap + bias
    weights = F.dropout(scores.softmax(-1).to(value.dtype), dropout)
    return torch.bmm(weights, value).view(samples, heads, length, -1)


def _visible(
    length: int, window: int | None, blocks: Tensor | None, device: torch.device
) -> Tensor:
    """[1 or N, 1, L, L], True where a query (row) sees a key (column): itself, up to window - 1
    tokens before, and all of its block."""
    distance = torch.arange(length, device=device)[:, None] - torch.arange(length, device=device)
    seen = (distance >= 0) & (distance < (length if window is None else window))
    if blocks is None:
        return seen[None, None]
    rows, columns = blocks[:, None, :, None], blocks[:, None, None, :]
    return seen | ((rows == columns) & (rows >= 0))
