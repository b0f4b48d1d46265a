"""A web server that does what web servers do to those who want pictures; raw, so that it can."""

from __future__ import annotations

import asyncio
import gzip
import io
import random
import struct
import threading
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

from PIL import Image

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")


def encoded(kind: str = "PNG", side: int = 16, colour: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), (colour % 256, 40, 90)).save(buffer, kind)
    return buffer.getvalue()


def bomb(side: int = 30_000) -> bytes:
    """A PNG of a few bytes that says it has nearly a thousand million pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


PICTURES = ("ok", "same", "other")
# Path -> what becomes of it; `/again-N` and `/moved-N` lead to pictures.
EXPECTED = {
    "missing": "not found", "gone": "gone", "forbidden": "forbidden", "teapot": "refused",
    "error": "server error", "busy": "too many requests", "page": "not an image",
    "liar": "not an image", "empty": "empty", "short": "truncated", "half": "broken image",
    "bomb": "too many pixels", "big": "too many bytes", "endless": "too many bytes",
    "zipbomb": "too many bytes", "loop": "redirect loop", "far": "too many redirects",
    "private": "private address", "inside": "private address", "ftp": "unsupported scheme",
    "nowhere": "broken answer", "slow": "timeout", "drip": "timeout", "hang": "connection lost",
    "removed": "placeholder", "nonsense": "not an image",
    "garbage": "broken answer", "flood": "broken answer", "badchunk": "broken answer",
}  # fmt: skip


class PictureServer:
    """Answers by path; counts requests, and the most that ran at once."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.running = self.most = 0
        self.port = 0
        self._loop = asyncio.new_event_loop()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    @contextmanager
    def started(self) -> Iterator[PictureServer]:
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        started = asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=512)
        server = asyncio.run_coroutine_threadsafe(started, self._loop).result()
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(self._stop(server), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    async def _stop(self, server: asyncio.Server) -> None:
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            line = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
            if line.startswith("http://"):  # we are the proxy of a server that has pictures, too
                self.requests[line] += 1
                line = urlsplit(line).path
            path = unquote(line).strip("/")
            self.requests[path] += 1
            await self._answer(path, path.rpartition("-")[0] or path, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.running -= 1
            writer.close()

    async def _answer(self, path: str, kind: str, writer: asyncio.StreamWriter) -> None:
        number = int(path.rpartition("-")[2]) if path.rpartition("-")[2].isdecimal() else 0
        picture = encoded(FORMATS[number % len(FORMATS)], colour=number)
        if kind in PICTURES or (kind == "again" and self.requests[path] > 1):
            writer.write(head(200, len(picture)) + picture)
        elif kind in ("again", "busy"):
            writer.write(head(429, 0, "Retry-After: 0"))
        elif kind == "moved":
            writer.write(head(302, 0, f"Location: ok-{number}"))
        elif kind in SIMPLE:
            writer.write(SIMPLE[kind])
        else:
            await self._trick(kind, number, writer)

    async def _trick(self, kind: str, number: int, writer: asyncio.StreamWriter) -> None:
        if kind in ("loop", "far", "private"):
            target = {"loop": f"/loop-{number}", "private": "http://127.0.0.2/x"}
            writer.write(head(301, 0, f"Location: {target.get(kind, f'/far-{number + 1}')}"))
        elif kind == "slow":
            await asyncio.sleep(5)
        elif kind == "lazy":
            await asyncio.sleep(0.2)
            picture = encoded(colour=number)
            writer.write(head(200, len(picture)) + picture)
        elif kind == "random":
            writer.write(damaged(number))
        elif kind == "drip":
            writer.write(head(200, 1000))
            for _ in range(50):
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.1)
        elif kind == "endless":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n")
            for _ in range(64):
                writer.write(b"x" * 2**16)
                await writer.drain()


def damaged(seed: int) -> bytes:
    """A good answer in which a few bytes, anywhere, became others, came or went."""
    chance, picture = random.Random(seed), encoded(FORMATS[seed % len(FORMATS)])
    answer = bytearray(head(200, len(picture), "Retry-After: 0") + picture)
    for _ in range(chance.randint(1, 8)):
        at, length = chance.randrange(len(answer)), chance.randint(0, 3)
        answer[at : at + length] = chance.randbytes(chance.randint(0, 3))
    return bytes(answer)


def head(status: int, length: int, *more: str, kind: str = "image/png") -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", f"Content-Length: {length}", *more]
    return ("\r\n".join([*lines, "Connection: close"]) + "\r\n\r\n").encode()


PAGE = b"<html>This photo is no longer available</html>"
PICTURE = encoded("PNG", side=64)
DEFLATED = zlib.compress(PICTURE)[2:-4]  # bare, as some servers have it
ZIPPED = gzip.compress(b"\0" * 20_000_000)
SIMPLE = {
    "missing": head(404, 0),
    "gone": head(410, 0),
    "forbidden": head(403, 0),
    "teapot": head(418, 0),
    "error": head(500, 0),
    "page": head(200, len(PAGE), kind="text/html") + PAGE,
    "liar": head(200, len(PAGE)) + PAGE,
    "empty": head(200, 0),
    "short": head(200, len(PICTURE) + 50) + PICTURE,
    "half": head(200, len(PICTURE) // 2) + PICTURE[: len(PICTURE) // 2],
    "bomb": head(200, len(bomb())) + bomb(),
    "big": head(200, 10**9),
    "zipbomb": head(200, len(ZIPPED), "Content-Encoding: gzip") + ZIPPED,
    "inside": head(302, 0, "Location: http://[::ffff:10.0.0.1]/x"),
    "ftp": head(302, 0, "Location: ftp://127.0.0.1/x"),
    "nowhere": head(302, 0),
    "nonsense": head(200, 5, "Content-Encoding: br") + b"\x00\xff{}'",
    "removed": head(302, 0, "Location: /images/removed.png"),
    "deflated": head(200, len(DEFLATED), "Content-Encoding: deflate") + DEFLATED,
    "late": head(429, 0, "Retry-After: Wed, 21 Oct 2065 07:28:00 GMT"),
    "hang": b"",
    "garbage": b"\x00\xffnot http at all\r\n\r\n",
    "flood": b"HTTP/1.1 200 OK\r\n" + b"X-Flood: " + b"y" * 500_000 + b"\r\n\r\n",
    "badchunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nnonsense\r\n",
}
