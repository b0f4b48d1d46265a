"""Fetch the pictures behind URLs: politely, safely, once; dead ones are remembered with the reason.

The paper lost 10 to 16 % of its pictures to dead links; here each has its reason in a table.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import importlib.metadata
import os
import random
import ssl
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path, PurePosixPath
from typing import Literal

import aiohttp
from yarl import URL

from ikusi import disk
from ikusi.data.images import (
    MAX_PIXELS,
    Decoded,
    NotAPictureError,
    TooManyPixelsError,
    decode_and_describe,
)
from ikusi.data.web import addresses
from ikusi.data.web.hosts import Host, Turns
from ikusi.data.web.ledger import PASSING, Ledger, Outcome, Wanted, locate_picture
from ikusi.errors import InputError

STATUSES = {401: "forbidden", 403: "forbidden", 404: "not found", 408: "timeout", 410: "gone"}
REDIRECTS = (301, 302, 303, 307, 308)
# What servers redirect to in place of a picture that is gone.
PLACEHOLDERS = {"removed", "photo_unavailable", "image_unavailable", "unavailable", "no_image"}


def _user_agent() -> str:
    version = importlib.metadata.version("ikusi")
    return f"ikusi/{version} (fetches pictures of public data sets)"


@dataclass(frozen=True)
class FetchSettings:
    """Settings for fetching pictures.

    Args:
        concurrency: URLs under way at once.
        per_host: of these, of one host.
        timeout: seconds that one try may take, from the first name looked up to the last byte.
        connect: seconds that a connection may take.
        retries: further tries of what may pass.
        max_bytes: largest file.
        max_pixels: largest picture.
        max_redirects: most redirects that are followed.
        on_mismatch: what a wrong hash does: `keep` the picture with a flag, or `drop` it.
        retry_dead: ask again for what is remembered as dead.
        user_agent: how requests identify who asks.
        allow: networks that may be reached although they are private, such as `127.0.0.1/32`.
        use_proxy: go through the proxy that the environment names, which then resolves names, and
            decides which addresses are reached.
    """

    concurrency: int = 64
    per_host: int = 8
    timeout: float = 60.0
    connect: float = 15.0
    retries: int = 2
    max_bytes: int = 64 * 2**20
    max_pixels: int = MAX_PIXELS
    max_redirects: int = 5
    on_mismatch: Literal["keep", "drop"] = "keep"
    retry_dead: bool = False
    user_agent: str = field(default_factory=_user_agent)
    allow: tuple[str, ...] = ()
    use_proxy: bool = False


class _NoPictureError(Exception):
    """A URL gives no picture; `outcome` has the reason."""

    def __init__(self, reason: str, http: int | None = None, rest: float = 0.0) -> None:
        super().__init__(reason)
        self.outcome = Outcome(reason, http, rest=rest)


@dataclass(frozen=True, slots=True)
class _Answer:
    """A file as it came."""

    data: bytes
    http: int
    is_compressed: bool


def fetch(
    urls: Iterable[Wanted],
    folder: Path,
    settings: FetchSettings | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Ledger:
    """Fetch what is not fetched yet; kill it anywhere, the next call goes on.

    Args:
        urls: what is wanted; read in a thread as the work goes on, each URL once.
        folder: where pictures and ledger are kept, for all runs.
        settings: limits and manners.
        progress: called with the numbers of URLs settled in this run, and of those with a picture.

    Returns:
        The ledger, with every URL that was wanted.

    Raises:
        InputError: the folder cannot be written, or a setting is wrong.
    """
    settings = settings or FetchSettings()
    allowed = addresses.parse_networks(settings.allow)
    allowed += addresses.list_proxies() if settings.use_proxy else []
    ledger = Ledger(folder, settings.on_mismatch)
    with ThreadPoolExecutor(os.cpu_count()) as decoders:
        fetcher = _Fetcher(ledger, settings, allowed, progress, decoders)
        try:
            asyncio.run(fetcher.run(urls))
        except BaseExceptionGroup as group:  # the first of the workers' errors ends the others
            raise group.exceptions[0] from None
    return ledger


def make_fetcher(
    settings: FetchSettings | None = None, progress: Callable[[int, int], None] | None = None
) -> Callable[[Iterable[Wanted]], Ledger]:
    """`fetch` into the user's cache folder, which all imports share."""
    import platformdirs

    folder = platformdirs.user_cache_path("ikusi") / "pictures"
    return functools.partial(fetch, folder=folder, settings=settings, progress=progress)


