"""Keys and values that are read once, copied once, and grow in place."""

import copy
from typing import Any

import torch
from torch import Tensor
from transformers import Cache, DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer


class RoomyLayer(DynamicLayer):
    """Keys and values of one layer in buffers that have room to grow in place.

    The stock layer concatenates, which copies everything read so far at every step.
    """

    def __init__(self, room: int) -> None:
        super().__init__()
        self._room = room
        self._buffers: list[Tensor] = []

    @classmethod
    def copy_rows(cls, layer: DynamicLayer, rows: Tensor, room: int) -> "RoomyLayer":
        """Return the rows of a layer numbered in ``rows`` [M], with room for ``room`` more
        tokens."""
        copy, length = cls(layer.get_seq_length() + room), layer.get_seq_length()
        copy._open(len(rows), layer.keys, layer.values)
        for buffer, states in zip(copy._buffers, (layer.keys, layer.values), strict=True):
            torch.index_select(states, 0, rows, out=buffer[:, :, :length])
        copy._show(length)
        return copy

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Add keys and values [N, heads, L, size] and return all, without copying those before."""
        if not self._buffers:
            self._open(len(key_states), key_states, value_states)
        start = self.get_seq_length()
        end = start + key_states.shape[-2]
        for buffer, states in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[:, :, start:end] = states
        self._show(end)
        return self.keys, self.values

    def _open(self, rows: int, *alike: Tensor) -> None:
        self.lazy_initialization(*alike)
        for states in alike:
            _, heads, _, size = states.shape
            self._buffers.append(states.new_empty(rows, heads, self._room, size))

    def _show(self, length: int) -> None:
        self.keys, self.values = (buffer[:, :, :length] for buffer in self._buffers)


class Read(Exception):  # noqa: N818 (a way out, not an error)
    """The last layer has its keys and values: nothing after them is wanted."""


class LastLayer(DynamicLayer):
    """A layer whose keys and values are the last thing that is wanted of a model."""

    def update(self, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Take the keys and values, and end the model's forward pass by raising ``Read``."""
        super().update(*args, **kwargs)
        raise Read


PLAIN = (DynamicLayer, LastLayer, RoomyLayer)
"""Layers in which each token sees all before it."""


def make_cache(model: PreTrainedModel, room: int) -> Cache:
    """A cache of nothing, for so many tokens."""
    cache: Cache = DynamicCache(config=model.config)
    cache.layers = [
        RoomyLayer(room) if type(layer) is DynamicLayer else layer for layer in cache.layers
    ]
    return cache


def select(cache: Cache, rows: Tensor, room: int) -> Cache:
    """Copy the rows of a cache numbered in ``rows`` [M], with room for ``room`` more tokens.

    The original stays as it is.
    """
    chosen = copy.copy(cache)
    chosen.layers = [_select_layer(layer, rows, room) for layer in cache.layers]
    return chosen


def _select_layer(layer: Any, rows: Tensor, room: int) -> Any:
    if type(layer) in PLAIN:
        return RoomyLayer.copy_rows(layer, rows, room)
    chosen = copy.copy(layer)
    chosen.batch_select_indices(rows)
    return chosen
