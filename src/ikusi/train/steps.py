"""Samples of each step of a stage, and the samples as tokens."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image
from torch.utils.data import Dataset

from ikusi import artifact
from ikusi.errors import InputError
from ikusi.model import chat, families
from ikusi.model.families.base import Shown
from ikusi.model.fitness import Fitness
from ikusi.model.sight import Sight
from ikusi.train.batches import (
    Batch,
    EncodedSample,
    Picture,
    collate,
    divide,
    list_distinct_pictures,
    make_sample,
)
from ikusi.train.progress import Counts

MOST_KEPT = 200_000  # encoded samples; beyond it each pass encodes anew
MOST_COUNTED = 64  # samples whose pictures are taken for those of all
READ_AT_ONCE = 4096  # samples that are looked through
MOST_SHOWN = 5  # of the rows that cannot be trained on; all stand in a file


class Sample(Protocol):
    """A row as `ikusi.data.mixture` gives it; `corpus.image(image_id)` opens its picture."""

    @property
    def id(self) -> str:
        """Its name in errors."""

    @property
    def language(self) -> str:
        """Code of the language it is in."""

    @property
    def corpus(self) -> Any:
        """The corpus that holds its picture."""

    @property
    def image_id(self) -> str | None:
        """Its picture, or none."""

    @property
    def messages(self) -> Sequence[Mapping[str, Any]]:
        """Its conversation, as `ikusi.model.chat` takes it."""


class Samples(Protocol):
    """The samples that a stage trains on; `ikusi.data.mixture.Mixture` is one."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Sample: ...

    def take(self, indices: Sequence[int], /) -> Sequence[Sample]:
        """Several samples in this order."""

    def image_id(self, index: int) -> tuple[int, str | None]:
        """Number of the corpus and the picture of a sample, without reading its text."""

    def order(self, epoch: int) -> Sequence[int] | np.ndarray:
        """The order of one pass: a permutation of all samples."""


class Encoder:
    """Turns samples into tokens and pictures into pixels, for one model.

    `processor` is the model's own, or the tokenizer of a bare LLM, which takes no pictures.

    Attributes:
        sight: how the model sees; None for a bare LLM.
    """

    def __init__(self, samples: Samples, model: Any, processor: Any, max_length: int) -> None:
        self._samples, self._max_length = samples, max_length
        sees = families.find_of(model) is not None
        self.sight = Sight(model, processor) if sees else None
        self.tokenizer = self.sight.tokenizer if self.sight else processor
        self._image_token_id = self.sight.placeholder_id if self.sight else None
        self._first: dict[Picture, int] = {}

    def encode(self, indices: Sequence[int]) -> list[EncodedSample]:
        """The samples of these numbers. Raises InputError naming the first row at fault."""
        return list(map(self._encode, indices, self._samples.take(indices)))

    def _encode(self, index: int, sample: Sample) -> EncodedSample:
        if problem := self._find_unseen(sample):
            raise InputError(f"{sample.id}: {problem}")
        shown, count = self._show(sample), chat.count_images(sample.messages)
        encoded = chat.encode(
            self.tokenizer,
            sample.messages,
            [shown.ids] * count if shown else 0,
            self._image_token_id,
            self._max_length,
            row=sample.id,
        )
        picture = self._picture(index)
        return make_sample(sample.id, sample.language, picture, encoded, count, shown)

    def faults(self, indices: Sequence[int]) -> Iterator[tuple[str, str]]:
        """Id of each sample that `encode` would refuse, and why; few are encoded to know."""
        fitness = Fitness(self.tokenizer, self._image_token_id, self._max_length)
        windows = (indices[n : n + READ_AT_ONCE] for n in range(0, len(indices), READ_AT_ONCE))
        for sample in chain.from_iterable(map(self._samples.take, windows)):
            problem = self._find_unseen(sample)
            if not problem:
                shown = self._show(sample)
                problem = fitness.fault(sample.messages, shown.ids if shown else ())
            if problem:
                yield sample.id, problem

    def _find_unseen(self, sample: Sample) -> str | None:
        if self.sight and self.sight.family.alone and chat.count_images(sample.messages) > 1:
            return f"expected one picture in a row for {self.sight.family.name}, found several"
        if sample.image_id is None or self.sight:
            return None
        return "expected text alone to train a bare LLM, found a picture"

    def _show(self, sample: Sample) -> Shown | None:
        """The tokens that stand for a sample's picture; None where it has none."""
        if self.sight is None or sample.image_id is None:
            return None
        sized = self.sight.family.sized
        return self.sight.show(sample.corpus.image_size(sample.image_id) if sized else None)

    def pixels(self, pictures: Sequence[Picture]) -> Any:
        """Inputs of the model's vision part for these pictures, as `Batch.images` holds them."""
        if self.sight is None:
            return None
        return self.sight.prepare([self._open(picture) for picture in pictures])

    def _open(self, picture: Picture) -> Image.Image:
        """A picture, as large as its table says: its tokens were counted by that."""
        corpus, image_id = self._samples[self._first[picture]].corpus, picture[1]
        image: Image.Image = corpus.image(image_id)
        if self.sight and self.sight.family.sized:
            width, height = corpus.image_size(image_id)
            if image.size != (width, height):
                actual = f"{image.width}x{image.height}"
                raise InputError(
                    f"{corpus.folder}: image {image_id}: expected {width}x{height} pixels, as its "
                    f"table says, found {actual}"
                )
        return image

    def count_image_tokens(self) -> tuple[int, float]:
        """Tokens of a picture, on average over the first ones, and places that the encoder sees."""
        if self.sight is None:
            return 0, 0.0
        first = self._samples.take(range(min(len(self._samples), MOST_COUNTED)))
        shown = [one for one in map(self._show, first) if one] or [self.sight.show(None)]
        tokens = round(sum(one.features for one in shown) / len(shown))
        pictured = next((one for one in first if one.image_id is not None), None)
        sized = self.sight.family.sized
        size = pictured.corpus.image_size(pictured.image_id) if pictured and sized else None
        return tokens, tokens * self.sight.count_patches(size) / self.sight.show(size).features

    def _picture(self, index: int) -> Picture | None:
        number, image_id = self._samples.image_id(index)
        if image_id is None:
            return None
        self._first.setdefault((number, image_id), index)
        return number, image_id