class _Fetcher:
    def __init__(
        self,
        ledger: Ledger,
        settings: FetchSettings,
        allowed: list[addresses.Network],
        progress: Callable[[int, int], None] | None,
        decoders: ThreadPoolExecutor,
    ) -> None:
        self.ledger, self.settings, self.progress = ledger, settings, progress
        self.allowed, self.decoders = allowed, decoders
        self.counts: Counter[bool] = Counter()

    async def run(self, urls: Iterable[Wanted]) -> None:
        """A fixed number of workers take turns, so that few URLs are in memory at a time."""
        many = self.settings.concurrency
        # Names are looked up in these: slow name servers must not hold each other up.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(many + 1))
        turns = Turns(self.settings.per_host, ahead=16 * many)
        async with self._session() as session, asyncio.TaskGroup() as group:
            workers = [group.create_task(self._work(turns, session)) for _ in range(many)]
            await turns.feed(urls, self._is_needed)
            for worker in workers:
                worker.cancel()

    def _session(self) -> aiohttp.ClientSession:
        settings = self.settings
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=settings.concurrency,
                limit_per_host=settings.per_host,
                resolver=addresses.PublicResolver(self.allowed),
                socket_factory=addresses.guard_sockets(self.allowed),
            ),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=settings.connect),
            headers={
                "User-Agent": settings.user_agent,
                "Accept": "image/*,*/*;q=0.5",
                "Accept-Encoding": "identity",
            },
            auto_decompress=False,
            trust_env=settings.use_proxy,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    def _is_needed(self, wanted: Wanted) -> bool:
        is_new = self.ledger.ask(wanted.url)
        return is_new and not self.ledger.is_settled(wanted, self.settings.retry_dead)

    async def _work(self, turns: Turns, session: aiohttp.ClientSession) -> None:
        while True:
            wanted, host = await turns.take()
            outcome = await self._settle(wanted, host, session)
            self.counts[self.ledger.note(wanted, outcome)] += 1
            turns.give_back(host)
            if self.progress:
                self.progress(self.counts.total(), self.counts[True])

    async def _settle(self, wanted: Wanted, host: Host, session: aiohttp.ClientSession) -> Outcome:
        """Try until a picture comes, or a reason that will stay."""
        loop = asyncio.get_running_loop()
        tries = self.settings.retries + 1
        for number in range(tries):
            await asyncio.sleep(max(0.0, host.rest_until - loop.time()))
            if host.given_up:
                break
            outcome = await self._try_once(wanted, session)
            host.learn(outcome, loop.time())
            if outcome.reason not in PASSING or host.given_up or number == tries - 1:
                return outcome
            await asyncio.sleep(0.5 * 2**number * (1 + random.random()))
        return Outcome(host.given_up)

    async def _try_once(self, wanted: Wanted, session: aiohttp.ClientSession) -> Outcome:
        try:
            async with asyncio.timeout(self.settings.timeout):
                answer = await self._answer(wanted.url, session)
        except _NoPictureError as error:
            return error.outcome
        except Exception as error:  # whatever a server sends must not end the others' work
            return Outcome(_reason(error))
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.decoders, self._store, wanted.url, answer)

    async def _answer(self, url: str, session: aiohttp.ClientSession) -> _Answer:
        """Follow redirects by hand, each hop checked, and read what is at their end."""
        at, seen = self._check_url(url), set()
        for _ in range(self.settings.max_redirects + 1):
            if at in seen:
                raise _NoPictureError("redirect loop")
            seen.add(at)
            async with session.get(at, allow_redirects=False) as response:
                if response.status not in REDIRECTS:
                    return await self._body(response)
                target = response.headers.get("Location", "")
                if not target:
                    raise _NoPictureError("broken answer", response.status)
                at = self._check_url(target, at)
                if PurePosixPath(at.path).stem.lower() in PLACEHOLDERS:
                    raise _NoPictureError("placeholder", response.status)
        raise _NoPictureError("too many redirects")

    def _check_url(self, url: str, base: URL | None = None) -> URL:
        """A URL that may be asked for.

        Raises:
            _NoPictureError: it is malformed, or of another scheme.
            PrivateAddressError: it leads to a private address.
        """
        try:
            target = base.join(URL(url.strip())) if base else URL(url.strip())
            host = target.raw_host
        except (ValueError, TypeError) as error:
            raise _NoPictureError("bad URL") from error
        if target.scheme not in ("http", "https"):
            raise _NoPictureError("unsupported scheme" if target.scheme else "bad URL")
        if not host:
            raise _NoPictureError("bad URL")
        if addresses.is_literal(host):
            addresses.check(host, self.allowed)
        # Names and passwords in a URL are somebody's secret, or a trick.
        return target.with_user(None).with_fragment(None)

    async def _body(self, response: aiohttp.ClientResponse) -> _Answer:
        """Read no more than is allowed; a page is recognised by its first character."""
        _check_status(response)
        most, status = self.settings.max_bytes, response.status
        if (response.content_length or 0) > most:
            raise _NoPictureError("too many bytes", status)
        parts: list[bytes] = []
        size = 0
        async for part in response.content.iter_chunked(2**16):
            if not parts and part.lstrip().startswith(b"<"):
                raise _NoPictureError("not an image", status)
            size += len(part)
            if size > most:
                raise _NoPictureError("too many bytes", status)
            parts.append(part)
        if not size:
            raise _NoPictureError("empty", status)
        packed = response.headers.get("Content-Encoding", "").lower()
        return _Answer(b"".join(parts), status, packed in ("gzip", "x-gzip", "deflate"))

    def _store(self, url: str, answer: _Answer) -> Outcome:
        """Check that a file is a picture and write it to its place; runs in a thread."""
        data, most = answer.data, self.settings.max_bytes
        if answer.is_compressed:  # which was not asked for
            try:
                data = _inflate(data, most)
            except zlib.error:
                return Outcome("broken answer", answer.http)
            if len(data) > most:
                return Outcome("too many bytes", answer.http)
        decoded, digest = _decode(data, self.settings.max_pixels), hashlib.sha256(data).hexdigest()
        if isinstance(decoded, str):
            return Outcome(decoded, answer.http, len(data), digest)
        _write(self.ledger.folder / locate_picture(url), data)
        return Outcome(None, answer.http, len(data), digest, decoded=decoded)


