"""The pages in a real browser: wide and on a phone, by keys alone, without scripts, right to left,
without a connection, and for people who cannot see them."""

from collections.abc import Callable
from typing import Any

import pytest

from annotate.hall import (
    ONE,
    PHONE,
    READY,
    TWO,
    WIDE,
    Hall,
    ready,
    serious,
    small_targets,
)
from ikusi.annotate.web import app
from ikusi.annotate.web.site import TEXTS
from ikusi.web import wording

pytestmark = [pytest.mark.slow, pytest.mark.system]


def test_rows_are_validated_by_keys_alone(hall: Callable[..., Hall]) -> None:
    here = hall(items=4)
    page = here.open(begin=False)
    for _ in range(2):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "agree":
            break
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.type("Ane")
    page.keyboard.press("Enter")
    ready(page, 1)
    page.keyboard.press("a")
    ready(page, 2)
    assert page.evaluate("document.activeElement.tagName") == "H1"  # read out first
    for key in ("r", "1", "3", "r"):
        page.keyboard.press(key)
    ready(page, 3)
    page.keyboard.press("c")
    page.keyboard.press("End")
    page.keyboard.type(" Eta a?")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    ready(page, 4)
    page.keyboard.press("u")
    ready(page, 3)
    page.get_by_role("link", name="All items").focus()
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Continue").press("Enter")
    ready(page, 4)
    page.keyboard.press("s")
    page.wait_for_url("**/done")
    answers = here.served.store.answers(ONE)
    assert here.served.store.person(ONE).name == "Ane"
    assert answers["row-1"].given.verdict == "accept"
    assert answers["row-2"].given.reasons == ("meaning", "unnatural")
    assert answers["row-3"].given.correction == {"question": "Zer dago 3. irudian? Eta a?"}
    assert answers["row-4"].given.verdict == "skipped"
    assert 0.4 <= (answers["row-2"].given.seconds or 0) < 10


def test_answers_are_compared_by_keys_alone(hall: Callable[..., Hall]) -> None:
    here = hall("compare")
    page = here.open()
    ready(page, 1)
    assert page.locator(".criterion:visible").count() == 1
    for _ in range(5):  # in a hurry: one point, not all of them
        page.keyboard.press("2")
    page.wait_for_timeout(READY)
    assert page.locator(".criterion:visible").count() == 2
    page.keyboard.press("3")
    assert page.locator(".follows").inner_text() == "Answer B"
    page.wait_for_timeout(READY)
    page.keyboard.press("Enter")
    ready(page, 2)
    page.keyboard.press("Enter")  # before anything is chosen
    page.get_by_text("the first point that is open").wait_for()
    page.wait_for_timeout(READY)
    page.keyboard.press("1")
    page.wait_for_timeout(READY)
    page.locator("summary", has_text="I see it otherwise").press("Enter")
    page.locator("[name=verdict][value=tie]").press("Space")
    assert page.locator(".follows").inner_text() == "Both alike"
    page.keyboard.press("Enter")
    ready(page, 3)
    given = here.served.store.answers(ONE)
    assert given["row-1"].given.criteria == {"relevance": "tie", "quality": "B"}
    assert given["row-1"].given.verdict == "B"
    assert (given["row-2"].given.verdict, given["row-2"].given.criteria) == (
        "tie",
        {"relevance": "A"},
    )


@pytest.mark.parametrize("task", ["validate", "compare"])
def test_thumbs_do_it_on_a_phone(hall: Callable[..., Hall], task: str) -> None:
    here = hall(task, items=2)
    page = here.open(begin=False, **PHONE)
    assert small_targets(page) == []
    page.get_by_text("I have read this").tap()
    page.get_by_role("button", name="Begin").tap()
    ready(page, 1)
    if task == "validate":
        page.locator("summary", has_text="Reject").tap()
        page.get_by_text("It does not fit the picture").tap()
        assert small_targets(page) == []
        page.locator(".panel[open] > button").tap()
    else:
        page.locator(".criterion label", has_text="Answer B").first.tap()
        assert small_targets(page) == []
        page.get_by_role("button", name="Save").tap()
    ready(page, 2)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.locator(".actions button").first.is_visible()
    page.get_by_role("button", name="Take back").tap()
    ready(page, 1)
    assert here.said() == {} and len(here.words()) == 2
    page.get_by_role("link", name="All items").tap()
    page.get_by_role("link", name="Withdraw").wait_for()
    assert small_targets(page) == []


