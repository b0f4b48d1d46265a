"""Prompts that begin alike are read once.

All questions about one picture, in every benchmark and both languages, begin with the same tokens
up to the last image token. That beginning is by far the longest part of a prompt, so its keys and
values are computed once per picture and every question goes on from a copy. The result is that of
reading each prompt alone: nothing here is approximate.

Legend of shapes: N rows, S tokens read so far, L new tokens, V vocabulary, P picture features.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import Cache, DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer


@dataclass(frozen=True)
class Prompt:
    """What is put to the model: token ids with the image run expanded, and its picture's key."""

    ids: tuple[int, ...]
    picture: str | None = None


@dataclass
class State:
    """A batch of conversations read up to a point.

    ``mask`` [N, S] is True at tokens and False at padding; ``logits`` [N, V] are those of the
    next token, in fp32.
    """

    cache: Cache
    mask: Tensor
    logits: Tensor

    def select(self, rows: Tensor) -> "State":
        """Return the state of the rows numbered in ``rows`` [M], repeats allowed, as a copy."""
        return State(_select(self.cache, rows), self.mask[rows], self.logits[rows])

    def make_room(self, tokens: int) -> None:
        """Prepare for ``tokens`` more tokens, so that reading one copies none of those before."""
        self.cache.layers = [
            _RoomyLayer(layer, tokens) if type(layer) is DynamicLayer else layer
            for layer in self.cache.layers
        ]


class _RoomyLayer(DynamicLayer):
    """Keys and values of one layer in buffers that have room to grow in place.

    The stock layer concatenates, which copies everything read so far at every step.
    """

    def __init__(self, layer: DynamicLayer, room: int) -> None:
        super().__init__()
        self.lazy_initialization(layer.keys, layer.values)
        self.is_initialized = True
        self._buffers = [_with_room(layer.keys, room), _with_room(layer.values, room)]
        self._show(layer.keys.shape[-2])

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        start = self.get_seq_length()
        end = start + key_states.shape[-2]
        for buffer, states in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[:, :, start:end] = states
        self._show(end)
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        self._buffers = [buffer[indices] for buffer in self._buffers]
        self._show(self.get_seq_length())

    def _show(self, length: int) -> None:
        self.keys, self.values = (buffer[:, :, :length] for buffer in self._buffers)


def _with_room(states: Tensor, room: int) -> Tensor:
    rows, heads, length, size = states.shape
    buffer = states.new_empty(rows, heads, length + room, size)
    buffer[:, :, :length] = states
    return buffer


