"""Fetch the pictures behind URLs: politely, safely, once; what is dead is remembered with why.

The paper lost 10 to 16 % of its pictures to dead links; here each has its reason in a table.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.metadata
import os
import random
import sqlite3
import ssl
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import aiohttp
from PIL import Image, UnidentifiedImageError
from yarl import URL

from ikusi.data import addresses
from ikusi.data.images import FORMATS, MAX_PIXELS, decode
from ikusi.errors import InputError

OK, DEAD, FAILED = "ok", "dead", "failed"
# Reasons that may pass: the next run asks again. The others are remembered.
PASSING = {
    "timeout", "server error", "too many requests", "connection refused", "connection lost",
    "name not resolved", "truncated", "TLS",
}  # fmt: skip
STATUSES = {401: "forbidden", 403: "forbidden", 404: "not found", 410: "gone", 451: "forbidden"}
LONGEST_REST = 60.0  # seconds between tries, whatever a server asks for
TABLE = """create table if not exists pictures (
    url text primary key, status text, reason text, http integer, bytes integer, sha256 text,
    flag text, path text, fetched text)"""


@dataclass(frozen=True)
class Wanted:
    """A picture that is wanted: where it is, and the SHA-256 of its bytes where that is known."""

    url: str
    sha256: str | None = None


@dataclass(frozen=True)
class FetchSettings:
    """How pictures are fetched.

    Args:
        concurrency: requests under way at once.
        per_host: of these, to one host.
        timeout: seconds that one picture may take, from first to last byte.
        connect: seconds that a connection may take.
        retries: further tries of what may pass.
        max_bytes: largest file.
        max_pixels: largest picture.
        max_redirects: most redirects that are followed.
        on_mismatch: what a wrong hash does: `keep` the picture with a flag, or `drop` it.
        retry_dead: ask again for what is remembered as dead.
        allow: networks that may be reached although they are private, such as `127.0.0.1/32`.
        use_proxy: go through the proxy that the environment names, which then resolves names.
    """

    concurrency: int = 64
    per_host: int = 8
    timeout: float = 60.0
    connect: float = 15.0
    retries: int = 2
    max_bytes: int = 64 * 2**20
    max_pixels: int = MAX_PIXELS
    max_redirects: int = 5
    on_mismatch: str = "keep"
    retry_dead: bool = False
    allow: tuple[str, ...] = ()
    use_proxy: bool = False


class Ledger:
    """What became of every URL: a table in SQLite beside the pictures."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._table = sqlite3.connect(folder / "ledger.sqlite", isolation_level=None)
        self._table.execute("pragma journal_mode = wal")
        self._table.execute(TABLE)

    def picture(self, url: str) -> bytes | None:
        """The bytes behind a URL; None if there are none."""
        row = self._row(url)
        if row is None or row[0] != OK:
            return None
        try:
            return (self.folder / row[2]).read_bytes()
        except FileNotFoundError:  # somebody cleaned up
            return None

    def reason(self, url: str) -> str | None:
        """Why there is no picture behind a URL; None if there is one, or nobody asked."""
        row = self._row(url)
        return None if row is None or row[0] == OK else str(row[1])

    def flag(self, url: str) -> str | None:
        """What is odd about a picture that was kept: `hash mismatch`."""
        found = self._table.execute("select flag from pictures where url = ?", (url,)).fetchone()
        return found[0] if found else None

    def counts(self) -> dict[str, int]:
        """URLs by what became of them: `ok`, and each reason."""
        rows = self._table.execute(
            "select coalesce(reason, status), count(*) from pictures group by 1 order by 2 desc"
        )
        return dict(rows.fetchall())

    def is_settled(self, url: str, retry_dead: bool) -> bool:
        """Whether a URL need not be asked for again."""
        row = self._row(url)
        if row is None:
            return False
        if row[0] == OK:
            return (self.folder / row[2]).exists()
        return row[0] == DEAD and not retry_dead

    def _row(self, url: str) -> tuple[str, str | None, str] | None:
        row: tuple[str, str | None, str] | None = self._table.execute(
            "select status, reason, path from pictures where url = ?", (url,)
        ).fetchone()
        return row

    def note(self, url: str, found: Found) -> None:
        """Write down what became of a URL; it is there however the process ends."""
        status = OK if found.reason is None else FAILED if found.reason in PASSING else DEAD
        now = datetime.now(UTC).isoformat(timespec="seconds")
        row = (url, status, found.reason, found.http, found.bytes, found.sha256, found.flag)
        self._table.execute(
            "insert or replace into pictures values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*row, place(url) if status == OK else None, now),
        )

    def close(self) -> None:
        """Close the table."""
        self._table.close()


