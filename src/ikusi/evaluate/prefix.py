"""Prompts that begin alike are read once.

All questions about one picture, in every benchmark and both languages, begin with the same tokens
up to the last image token, and all questions after the same few-shots with these. That beginning
is by far the longest part of a prompt, so its keys and values are computed once and every question
goes on from a copy. The result is that of reading each prompt alone: nothing here is approximate.

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

LOGITS_HELD = 2**28
"""Logits of a batch held at once: 1 GiB in fp32."""


@dataclass(frozen=True)
class Prompt:
    """What is put to the model: token ids with image runs expanded, and its pictures' keys.

    ``shared``: how many tokens, from the first, prompts of the same pictures may have in common;
    all image tokens are among them.
    """

    ids: tuple[int, ...]
    pictures: tuple[str, ...] = ()
    shared: int = 0

    @property
    def beginning(self) -> "Beginning":
        """What is read once for all prompts that have it."""
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

    ``features`` maps a picture's key to its projected features [P, hidden]. All prompts of a group
    must share the same number of tokens, as ``groups`` arranges.
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
        self, rows: Sequence[int], more: Mapping[int, int] | None = None
    ) -> Iterator[tuple[list[int], State]]:
        """Yield the numbered prompts in batches of like length, each read to its end.

        ``more``: how many tokens of each row are read, and their logits held, after its prompt.
        """
        order = sorted(rows, key=lambda row: (len(self.prompts[row].ids), (more or {}).get(row, 1)))
        most = max(1, LOGITS_HELD // int(self.model.config.get_text_config().vocab_size))
        batch: list[int] = []
        width = 0
        for row in order:
            wider = max(width, (more or {}).get(row, 1))
            if batch and (len(batch) == self.batch_size or (len(batch) + 1) * wider > most):
                yield batch, self._read(batch)
                batch, wider = [], (more or {}).get(row, 1)
            batch.append(row)
            width = wider
        if batch:
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


def groups(prompts: Sequence[Prompt], batch_size: int) -> list[list[int]]:
    """Split prompt numbers into groups that share as many tokens, of ``batch_size`` beginnings.

    Prompts of one beginning should stand near each other; their order is kept.
    """
    by_cut: dict[int, list[int]] = {}
    for row, prompt in enumerate(prompts):
        by_cut.setdefault(prompt.shared, []).append(row)
    found: list[list[int]] = []
    for _, rows in sorted(by_cut.items()):
        seen: set[Beginning] = set()
        found.append([])
        for row in rows:
            beginning = prompts[row].beginning
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
    positions: Tensor | None = None,
) -> Tensor:
    """Read L more tokens and return the logits [N, keep or L, V] in fp32; ``cache`` grows.

    ``mask`` [N, S + L] covers old and new tokens; or it says for each new token which tokens it
    sees [N, 1, L, S + L], 0 or minus infinity, and ``positions`` [N, L] are given. Else positions
    count tokens and skip padding, so padding never moves a token.
    """
    if positions is None:
        length = mask.shape[1] - cache.get_seq_length()
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, -length:]
        mask = mask.long()
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
    beginnings: Sequence[Beginning],
    features: Mapping[str, Tensor],
    image_token_id: int | None,
) -> Cache:
    ids = torch.tensor([tokens for _, tokens in beginnings], device=model.device)
    embeddings = model.get_input_embeddings()(ids)
    places = torch.eq(ids, image_token_id if image_token_id is not None else -1)
    seen = [features[key] for pictures, _ in beginnings for key in pictures]
    found = sum(map(len, seen))
    if int(places.sum()) != found:
        raise ValueError(f"expected {found} image tokens, found {int(places.sum())}")
    if seen:
        embeddings[places] = torch.cat(seen).to(embeddings)
    cache = DynamicCache(config=model.config)
    forward(model, cache, torch.ones_like(places), embeddings=embeddings, keep=1)
    return cache