def _write(path: Path, data: bytes) -> None:
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # of folders, none: a name that is lost is fetched again
        os.replace(aside, path)
    except OSError as error:
        message = (
            disk.describe_fault(error, path, aside)
            or f"{path}: expected to write a picture, found: {error}"
        )
        raise InputError(message) from None


def _inflate(data: bytes, most: int) -> bytes:
    """Undo a compression, to at most one byte more than is allowed."""
    zlib_or_gzip, bare = 47, -15
    for kind in (zlib_or_gzip, bare):
        with suppress(zlib.error):
            return zlib.decompressobj(kind).decompress(data, most + 1)
    raise zlib.error("neither gzip nor deflate")


def _check_status(response: aiohttp.ClientResponse) -> None:
    status = response.status
    if status == 200:
        return
    rest = _rest(response.headers.get("Retry-After", ""))
    if status == 429:
        raise _NoPictureError("too many requests", status, rest)
    if status >= 500:
        raise _NoPictureError("server error", status, rest if status == 503 else 0.0)
    raise _NoPictureError(STATUSES.get(status, "refused"), status)


def _rest(value: str) -> float:
    """Seconds of a Retry-After header: a number or a date (RFC 9110, 10.2.3); 0 if it is none."""
    with suppress(ValueError):
        return max(0.0, float(value))
    with suppress(ValueError, TypeError, OverflowError):
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    return 0.0


def _decode(data: bytes, max_pixels: int) -> Decoded | str:
    """Decode and describe a picture, or return the reason why its bytes are none."""
    try:
        return decode_and_describe(data, max_pixels)[1]
    except NotAPictureError:
        return "not an image"
    except TooManyPixelsError:
        return "too many pixels"
    except Exception:  # Pillow's decoders raise nearly anything at bytes made to mislead
        return "broken image"


def _reason(error: BaseException) -> str:
    """The name of what went wrong on the way."""
    kinds: list[tuple[str, type[BaseException] | tuple[type[BaseException], ...]]] = [
        ("bad URL", (aiohttp.InvalidURL, UnicodeError)),
        ("name not resolved", aiohttp.ClientConnectorDNSError),
        ("TLS", (aiohttp.ClientSSLError, ssl.SSLError)),
        ("timeout", TimeoutError),
        ("connection refused", aiohttp.ClientConnectorError),
        ("truncated", (aiohttp.ClientPayloadError, asyncio.IncompleteReadError)),
        ("broken answer", aiohttp.ClientResponseError),
        ("connection lost", (aiohttp.ClientConnectionError, ConnectionError, OSError)),
    ]
    causes = [error, error.__cause__, error.__context__, getattr(error, "os_error", None)]
    if any(isinstance(cause, addresses.PrivateAddressError) for cause in causes):
        return "private address"
    return next((name for name, kind in kinds if isinstance(error, kind)), "broken answer")