@dataclass(frozen=True)
class Found:
    """What one URL gave: a picture, or the reason why not."""

    reason: str | None
    http: int | None = None
    bytes: int = 0
    sha256: str | None = None
    flag: str | None = None


class _NoPictureError(Exception):
    """Why a URL gives no picture; with how long a server asks to wait."""

    def __init__(self, reason: str, http: int | None = None, rest: float = 0.0) -> None:
        super().__init__(reason)
        self.reason, self.http, self.rest = reason, http, rest


def place(url: str) -> str:
    """Where the picture of a URL is kept, below the folder of the ledger."""
    name = hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{name[:2]}/{name[2:4]}/{name}"


def fetch(
    urls: Iterable[Wanted],
    folder: Path,
    settings: FetchSettings | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Ledger:
    """Fetch what is not fetched yet; kill it anywhere, the next call goes on.

    Args:
        urls: what is wanted; read as the work goes on, each URL once.
        folder: where pictures and ledger are kept, for all runs.
        settings: limits and manners.
        progress: told the URLs settled in this run, and how many of them have a picture.

    Returns:
        The ledger, with every URL that was wanted.
    """
    ledger = Ledger(Path(folder))
    asyncio.run(_Fetcher(ledger, settings or FetchSettings(), progress).run(urls))
    return ledger


class _Fetcher:
    def __init__(
        self,
        ledger: Ledger,
        settings: FetchSettings,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self.ledger, self.settings, self.progress = ledger, settings, progress
        self.allowed = addresses.networks(settings.allow)
        self.counts: Counter[bool] = Counter()

    async def run(self, urls: Iterable[Wanted]) -> None:
        """Workers take URLs from one iterator, so that few are in memory at a time."""
        wanted = self._unsettled(urls)
        async with self._session() as session:
            workers = [self._work(wanted, session) for _ in range(self.settings.concurrency)]
            await asyncio.gather(*workers)

    def _session(self) -> aiohttp.ClientSession:
        settings = self.settings
        version = importlib.metadata.version("ikusi")
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=settings.concurrency,
                limit_per_host=settings.per_host,
                resolver=addresses.PublicResolver(self.allowed),
            ),
            timeout=aiohttp.ClientTimeout(total=settings.timeout, connect=settings.connect),
            headers={
                "User-Agent": f"ikusi/{version} (fetches pictures of public data sets)",
                "Accept": "image/*,*/*;q=0.5",
                "Accept-Encoding": "identity",
            },
            auto_decompress=False,
            trust_env=settings.use_proxy,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    def _unsettled(self, urls: Iterable[Wanted]) -> Iterator[Wanted]:
        seen: set[bytes] = set()
        for wanted in urls:
            name = hashlib.sha256(wanted.url.encode("utf-8", "surrogatepass")).digest()[:12]
            if name in seen:
                continue
            seen.add(name)
            if not self.ledger.is_settled(wanted.url, self.settings.retry_dead):
                yield wanted

    async def _work(self, urls: Iterator[Wanted], session: aiohttp.ClientSession) -> None:
        for wanted in urls:
            found = await self._settled(wanted, session)
            self.ledger.note(wanted.url, found)
            self.counts[found.reason is None] += 1
            if self.progress:
                self.progress(self.counts.total(), self.counts[True])

    async def _settled(self, wanted: Wanted, session: aiohttp.ClientSession) -> Found:
        """Try until a picture comes, or a reason that will stay."""
        for number in range(self.settings.retries + 1):
            try:
                data, http = await self._bytes(wanted.url, session)
                return await asyncio.to_thread(self._kept, wanted, data, http)
            except _NoPictureError as error:
                last = error
            except Exception as error:  # whatever a server sends must not end the others' work
                last = _NoPictureError(_reason(error))
            if last.reason not in PASSING or number == self.settings.retries:
                break
            rest = max(last.rest, 0.5 * 2**number * (1 + random.random()))
            await asyncio.sleep(min(rest, LONGEST_REST))
        return Found(last.reason, last.http)

    async def _bytes(self, url: str, session: aiohttp.ClientSession) -> tuple[bytes, int]:
        """Follow redirects by hand, each hop checked, and read what is at their end."""
        at, seen = self._checked(url), set()
        for _ in range(self.settings.max_redirects + 1):
            if at in seen:
                raise _NoPictureError("redirect loop")
            seen.add(at)
            async with session.get(at, allow_redirects=False) as response:
                if response.status not in (301, 302, 303, 307, 308):
                    return await self._body(response), response.status
                target = response.headers.get("Location", "")
                if not target:
                    raise _NoPictureError("broken answer", response.status)
                at = self._checked(target, at)
        raise _NoPictureError("too many redirects")

    def _checked(self, url: str, base: URL | None = None) -> URL:
        """A URL that may be asked for.

        Raises:
            _NoPictureError: it is malformed, of another scheme, or leads to a private address.
        """
        try:
            found = base.join(URL(url)) if base else URL(url)
            host = found.host
        except (ValueError, TypeError) as error:
            raise _NoPictureError("bad URL") from error
        if found.scheme not in ("http", "https"):
            reason = "bad URL" if not found.scheme else "unsupported scheme"
            raise _NoPictureError(reason)
        if not host:
            raise _NoPictureError("bad URL")
        if addresses.is_literal(host):
            addresses.check(host, self.allowed)
        return found.with_fragment(None)

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        _check_status(response)
        length = response.content_length or 0
        if length > self.settings.max_bytes:
            raise _NoPictureError("too many bytes", response.status)
        if response.content_type.startswith(("text/", "application/json", "video/", "audio/")):
            raise _NoPictureError("not an image", response.status)
        parts, size = [], 0
        async for part in response.content.iter_chunked(2**16):
            size += len(part)
            if size > self.settings.max_bytes:
                raise _NoPictureError("too many bytes", response.status)
            parts.append(part)
        data = b"".join(parts)
        if response.headers.get("Content-Encoding", "identity").lower() in ("gzip", "deflate"):
            data = self._inflated(data)
        if not data:
            raise _NoPictureError("empty", response.status)
        return data

    def _inflated(self, data: bytes) -> bytes:
        """Undo a compression that was not asked for, never beyond the limit."""
        found = zlib.decompressobj(wbits=47).decompress(data, self.settings.max_bytes + 1)
        if len(found) > self.settings.max_bytes:
            raise _NoPictureError("too many bytes")
        return found

    def _kept(self, wanted: Wanted, data: bytes, http: int) -> Found:
        """Check that bytes are a picture and write them to their place; runs in a thread."""
        digest = hashlib.sha256(data).hexdigest()
        flag = "hash mismatch" if wanted.sha256 and digest != wanted.sha256.lower() else None
        if flag and self.settings.on_mismatch == "drop":
            return Found(flag, http, len(data), digest)
        reason = _fault(data, self.settings.max_pixels)
        if reason is None:
            path = self.ledger.folder / place(wanted.url)
            path.parent.mkdir(parents=True, exist_ok=True)
            aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
            aside.write_bytes(data)
            os.replace(aside, path)
        return Found(reason, http, len(data), digest, flag)


def _check_status(response: aiohttp.ClientResponse) -> None:
    status = response.status
    if status == 200:
        return
    if status == 429 or status >= 500:
        reason = "too many requests" if status == 429 else "server error"
        told = response.headers.get("Retry-After", "")
        raise _NoPictureError(reason, status, float(told) if told.isdigit() else 0.0)
    raise _NoPictureError(STATUSES.get(status, "refused"), status)


def _fault(data: bytes, max_pixels: int) -> str | None:
    """Why bytes are no picture; the size is read from the header, before anything is decoded."""
    try:
        with closing(Image.open(BytesIO(data), formats=FORMATS)) as image:
            if image.width * image.height > max_pixels:
                return "too many pixels"
    except UnidentifiedImageError:
        return "not an image"
    except Image.DecompressionBombError:
        return "too many pixels"
    except Exception:  # Pillow's decoders raise nearly anything at bytes made to mislead
        return "broken image"
    try:
        decode(data, max_pixels)
    except InputError:
        return "broken image"
    return None


def _reason(error: BaseException) -> str:
    """The name of what went wrong on the way."""
    kinds: list[tuple[str, type[BaseException] | tuple[type[BaseException], ...]]] = [
        ("private address", addresses.PrivateAddressError),
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
    for name, kind in kinds[:1]:
        if any(isinstance(cause, kind) for cause in causes):
            return name
    return next((name for name, kind in kinds if isinstance(error, kind)), "broken answer")
