"""A server on this machine that behaves as one of those that people use, by a few settings."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from ikusi.server.opening import HELLO
from translate.servers import MODEL, translated

Body = dict[str, Any] | list[Any] | str
Reply = tuple[int, Body]


@dataclass
class Peculiar:
    """Differences of a server from OpenAI's own, beside putting texts in capitals.

    Args:
        below: what its paths begin with.
        listed: models of its list; a status where it has none.
        names: models that it answers as; none for any name.
        refuses: field (or keyword of a schema) -> status and body of the refusal.
        first: what the first requests for a chat get.
        first_rows: the same, of those that ask more than the short question of the opening.
        on_rows: what all get but the short question that a server is opened with.
        on_schemas: what all get that come with a schema.
        shape: text -> fields of a choice, beside or in place of the usual ones.
        keeps_schemas: the answer to a probe is what its schema wants.
        key: without this key it answers 401.
        echoes: status of an answer that repeats the key in many forms; of 200 and 400 only rows
            get it.
    """

    below: str = "/v1"
    listed: Sequence[str] | int = (MODEL,)
    names: Sequence[str] | None = None
    refuses: Mapping[str, Reply] = field(default_factory=dict)
    first: list[Reply] = field(default_factory=list)
    first_rows: list[Reply] = field(default_factory=list)
    on_rows: Reply | None = None
    on_schemas: Reply | None = None
    shape: Callable[[str], dict[str, Any]] = lambda text: {}
    keeps_schemas: bool = False
    key: str | None = None
    echoes: int | None = None
    requests: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    @contextmanager
    def started(self) -> Iterator[Peculiar]:
        """Serve it on a free port; ``url`` is its address."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        server.daemon_threads = True
        self.url = f"http://127.0.0.1:{server.server_address[1]}{self.below}"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()

    def models(self) -> Reply:
        """The list of models."""
        if isinstance(self.listed, int):
            return self.listed, {"error": {"message": "there is no such list"}}
        return 200, {"object": "list", "data": [{"id": name} for name in self.listed]}

    def chat(self, asked: dict[str, Any], headers: Message) -> Reply:
        """Status and body of the reply to a request for a chat."""
        self.requests.append(asked)
        sent = headers.get("Authorization", "")
        if self.key is not None and sent != f"Bearer {self.key}":
            return 401, {"error": {"message": f"Incorrect API key provided: {sent[7:]}"}}
        if self.echoes is not None and (self.echoes > 400 or asked["messages"] != HELLO):
            body = echoed(sent)
            return self.echoes, self._answer(asked, str(body)) if self.echoes == 200 else body
        if self.names is not None and asked["model"] not in self.names:
            return 404, {"error": {"message": f"The model {asked['model']} does not exist"}}
        if self.first:
            return self.first.pop(0)
        if self.first_rows and asked["messages"] != HELLO:
            return self.first_rows.pop(0)
        if self.on_schemas is not None and "response_format" in asked:
            return self.on_schemas
        for name, refusal in self.refuses.items():
            if name in asked or f'"{name}"' in json.dumps(asked.get("response_format")):
                return refusal
        if self.on_rows is not None and asked["messages"] != HELLO:
            return self.on_rows
        return 200, self.completion(asked)

    def completion(self, asked: dict[str, Any]) -> dict[str, Any]:
        """A completion: the row of the last message, in capitals."""
        text = translated(asked["messages"][-1]["content"])
        if self.keeps_schemas and '"enum"' in json.dumps(asked.get("response_format")):
            text = '{"n": 7}'
        return self._answer(asked, text)

    def _answer(self, asked: dict[str, Any], text: str) -> dict[str, Any]:
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30}
        made = self.shape(text)
        choice |= made | {"message": message | made.get("message", {})}
        return {"id": "1", "object": "chat.completion", "choices": [choice], "usage": usage}


def echoed(sent: str) -> dict[str, Any]:
    """An error that repeats a key in every form that a careless server may."""
    key = sent.removeprefix("Bearer ")
    said = [
        f"sent: {sent}",
        f"key {key[:5]}****{key[-4:]} of {key[:12]}",
        base64.b64encode(sent.encode()).decode(),
        key.encode().hex(),
        f"http://user:{key}@localhost/?key={key}",
    ]
    return {"error": {"message": " | ".join(said), "param": key, "headers": {key: sent}}}


def _handler(does: Peculiar) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # or a body waits 40 ms for the head to be acknowledged

        def handle(self) -> None:
            with suppress(ConnectionError):  # the client did not wait
                super().handle()

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self._reply("/models", does.models)

        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            if not data:  # the client has hung up meanwhile
                self.close_connection = True
                return
            asked = json.loads(data)
            self._reply("/chat/completions", lambda: does.chat(asked, self.headers))

        def _reply(self, endpoint: str, make: Callable[[], Reply]) -> None:
            path = urlsplit(self.path).path
            status, body = make() if path == does.below + endpoint else (404, "404 page not found")
            data = (body if isinstance(body, str) else json.dumps(body)).encode()
            self.send_response(status)
            self.send_header(
                "Content-Type", "text/html" if isinstance(body, str) else "application/json"
            )
            self.send_header("Content-Length", str(len(data)))
            self.send_header("X-Seen", self.headers.get("Authorization", ""))
            self.send_header("Retry-After-Ms", "5")
            self.end_headers()
            self.wfile.write(data)

    return Handler
