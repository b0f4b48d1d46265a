"""Samples laid end to end in one row, with logits only where there is something to learn.

The row and the list of supervised tokens are filled up to a multiple of a few: a CPU's matrix
kernels are compiled for each shape they meet, which costs as much as the products themselves when
no two steps have the same. What fills them attends to nothing, is attended by nothing and is not
learnt.

Legend of shapes: T tokens (filled up), S supervised tokens, I places where an image stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ikusi.model.chat import Encoded
from ikusi.train.attention import Packing, packing

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


def encoded_sample(
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
    up]: the positions whose logits predict `targets` [S]. `pictures`: the distinct ones;
    `image_index` [I]: which of them stands at each place, in the order of the row.
    """

    input_ids: Tensor
    position_ids: Tensor
    packing: Packing
    sources: Tensor
    targets: Tensor
    pictures: tuple[Picture, ...]
    image_index: Tensor
    samples: tuple[EncodedSample, ...]

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        moved = ("input_ids", "position_ids", "packing", "sources", "targets", "image_index")
        return replace(self, **{name: getattr(self, name).to(device) for name in moved})


def collate(samples: Sequence[EncodedSample]) -> Batch:
    """Lay samples end to end, the longest first (like lengths side by side attend faster)."""
    ordered = sorted(samples, key=len, reverse=True)
    layout = packing([len(sample) for sample in ordered])
    starts = layout.offsets.tolist()
    ids = np.concatenate([sample.input_ids for sample in ordered]).astype(np.int64)
    positions = np.concatenate([np.arange(len(sample)) for sample in ordered])
    learned = np.concatenate(
        [sample.supervised + start for sample, start in zip(ordered, starts, strict=False)]
    ).astype(np.int64)
    ids, positions = (_filled(row, ROW_MULTIPLE, row[0]) for row in (ids, positions))
    sources = _filled(learned - 1, SUPERVISED_MULTIPLE, 0)
    shown = [sample.picture for sample in ordered for _ in range(sample.images) if sample.picture]
    distinct = {picture: place for place, picture in enumerate(dict.fromkeys(shown))}
    return Batch(
        input_ids=torch.from_numpy(ids)[None],
        position_ids=torch.from_numpy(positions)[None],
        packing=layout,
        sources=torch.from_numpy(sources),
        targets=torch.from_numpy(ids[learned]),
        pictures=tuple(distinct),
        image_index=torch.tensor([distinct[picture] for picture in shown], dtype=torch.long),
        samples=tuple(ordered),
    )


def _filled(values: npt.NDArray[np.int64], multiple: int, value: int) -> npt.NDArray[np.int64]:
    return np.pad(values, (0, -len(values) % multiple), constant_values=value)


def split(samples: Sequence[EncodedSample], most_tokens: int | None) -> list[list[EncodedSample]]:
    """Divide samples, in order, into parts of at most `most_tokens` tokens each.

    A single sample that is longer makes a part of its own. One part where there is no limit.
    """
    parts: list[list[EncodedSample]] = []
    tokens = 0
    for sample in samples:
        if not parts or (most_tokens is not None and tokens + len(sample) > most_tokens):
            parts.append([])
            tokens = 0
        parts[-1].append(sample)
        tokens += len(sample)
    return parts
