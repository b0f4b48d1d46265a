"""Samples laid end to end in one row, with logits only where there is something to learn.

The row and the list of supervised tokens are filled up to a multiple of a few: a CPU's matrix
kernels are compiled for each shape they meet, which costs as much as the products themselves when
no two steps have the same. What fills them attends to nothing, is attended by nothing and is not
learnt.

Legend of shapes: T tokens (filled up), S supervised tokens, I distinct pictures, P image tokens of
all pictures, A axes of positions where there are several.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ikusi.model.chat import Encoded
from ikusi.model.families.base import Shown
from ikusi.train.attention import Packing, pack_lengths

Picture = tuple[int, str]
"""What names a picture in a mixture: the number of its corpus, and its id there."""


ROW_MULTIPLE, SUPERVISED_MULTIPLE = 64, 32


@dataclass(frozen=True)
class EncodedSample:
    """A sample as the arrays a batch is made of.

    `input_ids` int32 [tokens]. `supervised` int32: indices of the tokens to predict, never the
    first, which nothing precedes. `shown`: what stands for its picture, `images` times.
    """

    id: str
    language: str
    picture: Picture | None
    input_ids: npt.NDArray[np.int32]
    supervised: npt.NDArray[np.int32]
    images: int
    cut: int
    shown: Shown | None = None

    def __len__(self) -> int:
        return len(self.input_ids)


def make_sample(
    id: str,
    language: str,
    picture: Picture | None,
    encoded: Encoded,
    images: int = 0,
    shown: Shown | None = None,
) -> EncodedSample:
    """An encoded conversation as arrays. `images`: places in it where its picture stands."""
    supervised = np.flatnonzero(np.asarray(encoded.supervised)).astype(np.int32)
    return EncodedSample(
        id=id,
        language=language,
        picture=picture,
        input_ids=np.asarray(encoded.input_ids, dtype=np.int32),
        supervised=supervised[supervised > 0],
        images=images,
        cut=encoded.cut,
        shown=shown,
    )


class Layout(Protocol):
    """Positions of tokens, and which see each other; `ikusi.model.sight.Sight` is a layout."""

    def compute_positions(self, ids: Tensor, shown: Sequence[Shown], /) -> Tensor:
        """Positions of a sample's tokens, [tokens] or [A, tokens]."""

    def find_blocks(self, ids: Tensor, learned: Sequence[int], /) -> Tensor | None:
        """Number the blocks of its tokens that see each other, [tokens]; None for none."""


@dataclass(frozen=True)
class Batch:
    """Samples end to end in one row.

    `input_ids` [1, T]. `position_ids` [1, T] or [A, 1, T]: they start anew with each sample.
    `sources` [S, filled up]: the positions whose logits predict `targets` [S]. `images`: what the
    vision part is given of the distinct pictures, as `Sight.prepare` makes it; for a LLaVA pixels
    [I, 3, H, W], or the features [I, N, D] of a frozen encoder, or none. `image_index` [P]: which
    of the features of all distinct pictures each image token stands for, in the order of the row.
    `counted`: False for one that only keeps a process in step with the others; its loss is nothing.
    """

    input_ids: Tensor
    position_ids: Tensor
    packing: Packing
    sources: Tensor
    targets: Tensor
    images: Any
    image_index: Tensor
    samples: tuple[EncodedSample, ...]
    counted: bool = True

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        return self._with(lambda part: part.to(device, non_blocking=True))

    def pin_memory(self) -> Batch:
        """The same in memory that a GPU copies from without waiting."""
        return self._with(lambda part: part.pin_memory())

    def _with(self, change: Callable[[Any], Any]) -> Batch:
        changed: dict[str, Any] = {}
        for name in TENSORS:
            part = getattr(self, name)
            if isinstance(part, dict):
                changed[name] = {key: change(value) for key, value in part.items()}
            elif part is not None:
                changed[name] = change(part)
        return replace(self, **changed)


TENSORS = ("input_ids", "position_ids", "packing", "sources", "targets", "images", "image_index")


def list_distinct_pictures(samples: Sequence[EncodedSample]) -> list[Picture]:
    """The pictures of samples, each once, in the order in which `collate` wants their images."""
    shown = (sample.picture for sample in _order(samples) if sample.images)
    return list(dict.fromkeys(picture for picture in shown if picture is not None))


