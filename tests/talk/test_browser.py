"""The pages in a real browser: on a phone and wide, by keys alone, from right to left, and for
people who cannot see them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from annotate.hall import PHONE, WIDE, listening, serious, small_targets
from annotate.people import photo
from ikusi.judgements import journal
from ikusi.talk.preferences import open_preferences
from ikusi.talk.site import make_link
from talk.stage import QUESTION, WORD, Held, Stage

pytestmark = [pytest.mark.slow, pytest.mark.system]


class Room:
    """Pages that are served on this machine, and browsers that look at them."""

    def __init__(self, stage: Stage, port: int, browser: Any) -> None:
        self.stage, self.browser, self.place = stage, browser, f"http://127.0.0.1:{port}"
        self.faults: list[str] = []

    def open(self, **device: Any) -> Any:
        context = self.browser.new_context(**{"locale": "en-GB", **WIDE, **device})
        context.set_default_timeout(10_000)
        page = context.new_page()
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", lambda request: self._expect_here(request.url))
        page.goto(self.place + make_link(WORD))
        return page

    def _expect_here(self, url: str) -> None:
        if not url.startswith(self.place):
            self.faults.append(url)


@pytest.fixture
def room(stage: Callable[..., Stage], browser: Any) -> Iterator[Callable[..., Room]]:
    rooms: list[Room] = []
    with ExitStack() as stack:

        def room(*engines: Any, **settings: Any) -> Room:
            here = stage(*engines, **settings)
            rooms.append(Room(here, stack.enter_context(listening(here.app)), browser))
            return rooms[-1]

        yield room
        for one in rooms:
            one.stage.close()
        for context in browser.contexts:
            context.close()
    assert [one.faults for one in rooms] == [[] for _ in rooms]


def wait_over(page: Any) -> None:
    page.wait_for_selector("main:not([data-follow]) .turn")


def test_somebody_talks_by_keys_alone_and_reads_along(
    room: Callable[..., Room], tmp_path: Path
) -> None:
    model = Held()
    page = room(model).open()
    data = [*photo(turned=6, size=(640, 480))]
    page.evaluate(  # a picture from the clipboard
        """data => { const held = new DataTransfer(), about = {clipboardData: held, bubbles: true};
        held.items.add(new File([new Uint8Array(data)], "a.jpg", {type: "image/jpeg"}));
        document.dispatchEvent(new ClipboardEvent("paste", about)); }""",
        data,
    )
    page.wait_for_selector("canvas:visible")
    size = page.evaluate("(one => one.width < one.height)(document.querySelector('canvas'))")
    assert size  # upright
    assert serious(page) == []
    page.locator("#question").focus()
    page.keyboard.type(QUESTION)
    model.goes.clear()
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-side='0']:not(:empty)")
    assert page.evaluate("document.activeElement.id") == "question"
    page.keyboard.type("what is a")
    page.keyboard.press("Escape")
    wait_over(page)
    page.get_by_text("You stopped it here.").wait_for()
    assert page.locator("#status").inner_text() == "The answer is there."
    model.goes.set()
    page.keyboard.type(" dog ?")  # what was begun while the model spoke is still there
    page.keyboard.press("Enter")
    page.wait_for_selector(".turn >> nth=1")
    wait_over(page)
    assert page.locator(".asked").nth(1).inner_text() == "what is a dog ?"
    assert page.locator(".answer p").nth(1).inner_text() != ""
    assert len(model.asked[1].pictures) == 1


def test_a_phone_at_night_and_from_right_to_left(room: Callable[..., Room], tmp_path: Path) -> None:
    taken = tmp_path / "IMG_2041.jpg"
    taken.write_bytes(photo(size=(640, 480)))
    large = tmp_path / "large.jpg"
    large.write_bytes(bytes(24 * 10**6 + 1))
    with open_preferences(tmp_path / "arena", "eu", blind=True) as preferences:
        page = room(Held(0), Held(3), preferences=preferences).open(
            **PHONE, color_scheme="dark", locale="ar-EG"
        )
        talk_on_a_phone(page, taken, large)
        (row,) = journal.read(tmp_path / "arena")
    assert (row.verdict, row.reasons) == ("tie", ["both good"])


def talk_on_a_phone(page: Any, taken: Path, large: Path) -> None:
    assert page.evaluate("document.documentElement.dir") == "rtl"
    page.locator("#file").set_input_files(large)
    page.get_by_text("This file is too large.").wait_for()
    assert page.evaluate("document.getElementById('file').files.length") == 0
    page.locator("#file").set_input_files(taken)
    page.locator("#photo").set_input_files(taken)
    assert page.evaluate("document.getElementById('file').files.length") == 0  # one is sent
    page.locator("#question").fill("ما هذا؟")
    assert small_targets(page) == []
    page.get_by_role("button", name="Ask").tap()
    wait_over(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert small_targets(page) == [] and serious(page) == []
    assert "model-1" not in page.content()
    page.get_by_role("button", name="Both are good").tap()
    page.get_by_text("Kept: both are good.").wait_for()
    assert page.locator(".answer bdi").count() == 2
    asked, picture = (page.locator(one).bounding_box() for one in (".asked", ".shown img"))
    assert asked and picture and asked["x"] < 100  # at the end of the line
    page.get_by_role("button", name="New conversation").tap()
    page.locator("#file").wait_for()
