"""Limits for each host: none is asked too often, and a slow one does not delay the others."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice
from urllib.parse import urlsplit

from ikusi.data.web.ledger import Outcome, Wanted

BATCH = 32  # URLs read at once
LONGEST_REST = 60.0  # seconds; a host that asks for more is not asked again in this run
PATIENCE = 120.0  # seconds that a host may not answer before its URLs are left for the next run
SILENT = ("timeout", "connection refused", "name not resolved")


@dataclass(slots=True)
class Host:
    """A host as its URLs need to know it.

    Args:
        name: as URLs spell it.
        under_way: its URLs that are being fetched.
        waiting: its URLs that wait for these.
        rest_until: when it may be asked again, in the event loop's time.
        silent_since: when it began not to answer at all, in the same time.
        given_up: why it is not asked any more in this run.
    """

    name: str
    under_way: int = 0
    waiting: deque[Wanted] = field(default_factory=deque)
    rest_until: float = 0.0
    silent_since: float | None = None
    given_up: str | None = None

    def learn(self, outcome: Outcome, now: float) -> None:
        """Note what a try shows about its host: that it is silent, or asks for a rest."""
        if outcome.rest > LONGEST_REST:
            self.given_up = outcome.reason
        elif outcome.rest:
            self.rest_until = now + outcome.rest
        if outcome.http or outcome.reason not in SILENT:
            self.silent_since = None
        elif self.silent_since is None:
            self.silent_since = now
        elif now - self.silent_since > PATIENCE:
            self.given_up = outcome.reason


class Turns:
    """Hands out the URLs of an iterator, reading a bounded number of them ahead.

    Args:
        per_host: most URLs of one host that are fetched at once.
        ahead: most URLs that are read before they are fetched.
    """

    def __init__(self, per_host: int, ahead: int) -> None:
        self.per_host = per_host
        self._room = asyncio.Semaphore(ahead)
        self._ready: asyncio.Queue[tuple[Wanted, Host]] = asyncio.Queue()
        self._hosts: dict[str, Host] = {}

    async def feed(self, urls: Iterable[Wanted], is_needed: Callable[[Wanted], bool]) -> None:
        """Read the URLs; returns when the last has been handed out and given back.

        They are read in a thread, since they may come from a disk or a network.
        """
        reader = iter(urls)
        while batch := await asyncio.to_thread(lambda: list(islice(reader, BATCH))):
            for wanted in filter(is_needed, batch):
                await self._room.acquire()
                self._add(wanted)
        await self._ready.join()

    async def take(self) -> tuple[Wanted, Host]:
        """The next URL that may be asked for, and its host."""
        turn = await self._ready.get()
        self._room.release()
        return turn

    def give_back(self, host: Host) -> None:
        """Note that a URL of this host is settled, and let the host's next one be fetched."""
        if host.waiting:
            self._ready.put_nowait((host.waiting.popleft(), host))
        else:
            host.under_way -= 1
            has_history = host.silent_since or host.given_up or host.rest_until
            if not host.under_way and not has_history:
                del self._hosts[host.name]
        self._ready.task_done()

    def _add(self, wanted: Wanted) -> None:
        name = _host_name(wanted.url)
        host = self._hosts.setdefault(name, Host(name))
        if host.under_way < self.per_host:
            host.under_way += 1
            self._ready.put_nowait((wanted, host))
        else:
            host.waiting.append(wanted)


def _host_name(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""