@pytest.mark.parametrize("task", ["validate", "compare"])
def test_everything_works_without_scripts(hall: Callable[..., Hall], task: str) -> None:
    here = hall(task, items=2)
    page = here.open(begin=False, java_script_enabled=False)
    page.get_by_label("I have read this").check()
    page.get_by_role("button", name="Begin").click()
    for number in (1, 2):
        page.wait_for_url(f"**/{number}")
        page.wait_for_timeout(READY)
        if task == "validate":
            page.locator("summary", has_text="Correct").click()
            page.get_by_role("textbox", name="Answer").fill(f"Etxe {number}.")
            page.get_by_role("button", name="Save the correction").click()
        else:
            page.get_by_label("Both alike").first.check(force=True)
            page.get_by_label("Answer A").nth(1).check(force=True)
            page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/done")
    answers = here.served.store.answers(ONE)
    if task == "validate":
        assert [w.given.correction["answer"] for w in answers.values()] == ["Etxe 1.", "Etxe 2."]
    else:
        assert [word.given.verdict for word in answers.values()] == ["A", "A"]


def test_keys_count_once_and_only_while_the_picture_is_looked_at(hall: Callable[..., Hall]) -> None:
    here = hall(items=4)
    page = here.open()
    ready(page, 1)
    for _ in range(5):
        page.keyboard.press("a")
    page.keyboard.down("a")
    for _ in range(5):
        page.keyboard.down("a")  # a key that is held repeats itself
    ready(page, 2)
    assert here.words() == ["accept"]
    page.keyboard.up("a")
    for keys in ("Control+a", "Alt+a", "Shift+Tab"):
        page.keyboard.press(keys)
    page.get_by_text("Add a note").click()
    page.locator("[name=note]").fill("")
    page.keyboard.type("as a note")
    assert here.words() == ["accept"] and page.locator("[name=note]").input_value() == "as a note"
    page.locator("h1").focus()
    page.evaluate(  # the letter of an Arabic keyboard in that place
        """document.activeElement.dispatchEvent(new KeyboardEvent("keydown",
        {key: "ش", code: "KeyA", bubbles: true, cancelable: true}))"""
    )
    ready(page, 3)
    assert here.words() == ["accept", "accept"]
    page.evaluate(  # a French one has another letter there
        """document.activeElement.dispatchEvent(new KeyboardEvent("keydown",
        {key: "q", code: "KeyA", bubbles: true, cancelable: true}))"""
    )
    held: list[Any] = []
    page.route("**/3/picture", lambda route: held.append(route))
    page.reload(wait_until="domcontentloaded")
    page.wait_for_timeout(READY)
    page.keyboard.press("a")
    page.wait_for_timeout(50)
    assert here.words() == ["accept", "accept"]
    held[0].continue_()
    ready(page, 3)
    page.get_by_role("button", name="Accept").dblclick()
    ready(page, 4)
    page.wait_for_timeout(100)
    assert len(here.words()) == 3


def test_a_lost_connection_loses_and_doubles_nothing(hall: Callable[..., Hall]) -> None:
    here = hall(items=4)
    page = here.open()
    ready(page, 1)
    page.context.set_offline(True)
    page.keyboard.press("a")
    page.get_by_text("Not stored yet").wait_for()
    assert here.words() == []
    page.context.set_offline(False)
    ready(page, 2)
    assert here.said() == {"row-1": "accept"} and page.locator("#notice:visible").count() == 0
    page.route(
        "**/2", lambda route: route.abort()
    )  # the answer never arrives, and the page is shut
    page.keyboard.press("a")
    page.get_by_text("Not stored yet").wait_for()
    page.unroute("**/2")
    again = page.context.new_page()
    page.close()
    again.goto(here.place + here.served.links[ONE])
    ready(again, 3)
    assert here.said() == {"row-1": "accept", "row-2": "accept"}

    def cut(route: Any) -> None:
        route.fetch(max_redirects=0)  # the server has it, and its answer is lost
        route.abort()

    again.route("**/3", cut, times=1)
    again.keyboard.press("a")
    ready(again, 4)
    assert here.words() == ["accept"] * 3


