"""Samples laid end to end in one row, with logits only where there is something to learn.

The row and the list of supervised tokens are filled up to a multiple of a few: a CPU's matrix
kernels are compiled for each shape they meet, which costs as much as the products themselves when
no two steps have the same. What fills them attends to nothing, is attended by nothing and is not
learnt.

Legend of shapes: T tokens (filled up), S supervised tokens, I places where an image stands.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ikusi.model.chat import Encoded
from ikusi.train.attention import Packing, pack_lengths

Picture = tuple[int, str]
"""What names a picture in a mixture: the number of its corpus, and its id there."""


ROW_MULTIPLE, SUPERVISED_MULTIPLE = 64, 32


@dataclass(frozen=True)
class EncodedSample:
    """A sample as the arrays a batch is made of.

    `input_ids` int32 [tokens]. `supervised` int32: indices of the tokens to predict, never the
    first, which nothing precedes.
    """

    id: str
    language: str
    picture: Picture | None
    input_ids: npt.NDArray[np.int32]
    supervised: npt.NDArray[np.int32]
    images: int
    cut: int

    def __len__(self) -> int:
        return len(self.input_ids)


def make_sample(
    id: str, language: str, picture: Picture | None, encoded: Encoded, image_tokens: int
) -> EncodedSample:
    """An encoded conversation as arrays. `image_tokens`: features per image (0 without images)."""
    supervised = np.flatnonzero(np.asarray(encoded.supervised)).astype(np.int32)
    return EncodedSample(
        id=id,
        language=language,
        picture=picture,
        input_ids=np.asarray(encoded.input_ids, dtype=np.int32),
        supervised=supervised[supervised > 0],
        images=encoded.image_tokens // image_tokens if image_tokens else 0,
        cut=encoded.cut,
    )


@dataclass(frozen=True)
class Batch:
    """Samples end to end in one row.

    `input_ids`, `position_ids` [1, T]: positions start anew with each sample. `sources` [S, filled
    up]: the positions whose logits predict `targets` [S]. `images`: of the distinct pictures, the
    features [I, N, D] of a frozen encoder, or the pixels [I, 3, H, W]; None without pictures.
    `image_index` [P]: which of them stands at each of the P places, in the order of the row.
    `counted`: False for one that only keeps a process in step with the others; its loss is nothing.
    """

    input_ids: Tensor
    position_ids: Tensor
    packing: Packing
    sources: Tensor
    targets: Tensor
    images: Tensor | None
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
        parts = {name: getattr(self, name) for name in TENSORS}
        return replace(self, **{n: change(part) for n, part in parts.items() if part is not None})


TENSORS = ("input_ids", "position_ids", "packing", "sources", "targets", "images", "image_index")


def list_distinct_pictures(samples: Sequence[EncodedSample]) -> list[Picture]:
    """The pictures of samples, each once, in the order in which `collate` wants their images."""
    shown = (sample.picture for sample in _order(samples) if sample.images)
    return list(dict.fromkeys(picture for picture in shown if picture is not None))


def collate(
    samples: Sequence[EncodedSample], images: Tensor | None = None, counted: bool = True
) -> Batch:
    """Lay samples end to end, the longest first (like lengths side by side attend faster).

    Args:
        samples: what one process reads at once.
        images: pixels [I, 3, H, W] or features [I, N, D] of `list_distinct_pictures(samples)`.
        counted: False for a batch that only keeps this process in step; its loss is zero.
    """
    ordered = _order(samples)
    layout = pack_lengths([len(sample) for sample in ordered])
    starts = layout.offsets.tolist()
    ids = np.concatenate([sample.input_ids for sample in ordered]).astype(np.int64)
    positions = np.concatenate([np.arange(len(sample)) for sample in ordered])
    learned = np.concatenate(
        [sample.supervised + start for sample, start in zip(ordered, starts, strict=False)]
    ).astype(np.int64)
    ids, positions = (_fill(row, ROW_MULTIPLE, row[0]) for row in (ids, positions))
    sources = _fill(learned - 1, SUPERVISED_MULTIPLE, 0)
    places = {picture: place for place, picture in enumerate(list_distinct_pictures(samples))}
    shown = [sample.picture for sample in ordered for _ in range(sample.images) if sample.picture]
    return Batch(
        input_ids=torch.from_numpy(ids)[None],
        position_ids=torch.from_numpy(positions)[None],
        packing=layout,
        sources=torch.from_numpy(sources),
        targets=torch.from_numpy(ids[learned]),
        images=images,
        image_index=torch.tensor([places[picture] for picture in shown], dtype=torch.long),
        samples=tuple(ordered),
        counted=counted,
    )


def _order(samples: Sequence[EncodedSample]) -> list[EncodedSample]:
    return sorted(samples, key=len, reverse=True)


def _fill(values: npt.NDArray[np.int64], multiple: int, value: int) -> npt.NDArray[np.int64]:
    return np.pad(values, (0, -len(values) % multiple), constant_values=value)


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
