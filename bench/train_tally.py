"""The bytes of all tensors that are there at once, counted as they come and go."""

import weakref
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.weak import WeakIdKeyDictionary


class Tally(TorchDispatchMode):
    """While it is on, `held` is what all storages take, and `most` the most there was, in bytes.

    A storage counts from the operation that makes it until nothing refers to it, views once. What
    a kernel takes and gives back inside one operation is not seen.
    """

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__()
        self.held = self.most = 0
        self._known: Any = WeakIdKeyDictionary()
        for module in modules:
            for tensor in (*module.parameters(), *module.buffers()):
                self._count(tensor)

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for part in tree_iter(result):
            if isinstance(part, Tensor):
                self._count(part)
        return result

    def _count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage in self._known:
            return
        self._known[storage] = True
        weakref.finalize(storage, self._gone, storage.nbytes())
        self.held += storage.nbytes()
        self.most = max(self.most, self.held)

    def _gone(self, size: int) -> None:
        self.held -= size
