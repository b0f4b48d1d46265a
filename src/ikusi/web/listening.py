"""One process that sends pages to whoever knows their address."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from starlette.types import ASGIApp

from ikusi.errors import InputError

EVERYWHERE = ("0.0.0.0", "::")  # all addresses of this machine
ELSEWHERE = ("192.0.2.1", 9)  # an address kept for examples; nothing is sent there
WAITING = 2048  # connections that may wait for their turn
IDLE_SECONDS = 15


@contextmanager
def listen(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that people may connect to; port 0 is any that is free.

    Raises:
        InputError: the address is not of this machine, or the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise InputError(
                f"{host}:{port}: expected an address of this machine and a free port, found: "
                f"{error.strerror or error}"
            ) from None
        listener.listen(WAITING)
        yield listener


def send_pages(
    site: ASGIApp, listener: socket.socket, close: Callable[[], None] = lambda: None
) -> None:
    """Answer whoever connects until this process is stopped.

    Before it waits for connections to end, `close` is called, which ends those that would not.
    """
    import uvicorn

    class Server(uvicorn.Server):
        """Notes the signal that ends it, instead of raising it anew: it would be taken for two."""

        noted: int | None = None

        def handle_exit(self, sig: int, frame: Any) -> None:
            close()
            self.should_exit, self.noted = True, sig

    config = uvicorn.Config(
        site,
        access_log=False,  # a path holds its owner's secret
        log_level="warning",
        server_header=False,
        timeout_keep_alive=IDLE_SECONDS,
        lifespan="off",
    )
    server = Server(config)
    server.run(sockets=[listener])
    if server.noted is not None and callable(handler := signal.getsignal(server.noted)):
        handler(server.noted, None)


def name_address(host: str, listener: socket.socket) -> str:
    """The address by which people reach a socket, as a browser takes it."""
    shown = _find_address() if host in EVERYWHERE else host
    port = listener.getsockname()[1]
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def _find_address() -> str:
    """The address by which others in this network reach this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            asked.connect(ELSEWHERE)
        except OSError:
            return "127.0.0.1"
        return str(asked.getsockname()[0])
