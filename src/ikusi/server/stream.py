"""Many questions to one server: as many under way as it takes, answers in the order they come."""

from __future__ import annotations

import queue
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

from ikusi.server.client import Connection

Item = TypeVar("Item")
Result = TypeVar("Result")


def ask_all(
    server: Connection, items: Iterable[Item], ask: Callable[[Item], Coroutine[Any, Any, Result]]
) -> Iterator[Result]:
    """Yield what `ask` returns for each item, one by one; see `ask_in_batches`."""
    for batch in ask_in_batches(server, items, ask):
        yield from batch


def ask_in_batches(
    server: Connection, items: Iterable[Item], ask: Callable[[Item], Coroutine[Any, Any, Result]]
) -> Iterator[list[Result]]:
    """Yield what `ask` returns for each item, as soon as it is there: all that is, together.

    Twice as many items as requests are under way, so that the server never waits for the next one.
    Items are taken as they are needed.
    """
    done: queue.SimpleQueue[Future[Result]] = queue.SimpleQueue()
    waiting, source, more = 0, iter(items), True
    while True:
        while more and waiting < 2 * int(server.pace.limit) + 2:
            try:
                item = next(source)
            except StopIteration:
                more = False
                break
            server.submit(ask(item)).add_done_callback(done.put)
            waiting += 1
        if not waiting:
            return
        ready = [done.get(), *(done.get_nowait() for _ in range(done.qsize()))]
        waiting -= len(ready)
        yield [one.result() for one in ready]
