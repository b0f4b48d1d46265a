"""The last layer of a decoder, computed only for the tokens that something is read from.

Of all others it gives keys and values alone. Its queries, its output and its MLP work on each token
by itself, so that they may leave tokens out: a quarter of a small model of four layers, of which
most tokens (pictures, questions) are not supervised.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

TOKEN_BY_TOKEN = ("self_attn.q_proj", "self_attn.o_proj", "mlp")
"""Parts of a layer that work on each token by itself, where transformers' names are these."""


@dataclass(frozen=True)
class Read:
    """The tokens of a row that are read: the first `count` of `places`, all different; what fills
    `places` up is computed and left out, so that shapes recur."""

    places: Tensor
    count: int


class _Few:
    """Lets parts of one layer work on the tokens that its call's `packing.read` names, if any."""

    def __init__(self, layer: nn.Module) -> None:
        # Kept until the layer's next call: where activations are computed twice, the second time is
        # on the way back, without that call.
        self._read: Read | None = None
        self._length = 0
        self.handles = [
            layer.register_forward_pre_hook(self._begin, with_kwargs=True),
        ]
        for name in TOKEN_BY_TOKEN:
            if (part := _find(layer, name)) is not None:
                self.handles += [
                    part.register_forward_pre_hook(self._select),
                    part.register_forward_hook(self._spread),
                ]

    def _begin(self, layer: nn.Module, given: Any, named: dict[str, Any]) -> None:
        self._read = getattr(named.get("packing"), "read", None)

    def _select(self, part: nn.Module, given: tuple[Tensor, ...]) -> Any:
        if self._read is None:
            return None
        states, *others = given
        self._length = states.shape[1]
        return states.index_select(1, self._read.places), *others

    def _spread(self, part: nn.Module, given: Any, made: Tensor) -> Tensor | None:
        if self._read is None:
            return None
        places, few = self._read.places[: self._read.count], made[:, : self._read.count]
        whole = few.new_zeros(1, self._length, few.shape[2])
        return whole.index_copy(1, places, few)


@contextmanager
def use_few_tokens(decoder: Any) -> Iterator[None]:
    """Let the last layer of a decoder leave out, meanwhile, what no `packing.read` asks for."""
    layers = getattr(decoder, "layers", None)
    with ExitStack() as stack:
        if layers:
            for handle in _Few(layers[-1]).handles:
                stack.callback(handle.remove)
        yield


def _find(layer: nn.Module, name: str) -> nn.Module | None:
    """A part of a layer; of MLPs the gated ones alone, as experts choose among tokens."""
    try:
        part = layer.get_submodule(name)
    except AttributeError:
        return None
    return part if name != "mlp" or hasattr(part, "down_proj") else None