def collate(
    samples: Sequence[EncodedSample],
    images: Any = None,
    counted: bool = True,
    layout: Layout | None = None,
) -> Batch:
    """Lay samples end to end, the longest first (like lengths side by side attend faster).

    Args:
        samples: what one process reads at once.
        images: of `list_distinct_pictures(samples)`, as in `Batch`.
        counted: False for a batch that only keeps this process in step; its loss is zero.
        layout: where tokens stand and which see each other; by default they stand one after the
            other, and each sees those before it.
    """
    ordered = _order(samples)
    packing = pack_lengths([len(sample) for sample in ordered], _lay_blocks(ordered, layout))
    starts = packing.offsets.tolist()
    ids = np.concatenate([sample.input_ids for sample in ordered]).astype(np.int64)
    learned = np.concatenate(
        [sample.supervised + start for sample, start in zip(ordered, starts, strict=False)]
    ).astype(np.int64)
    ids = _fill(ids, ROW_MULTIPLE, ids[learned[0]])  # never a token of a picture
    sources = _fill(learned - 1, SUPERVISED_MULTIPLE, 0)
    return Batch(
        input_ids=torch.from_numpy(ids)[None],
        position_ids=_lay_positions(ordered, layout),
        packing=packing,
        sources=torch.from_numpy(sources),
        targets=torch.from_numpy(ids[learned]),
        images=images,
        image_index=_index_features(ordered),
        samples=tuple(ordered),
        counted=counted,
    )


def _lay_positions(ordered: Sequence[EncodedSample], layout: Layout | None) -> Tensor:
    """Positions of a row, [1, T] or [A, 1, T]."""
    if layout is None:
        rows = [np.arange(len(sample)) for sample in ordered]
    else:
        rows = [
            layout.compute_positions(_ids(sample), _list_shown(sample)).numpy()
            for sample in ordered
        ]
    joined = np.concatenate(rows, axis=-1)
    filled = _fill(joined, ROW_MULTIPLE, 0)
    return (
        torch.from_numpy(filled)[..., None, :]
        if filled.ndim > 1
        else torch.from_numpy(filled)[None]
    )


def _lay_blocks(ordered: Sequence[EncodedSample], layout: Layout | None) -> Tensor | None:
    """Blocks of a row's tokens that see each other, as `Packing` wants them; None where none do."""
    if layout is None:
        return None
    blocks = [layout.find_blocks(_ids(one), one.supervised.tolist()) for one in ordered]
    if all(block is None for block in blocks):
        return None
    return torch.cat(
        [
            torch.full((len(sample),), -1) if block is None else block
            for sample, block in zip(ordered, blocks, strict=True)
        ]
    )


def _index_features(ordered: Sequence[EncodedSample]) -> Tensor:
    """Index of the feature that each image token of a row stands for [P], among all pictures'."""
    counts = {one.picture: one.shown.features for one in ordered if one.images and one.shown}
    starts, total = {}, 0
    for picture, count in counts.items():
        starts[picture], total = total, total + count
    runs = [
        torch.arange(counts[sample.picture]) + starts[sample.picture]
        for sample in ordered
        for _ in range(sample.images)
    ]
    return torch.cat(runs) if runs else torch.zeros(0, dtype=torch.long)


def _list_shown(sample: EncodedSample) -> list[Shown]:
    return [sample.shown] * sample.images if sample.shown else []


def _ids(sample: EncodedSample) -> Tensor:
    return torch.from_numpy(sample.input_ids).long()


def _order(samples: Sequence[EncodedSample]) -> list[EncodedSample]:
    return sorted(samples, key=len, reverse=True)


def _fill(values: npt.NDArray[np.int64], multiple: int, value: int) -> npt.NDArray[np.int64]:
    """`values` with `value` after them along the last axis, so that there is a multiple of some."""
    widths = [(0, 0)] * (values.ndim - 1) + [(0, -values.shape[-1] % multiple)]
    return np.pad(values, widths, constant_values=value)


def divide(
    lengths: Sequence[int], processes: int, most_tokens: int | None
) -> list[list[list[int]]]:
    """Share the samples of one optimiser step among processes, and cut each share into parts.

    Every process gets as many parts as any other, because where weights are sharded the processes
    must meet at every layer; and parts are about equally long, because the longest is waited for.
    Where samples are too few some parts are empty. A part has at most `most_tokens` tokens, unless
    a single sample has more.

    Returns:
        Positions in `lengths`: one list per process, of its parts, each in rising order.

    >>> divide([5, 9, 4, 2, 3], processes=2, most_tokens=8)
    [[[1], [2]], [[0], [3, 4]]]
    """
    most = sum(lengths) if most_tokens is None else max(most_tokens, *lengths)
    parts = max(1, -(-sum(lengths) // (processes * most)))
    while True:
        cells = _level(lengths, processes * parts)
        if all(sum(lengths[i] for i in cell) <= most for cell in cells) or parts >= len(lengths):
            return [cells[process::processes] for process in range(processes)]
        parts += 1


def _level(lengths: Sequence[int], count: int) -> list[list[int]]:
    """Positions in `count` groups whose sums are near each other: the longest first, each to the
    group that has least."""
    if count == 1:
        return [list(range(len(lengths)))]
    heap = [(0, group) for group in range(count)]
    groups: list[list[int]] = [[] for _ in range(count)]
    for place in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        held, group = heapq.heappop(heap)
        groups[group].append(place)
        heapq.heappush(heap, (held + lengths[place], group))
    return [sorted(group) for group in groups]
