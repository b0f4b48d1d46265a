"""Prompts that begin alike are read once.

All questions about one picture, in every benchmark and both languages, begin with the same tokens
up to the last image token, and all questions after the same few-shots with these. That beginning
is by far the longest part of a prompt, so its keys and values are computed once and every question
goes on from a copy. The result is that of reading each prompt alone: nothing here is approximate.

Legend of shapes: N rows, S tokens read so far, L new tokens, V vocabulary, P picture features.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import Cache, DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from ikusi.answer.cache import PLAIN, LastLayer, Read, make_cache, select
from ikusi.answer.grouped import use_grouped_attention

SEEN, UNSEEN = -1, -2
LINE = 8
"""Most questions side by side: each pays for the columns of the others, which it does not see."""

LOGITS_HELD = 2**28
"""Logits of a batch held at once: 1 GiB in fp32."""


@dataclass(frozen=True)
class Prompt:
    """A prompt: token ids with image runs expanded, and its pictures' keys.

    ``shared``: how many tokens, from the first, prompts of the same pictures may have in common;
    all image tokens are among them.
    """

    ids: tuple[int, ...]
    pictures: tuple[str, ...] = ()
    shared: int = 0

    @property
    def beginning(self) -> "Beginning":
        """The tokens that are read once for all prompts that begin with them."""
        return self.pictures, self.ids[: self.shared]


Beginning = tuple[tuple[str, ...], tuple[int, ...]]


@dataclass
class State:
    """A batch of conversations read up to a point.

    ``mask`` [N, S] is True at tokens and False at padding; ``logits`` [N, V] are those of the
    next token, in fp32.
    """

    cache: Cache
    mask: Tensor
    logits: Tensor

    def select(self, rows: Tensor, room: int) -> "State":
        """Return the rows numbered in ``rows`` [M], repeats allowed, as a copy.

        It has ``room`` for so many more tokens: reading them copies none of those before.
        """
        return State(select(self.cache, rows, room), self.mask[rows], self.logits[rows])


@dataclass
class Lines:
    """Several questions after each of some beginnings, side by side, read up to a point.

    ``owner`` [N, S] says whose each token is: ``SEEN`` by all, ``UNSEEN`` by any, or the question's
    place in its line. ``positions`` [N, Q] are those of the questions' last tokens, ``logits``
    [N, Q, V] those of their next ones, in fp32.
    """

    cache: Cache
    owner: Tensor
    positions: Tensor
    logits: Tensor

    def select(self, rows: Tensor, room: int) -> "Lines":
        """Return the lines numbered in ``rows`` [M] as a copy, for ``room`` more tokens of each."""
        chosen = select(self.cache, rows, room * self.positions.shape[1])
        return Lines(chosen, self.owner[rows], self.positions[rows], self.logits[rows])

    def read(self, model: PreTrainedModel, ids: Tensor, going: Tensor) -> None:
        """Read a token [N, Q] of every question; those that are not ``going`` [N, Q] are over."""
        questions = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
        self._read(model, ids, torch.where(going, questions, UNSEEN), self.positions + 1, 0)
        self.positions = self.positions + 1

    def _read(
        self, model: PreTrainedModel, ids: Tensor, owner: Tensor, positions: Tensor, keep: Any
    ) -> None:
        """Read tokens [N, L] of known owners; each sees what is seen by all, and its own before."""
        before, length = self.owner.shape[1], ids.shape[1]
        self.owner = torch.cat([self.owner, owner], dim=1)
        sees = (self.owner == SEEN).unsqueeze(1) | (self.owner.unsqueeze(1) == owner.unsqueeze(2))
        sees = sees & (owner != UNSEEN).unsqueeze(2)
        new = torch.ones(length, length, dtype=torch.bool, device=ids.device)
        sees[:, :, before:] &= new.tril()
        sees[:, :, before:] |= torch.eye(length, dtype=torch.bool, device=ids.device)
        places = positions.clamp(min=0)
        mask = make_bias(sees, model.dtype)
        self.logits = forward(model, self.cache, mask, ids, keep=keep, positions=places)


class SharedPrefix:
    """A group of prompts and the keys and values of their distinct beginnings.

    ``features`` maps a picture's key to its projected features [P, hidden]. All prompts of a group
    must share the same number of tokens, as ``group_prompts`` arranges.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        prompts: Sequence[Prompt],
        features: Mapping[str, Tensor],
        image_token_id: int | None,
        batch_size: int,
    ) -> None:
        self.model, self.prompts, self.batch_size = model, prompts, batch_size
        self._cut = prompts[0].shared
        beginnings: dict[Beginning, int] = {}
        self._place = [
            beginnings.setdefault(prompt.beginning, len(beginnings)) for prompt in prompts
        ]
        self._cache: Cache | None = None
        if self._cut:
            self._cache = _read_beginnings(model, list(beginnings), features, image_token_id)

    def batches(
        self, rows: Sequence[int], more: Mapping[int, int] | None = None, room: int = 0
    ) -> Iterator[tuple[list[int], State]]:
        """Yield the numbered prompts in batches of like length, each read to its end.

        ``more``: how many tokens of each row are read, and their logits held, after its prompt;
        ``room``: for how many tokens there is to be room besides.
        """
        more = more or {}
        order = sorted(rows, key=lambda row: (len(self.prompts[row].ids), more.get(row, 1)))
        most = max(1, LOGITS_HELD // int(self.model.config.get_text_config().vocab_size))
        batch: list[int] = []
        width = 0
        for row in order:
            wider = max(width, more.get(row, 1))
            if batch and (len(batch) == self.batch_size or (len(batch) + 1) * wider > most):
                yield batch, self._read(batch, width + room)
                batch, wider = [], more.get(row, 1)
            batch.append(row)
            width = wider
        if batch:
            yield batch, self._read(batch, width + room)

    @property
    def plain(self) -> bool:
        """Whether every layer sees all tokens, by kernels that take a mask for each token."""
        layers = (
            self._cache.layers if self._cache else DynamicCache(config=self.model.config).layers
        )
        kernel = self.model.config.get_text_config()._attn_implementation
        return all(type(one) in PLAIN for one in layers) and kernel in ("sdpa", "eager")

    def lines(self, rows: Sequence[int], room: int) -> Iterator[tuple[list[list[int]], Lines]]:
        """Yield the numbered prompts in batches, those of one beginning together in lines.

        A batch holds ``batch_size`` questions at most, but for a line that has more; there is room
        for ``room`` more tokens of each.
        """
        own: dict[int, list[int]] = {}
        for row in sorted(rows, key=lambda row: len(self.prompts[row].ids)):
            own.setdefault(self._place[row], []).append(row)
        cut = [
            line[start : start + LINE]
            for line in own.values()
            for start in range(0, len(line), LINE)
        ]
        cut.sort(key=lambda line: (len(line), len(self.prompts[line[-1]].ids)))
        vocabulary = int(self.model.config.get_text_config().vocab_size)
        most = min(self.batch_size, LOGITS_HELD // vocabulary)
        batch: list[list[int]] = []
        for line in cut:  # the longest of a batch comes last, and all are held as wide
            if batch and (len(batch) + 1) * len(line) > most:
                yield batch, self._read_lines(batch, room)
                batch = []
            batch.append(line)
        if batch:
            yield batch, self._read_lines(batch, room)

    def _read_lines(self, lines: Sequence[Sequence[int]], room: int) -> Lines:
        """Read the endings of each line's prompts side by side, each as wide as the widest."""
        device, count = self.model.device, max(map(len, lines))
        ends = [[self.prompts[row].ids[self._cut :] for row in line] for line in lines]
        width = max(len(end) for line in ends for end in line)
        padded = [end for line in ends for end in [*line, *[()] * (count - len(line))]]
        ids, mask = pad(padded, left=True, device=device, width=width)
        positions = (self._cut + mask.cumsum(dim=1) - 1).view(len(lines), count * width)
        questions = torch.arange(count, device=device).repeat_interleave(width)
        mask = mask.view(len(lines), count * width)
        owner = torch.where(mask, questions, UNSEEN)
        cache = self._read_beginning([line[0] for line in lines], (width + room) * count)
        seen = torch.full((len(lines), self._cut), SEEN, device=device)
        last = torch.arange(1, count + 1, device=device) * width - 1
        state = Lines(cache, seen, positions[:, last], torch.empty(0))
        state._read(self.model, ids.view(len(lines), count * width), owner, positions, last)
        return state

    def _read(self, rows: Sequence[int], room: int) -> State:
        device = self.model.device
        endings = [self.prompts[row].ids[self._cut :] for row in rows]
        ids, mask = pad(endings, left=True, device=device)
        cache = self._read_beginning(rows, ids.shape[1] + room)
        mask = torch.cat([mask.new_ones(len(rows), self._cut), mask], dim=1)
        return State(cache, mask, forward(self.model, cache, mask, ids, keep=1)[:, -1])

    def _read_beginning(self, rows: Sequence[int], room: int) -> Cache:
        """The cache of the numbered prompts' beginnings, with room for more tokens in each row."""
        if self._cache is None:
            return make_cache(self.model, room)
        places = torch.tensor([self._place[row] for row in rows], device=self.model.device)
        return select(self._cache, places, room)


def group_prompts(prompts: Sequence[Prompt], batch_size: int) -> list[list[int]]:
    """Split prompt numbers into groups that share as many tokens, of ``batch_size`` beginnings.

    Prompts of one beginning should stand near each other; their order is kept.
    """
    by_cut: dict[int, list[int]] = {}
    for row, prompt in enumerate(prompts):
        by_cut.setdefault(prompt.shared, []).append(row)
    groups: list[list[int]] = []
    for _, rows in sorted(by_cut.items()):
        seen: set[Beginning] = set()
        groups.append([])
        for row in rows:
            beginning = prompts[row].beginning
            if beginning not in seen and len(seen) == batch_size:
                seen.clear()
                groups.append([])
            seen.add(beginning)
            groups[-1].append(row)
    return groups


def make_bias(sees: Tensor, dtype: torch.dtype) -> Tensor:
    """The mask [N, 1, L, S] that lets each of L tokens attend to what ``sees`` [N, L, S] has."""
    nothing = torch.zeros(sees.shape, dtype=dtype, device=sees.device)
    return nothing.masked_fill(~sees, torch.finfo(dtype).min).unsqueeze(1)


def forward(
    model: PreTrainedModel,
    cache: Cache,
    mask: Tensor,
    ids: Tensor | None = None,
    embeddings: Tensor | None = None,
    keep: int | Tensor = 0,
    positions: Tensor | None = None,
) -> Tensor:
    """Read L more tokens and return the logits [N, keep or L, V] in fp32; ``cache`` grows.

    ``keep``: for how many of the last tokens logits are wanted, 0 for all; or for which.

    ``mask`` [N, S + L] covers old and new tokens; or it says for each new token which tokens it
    sees [N, 1, L, S + L], 0 or minus infinity, and ``positions`` [N, L] are given. Else positions
    count tokens and skip padding, so padding never moves a token.
    """
    if positions is None:
        length = mask.shape[1] - cache.get_seq_length()
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, -length:]
        mask = mask.long()
    with use_grouped_attention(model):
        output = model(
            input_ids=ids,
            inputs_embeds=embeddings,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=keep,
        )
    logits: Tensor = output.logits
    return logits.float()


def pad(
    sequences: Sequence[Sequence[int]], left: bool, device: torch.device, width: int = 0
) -> tuple[Tensor, Tensor]:
    """Return the sequences as ids [N, L], padded with 0 on one side, and their mask [N, L]."""
    width = max(width, *map(len, sequences))
    ids = torch.zeros(len(sequences), width, dtype=torch.long)
    mask = torch.zeros(len(sequences), width, dtype=torch.bool)
    for row, sequence in enumerate(sequences):
        place = slice(width - len(sequence), width) if left else slice(0, len(sequence))
        ids[row, place] = torch.tensor(sequence, dtype=torch.long)
        mask[row, place] = True
    return ids.to(device), mask.to(device)


def _read_beginnings(
    model: PreTrainedModel,
    beginnings: Sequence[Beginning],
    features: Mapping[str, Tensor],
    image_token_id: int | None,
) -> Cache:
    ids = torch.tensor([tokens for _, tokens in beginnings], device=model.device)
    embeddings = model.get_input_embeddings()(ids)
    places = torch.eq(ids, image_token_id if image_token_id is not None else -1)
    seen = [features[key] for pictures, _ in beginnings for key in pictures]
    count = sum(map(len, seen))
    if int(places.sum()) != count:
        raise ValueError(f"expected {count} image tokens, found {int(places.sum())}")
    if seen:
        embeddings[places] = torch.cat(seen).to(embeddings)
    return _keys_and_values(model, embeddings)


def _keys_and_values(model: PreTrainedModel, embeddings: Tensor) -> Cache:
    """Read rows [N, S, hidden] for what later tokens need of them, which is not their output."""
    cache = DynamicCache(config=model.config)
    if type(cache.layers[-1]) is DynamicLayer:
        cache.layers[-1] = LastLayer()
    mask = torch.ones(embeddings.shape[:2], dtype=torch.bool, device=embeddings.device)
    with suppress(Read):
        forward(model, cache, mask, embeddings=embeddings, keep=1)
    return cache