class SharedPrefix:
    """A group of prompts and the keys and values of their distinct beginnings.

    ``features`` maps a picture's key to its projected features [P, hidden]. Prompts are cut after
    their last image token; all prompts of a group must be cut at the same length, as ``groups``
    arranges.
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
        self._cut = cut(prompts[0], image_token_id)
        beginnings: dict[tuple[str | None, tuple[int, ...]], int] = {}
        self._place = [
            beginnings.setdefault((prompt.picture, prompt.ids[: self._cut]), len(beginnings))
            for prompt in prompts
        ]
        self._cache: Cache | None = None
        if self._cut:
            self._cache = _read_beginnings(model, list(beginnings), features, image_token_id)

    def batches(self, rows: Sequence[int]) -> Iterator[tuple[list[int], State]]:
        """Yield the numbered prompts in batches of like length, each read to its end."""
        order = sorted(rows, key=lambda row: len(self.prompts[row].ids))
        for start in range(0, len(order), self.batch_size):
            batch = order[start : start + self.batch_size]
            yield batch, self._read(batch)

    def _read(self, rows: Sequence[int]) -> State:
        device = self.model.device
        endings = [self.prompts[row].ids[self._cut :] for row in rows]
        ids, mask = pad(endings, left=True, device=device)
        if self._cache is None:
            cache: Cache = DynamicCache(config=self.model.config)
        else:
            places = torch.tensor([self._place[row] for row in rows], device=device)
            cache = _select(self._cache, places)
            mask = torch.cat([mask.new_ones(len(rows), self._cut), mask], dim=1)
        return State(cache, mask, forward(self.model, cache, mask, ids, keep=1)[:, -1])


def cut(prompt: Prompt, image_token_id: int | None) -> int:
    """Return how many tokens of a prompt can be shared: up to its last image token, or none."""
    if image_token_id is None or prompt.picture is None:
        return 0
    return len(prompt.ids) - prompt.ids[::-1].index(image_token_id)


def groups(
    prompts: Sequence[Prompt], image_token_id: int | None, batch_size: int
) -> list[list[int]]:
    """Split prompt numbers into groups of one cut and at most ``batch_size`` beginnings.

    Prompts about one picture should stand near each other; their order within a cut is kept.
    """
    by_cut: dict[int, list[int]] = {}
    for row, prompt in enumerate(prompts):
        by_cut.setdefault(cut(prompt, image_token_id), []).append(row)
    found: list[list[int]] = []
    for length, rows in sorted(by_cut.items()):
        seen: set[tuple[str | None, tuple[int, ...]]] = set()
        found.append([])
        for row in rows:
            beginning = (prompts[row].picture, prompts[row].ids[:length])
            if beginning not in seen and len(seen) == batch_size:
                seen.clear()
                found.append([])
            seen.add(beginning)
            found[-1].append(row)
    return found


def forward(
    model: PreTrainedModel,
    cache: Cache,
    mask: Tensor,
    ids: Tensor | None = None,
    embeddings: Tensor | None = None,
    keep: int = 0,
) -> Tensor:
    """Read L more tokens and return the logits [N, keep or L, V] in fp32; ``cache`` grows.

    ``mask`` [N, S + L] covers old and new tokens. Positions count tokens and skip padding, so
    padding never moves a token.
    """
    length = mask.shape[1] - cache.get_seq_length()
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, -length:]
    output = model(
        input_ids=ids,
        inputs_embeds=embeddings,
        attention_mask=mask.long(),
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=keep,
    )
    logits: Tensor = output.logits
    return logits.float()


def pad(
    sequences: Sequence[Sequence[int]], left: bool, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return the sequences as ids [N, L], padded with 0 on one side, and their mask [N, L]."""
    width = max(len(sequence) for sequence in sequences)
    ids = torch.zeros(len(sequences), width, dtype=torch.long)
    mask = torch.zeros(len(sequences), width, dtype=torch.bool)
    for row, sequence in enumerate(sequences):
        place = slice(width - len(sequence), width) if left else slice(0, len(sequence))
        ids[row, place] = torch.tensor(sequence, dtype=torch.long)
        mask[row, place] = True
    return ids.to(device), mask.to(device)


def _select(cache: Cache, rows: Tensor) -> Cache:
    """Copy the numbered rows of a cache; the original stays as it is."""
    chosen = copy.copy(cache)
    chosen.layers = [copy.copy(layer) for layer in cache.layers]
    chosen.batch_select_indices(rows)
    return chosen


def _read_beginnings(
    model: PreTrainedModel,
    beginnings: Sequence[tuple[str | None, tuple[int, ...]]],
    features: Mapping[str, Tensor],
    image_token_id: int | None,
) -> Cache:
    ids = torch.tensor([tokens for _, tokens in beginnings], device=model.device)
    embeddings = model.get_input_embeddings()(ids)
    seen = torch.cat([features[picture] for picture, _ in beginnings if picture is not None])
    places = torch.eq(ids, image_token_id if image_token_id is not None else -1)
    if int(places.sum()) != len(seen):
        raise ValueError(f"expected {len(seen)} image tokens, found {int(places.sum())}")
    embeddings[places] = seen.to(embeddings)
    cache = DynamicCache(config=model.config)
    forward(model, cache, torch.ones_like(places), embeddings=embeddings, keep=1)
    return cache
