"""Number of requests sent to a server at once: more while all goes well, fewer when it does not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Pace:
    """Additive increase, multiplicative decrease, as networks do it (Chiu and Jain 1989).

    Doubles with every round of answers until the first trouble, then adds one a round.

    Args:
        most: the limit that is never passed.
        start: the limit to begin with.
        rest: seconds after a decrease in which further trouble is taken as part of the same.
    """

    def __init__(self, most: int, start: int = 8, rest: float = 1.0) -> None:
        self.most, self.rest = most, rest
        self.limit = float(min(start, most))
        self.running = 0
        self._troubled = False
        self._last = -rest
        self._free = asyncio.Condition()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for a place, hold it for the block."""
        async with self._free:
            await self._free.wait_for(lambda: self.running < max(1, int(self.limit)))
            self.running += 1
        try:
            yield
        finally:
            async with self._free:
                self.running -= 1
                self._free.notify_all()

    def note_success(self) -> None:
        """An answer came."""
        step = 1.0 / self.limit if self._troubled else 1.0
        # Only where the limit is what holds the work back does an answer say anything of it.
        if self.running >= int(self.limit):
            self.limit = min(float(self.most), self.limit + step)

    def note_trouble(self) -> None:
        """The server refused, failed or was late."""
        now = time.monotonic()
        if now - self._last >= self.rest:
            self.limit, self._last, self._troubled = max(1.0, self.limit * 0.7), now, True