def test_the_picture_opens_whole_and_closes(hall: Callable[..., Hall]) -> None:
    here = hall(side=900)
    page = here.open()
    ready(page, 1)
    page.keyboard.press("z")
    picture = page.locator("dialog img")
    picture.wait_for()
    page.wait_for_function("document.querySelector('dialog img').naturalWidth == 1200")
    page.keyboard.press("a")
    picture.click()
    page.wait_for_function("document.querySelector('dialog').scrollHeight > innerHeight")
    page.keyboard.press("Escape")
    page.locator("dialog").wait_for(state="detached")
    assert here.words() == []
    bare = here.open(TWO, java_script_enabled=False)
    bare.get_by_label("Enlarge the picture").click()
    assert bare.locator(".zoomed img").get_attribute("src").endswith("/1/full")


def test_pages_run_from_right_to_left(
    hall: Callable[..., Hall], monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = wording.read_texts(TEXTS)
    turned = texts["en"].model_copy(update={"code": "ar", "autonym": "عربي", "direction": "rtl"})
    monkeypatch.setattr(app, "read_texts", lambda folder: {**texts, "ar": turned})
    here = hall(texts=["ما هذا؟ (a house)"], language="ar")
    for device in (WIDE, PHONE):
        page = here.open(locale="ar-EG", **device)
        ready(page, 1)
        assert page.evaluate("document.documentElement.dir") == "rtl"
        accept = page.get_by_role("button", name="Accept").bounding_box()
        reject = page.locator("summary", has_text="Reject").bounding_box()
        assert accept and reject and accept["x"] > reject["x"]
        sides = page.eval_on_selector_all(
            ".text .said, .text .source", "all => all.map(one => getComputedStyle(one).direction)"
        )
        assert sides == ["ltr", "rtl", "ltr", "ltr"]  # each text runs as its own letters do
        width = page.viewport_size["width"]
        assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.locator("html").get_attribute("lang") == "ar"


@pytest.mark.parametrize(("task", "scheme"), [("validate", "light"), ("compare", "dark")])
def test_nothing_shuts_out_who_cannot_see_the_pages(
    hall: Callable[..., Hall], task: str, scheme: str
) -> None:
    here = hall(task)
    page = here.open(begin=False, color_scheme=scheme)
    faults = {"start": serious(page)}
    page.get_by_label("I have read this").check()
    page.get_by_role("button", name="Begin").click()
    ready(page, 1)
    page.keyboard.press("r" if task == "validate" else "2")
    page.get_by_text("Add a note").click()
    if task == "compare":
        page.locator("summary", has_text="I see it otherwise").click()
    faults["item"] = serious(page)
    page.goto(
        here.place + here.served.links[ONE] + "/items"
        if task == "validate"
        else here.place + here.served.links["admin"]
    )
    faults["list"] = serious(page)
    assert {place: found for place, found in faults.items() if found} == {}


def test_a_page_is_read_out_in_a_sensible_order(hall: Callable[..., Hall]) -> None:
    page = hall().open()
    ready(page, 1)
    read = page.locator("body").aria_snapshot()
    order = [
        "All items",
        "0 of 3",
        "Enlarge the picture",
        "Is this right?",
        "What is in picture 1?",
    ]
    order += ["Zer dago 1. irudian?", 'button "Accept"', "Correct", "Reject", "Add a note", "Skip"]
    places = [read.find(part) for part in order]
    assert -1 not in places and places == sorted(places), read