@dataclass(frozen=True)
class Portion:
    """The work of one process in one optimiser step, and of all of them together.

    `parts`: its batches, one forward pass each, as many as every other process has. Of all
    processes: `supervised` tokens, `counts`, `ids` of the samples, and how many tokens each has
    (`lengths`).
    """

    parts: list[Batch]
    supervised: int
    counts: Counts
    ids: tuple[str, ...]
    lengths: tuple[int, ...]

    def pin_memory(self) -> Portion:
        """The same in memory that a GPU copies from without waiting."""
        return replace(self, parts=[part.pin_memory() for part in self.parts])


Images = Callable[[Sequence[Picture]], Any]
"""Distinct pictures -> their pixels, or the features [I, N, D] of a LLaVA's frozen encoder."""


class Steps(Dataset["Portion | InputError"]):
    """Step i of a stage -> what this process computes in it.

    The passes run on from one another, each in its own order; `epochs` may be a fraction. The last
    step takes what is left. Any step can be asked for at once, so resuming costs nothing. Every
    process reads the text of all of a step's samples, so that nothing need be agreed upon, but
    opens only its own pictures. A row that cannot be used is the InputError itself: raised in a
    process that reads ahead, it would lose its one line.
    """

    def __init__(
        self,
        samples: Samples,
        encoder: Encoder,
        *,
        batch_size: int,
        epochs: float,
        max_steps: int | None = None,
        images: Images | None = None,
        most_tokens: int | None = None,
        process: int = 0,
        processes: int = 1,
    ) -> None:
        self._samples, self._encoder, self._size = samples, encoder, batch_size
        self.rows = round(epochs * len(samples))
        if max_steps is not None:
            self.rows = min(self.rows, max_steps * batch_size)
        if not self.rows:
            raise InputError(f"expected rows to train on, found {epochs} x {len(samples)}")
        self._images, self._most_tokens = images or encoder.pixels, most_tokens
        self._process, self._processes = process, processes
        self._keep = self.rows > len(samples) and len(samples) <= MOST_KEPT
        self._encoded: dict[int, EncodedSample] = {}
        self._order: tuple[int, Sequence[int] | np.ndarray] = (-1, [])

    def __len__(self) -> int:
        return -(-self.rows // self._size)

    def __getitem__(self, step: int) -> Portion | InputError:
        try:
            samples = self.samples(step)
            parts = self._parts(samples)
        except InputError as error:
            return error
        counts = Counts()
        counts.add(samples)
        lengths = tuple(map(len, samples))
        ids = tuple(sample.id for sample in samples)
        return Portion(parts, counts.supervised_tokens, counts, ids, lengths)

    def check(self, refused: Path) -> None:
        """Look through all samples that will be trained on, before any is.

        Raises:
            InputError: some cannot be; the message has the first of them, and `refused` then holds
                all, as lines of JSON with `id` and `reason`.
        """
        places = range(min(self.rows, len(self._samples)))
        faults = list(self._encoder.faults(sorted(map(self._index, places))))
        refused.unlink(missing_ok=True)
        if not faults:
            return
        lines = (json.dumps({"id": id, "reason": reason}) + "\n" for id, reason in faults)
        artifact.write_text(refused, "".join(lines))
        first = "; ".join(f"{id}: {reason}" for id, reason in faults[:MOST_SHOWN])
        more = f"; and {len(faults) - MOST_SHOWN:,} more" if len(faults) > MOST_SHOWN else ""
        raise InputError(
            f"expected {len(places):,} rows to train on, found {len(faults):,} that this tokenizer "
            f"cannot take (all are in {refused}): {first}{more}"
        )

    def samples(self, step: int) -> list[EncodedSample]:
        """All samples of a step, in order."""
        last = min((step + 1) * self._size, self.rows)
        indices = [self._index(place) for place in range(step * self._size, last)]
        new = [index for index in dict.fromkeys(indices) if index not in self._encoded]
        encoded = self._encoded if self._keep else {}
        encoded.update(zip(new, self._encoder.encode(new), strict=True))
        return [encoded[index] for index in indices]

    def _parts(self, samples: Sequence[EncodedSample]) -> list[Batch]:
        lengths = [len(sample) for sample in samples]
        shares = divide(lengths, self._processes, self._most_tokens)
        # Where samples are too few for all, the shortest is computed again and counts nothing.
        shortest = min(samples, key=len)
        return [
            self._batch([samples[place] for place in cell], counted=True)
            if cell
            else self._batch([shortest], counted=False)
            for cell in shares[self._process]
        ]

    def _batch(self, samples: Sequence[EncodedSample], *, counted: bool) -> Batch:
        pictures = list_distinct_pictures(samples)
        # Only an encoder knows what to look at where there is no picture.
        images = (self._images if pictures else self._encoder.pixels)(pictures)
        return collate(samples, images, counted, self._encoder.sight)

    def _index(self, place: int) -> int:
        epoch, within = divmod(place, len(self._samples))
        if self._order[0] != epoch:
            self._order = (epoch, self._samples.order(epoch))
        return int(self._order[1][within])
