"""Projects that are served on this machine, and browsers of people who look at them."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from annotate.people import Served

ONE, TWO = "annotator-1", "annotator-2"
WIDE: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
}
QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
THUMB = 44  # pixels that a thumb needs
READY = 450  # milliseconds until an item takes an answer


class Hall:
    """A project that is served on this machine, and the browsers of people who look at it."""

    def __init__(self, served: Served, port: int, browser: Any) -> None:
        self.served, self.browser = served, browser
        self.place = f"http://127.0.0.1:{port}"
        self.foreign: list[str] = []
        self.faults: list[str] = []

    def open(self, seat: str = ONE, begin: bool = True, **device: Any) -> Any:
        """A page of a browser at somebody's link, who has begun."""
        if begin and seat != "admin":
            self.served.store.enter(seat, "Ane", "the text")
        context = self.browser.new_context(**{"locale": "en-GB", **WIDE, **device})
        context.set_default_timeout(5000)
        page = context.new_page()
        page.on("request", lambda request: self._expect_here(request.url))
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.goto(self.place + self.served.links[seat])
        return page

    def _expect_here(self, url: str) -> None:
        if not url.startswith(self.place):
            self.foreign.append(url)

    def said(self, seat: str = ONE) -> dict[str, str]:
        """Verdicts of one person, by item."""
        return {item: w.given.verdict for item, w in self.served.store.answers(seat).items()}

    def words(self) -> list[str]:
        return [word.given.verdict for word in self.served.store.history()]


@contextmanager
def listening(site: Any) -> Iterator[int]:
    import uvicorn

    config = uvicorn.Config(site, port=0, log_level="error", access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    server.force_exit = True
    thread.join()


def ready(page: Any, number: int) -> None:
    """Wait until an item is there and takes an answer."""
    page.wait_for_url(f"**/{number}")
    # By the page's own clock, which begins with the picture: late on a busy machine.
    taken = "typeof ready === 'number' && !sending && performance.now() > ready"
    end = time.monotonic() + 20
    while not page.evaluate(taken):
        assert time.monotonic() < end
        page.wait_for_timeout(50)


def small_targets(page: Any) -> list[str]:
    """Elements that can be tapped and are too small for a thumb."""
    return page.evaluate(
        """least => [...document.querySelectorAll("button, summary, a, label, select, textarea")]
        .filter(one => one.checkVisibility() && !one.matches(".field, .language label, .default"))
        .filter(one => { const box = one.getBoundingClientRect();
            return box.height < least - .5 || box.width < least - .5; })
        .map(one => one.outerHTML.slice(0, 90))""",
        THUMB,
    )


def serious(page: Any) -> list[str]:
    """Faults found by axe-core that shut somebody out."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    bad = [one for one in found if one["impact"] in ("serious", "critical")]
    return [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in bad]
