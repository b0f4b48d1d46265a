"""Pictures of people's own in a real browser: from the link to the corpus."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from annotate.hall import ONE, PHONE, READY, TWO, Hall, serious, small_targets
from annotate.people import list_kept, photo
from ikusi.annotate.apply import apply
from ikusi.annotate.web import app
from ikusi.annotate.web.site import TEXTS
from ikusi.data.corpus import Corpus
from ikusi.web import uploads, wording

pytestmark = [pytest.mark.slow, pytest.mark.system]


@pytest.fixture
def taken(tmp_path: Path) -> Path:
    """A photo on somebody's telephone."""
    path = tmp_path / "IMG_2041.jpg"
    path.write_bytes(photo(turned=6, size=(640, 480)))
    return path


def fill(page: Any, question: str, answer: str) -> None:
    page.get_by_label("Question").fill(question)
    page.get_by_label("Answer").fill(answer)
    page.get_by_label("I have looked for faces").check()
    page.get_by_label("Nobody can be recognised").check()
    page.get_by_label("CC BY 4.0").check()
    page.get_by_label("I made this picture myself").check()
    page.get_by_role("button", name="Save").click()


def test_a_photo_goes_from_the_link_to_the_corpus(
    hall: Callable[..., Hall], taken: Path, tmp_path: Path
) -> None:
    here = hall("own")
    page = here.open(begin=False, color_scheme="dark", **PHONE)
    page.get_by_text("I have read this").tap()
    page.get_by_role("button", name="Begin").tap()
    page.wait_for_url("**/mine")
    assert page.locator("#photo").get_attribute("capture") == "environment"
    faults = small_targets(page)
    page.locator("#photo").set_input_files(taken)
    page.get_by_role("button", name="Send the picture").tap()
    page.wait_for_url("**/mine/1")
    shown = page.locator("figure img")
    assert shown.evaluate("one => [one.naturalWidth, one.naturalHeight]") == [480, 640]
    faults += serious(page) + small_targets(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.get_by_role("button", name="Save").tap()
    page.get_by_text("Please write something: Question").wait_for()
    fill(page, "Zer kolore du ezkerrak?", "Gorria.")
    page.get_by_text("Stored: number 1.").wait_for()
    faults += serious(page) + small_targets(page)
    bare = here.open(TWO, java_script_enabled=False)
    bare.get_by_label("Or choose a picture").set_input_files(taken)
    bare.get_by_role("button", name="Send the picture").click()
    bare.get_by_text("Somebody has given this picture before").wait_for()
    fill(bare, "Zer kolore du eskuinak?", "Zuria.")
    bare.get_by_role("link", name="Look at what others gave (1)").click()
    bare.wait_for_timeout(READY)
    bare.get_by_role("button", name="Accept").click()
    bare.get_by_text("Nothing of others is waiting").wait_for()
    assert faults == []
    counts = apply(here.served.project.folder, tmp_path / "corpus")
    assert (counts["rows"], counts["unreviewed"]) == (1, 1)
    corpus = Corpus.open(tmp_path / "corpus")
    row = corpus.row("eu", 0)
    assert (row["question"], row["answers"]) == ("Zer kolore du ezkerrak?", ["Gorria."])
    data = corpus.image_bytes(row["image_id"])
    assert data == list_kept(here.served)[0].read_bytes() and b"Etxeko" not in data


def test_keys_alone_and_from_right_to_left(
    hall: Callable[..., Hall], taken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = wording.read_texts(TEXTS)
    turned = texts["en"].model_copy(update={"code": "ar", "autonym": "عربي", "direction": "rtl"})
    monkeypatch.setattr(app, "read_texts", lambda folder: {**texts, "ar": turned})
    monkeypatch.setattr(uploads, "MOST_BYTES", 50_000)
    here = hall("own", language="ar")
    page = here.open(ONE, locale="ar-EG", viewport={"width": 390, "height": 844})

    def tab_to(name: str) -> None:
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.id || document.activeElement.name") == name:
                return
        raise AssertionError(name)

    choosers: list[Any] = []
    page.on("filechooser", lambda one: choosers.append(one))  # heard late if asked for late
    tab_to("file")
    page.keyboard.press("Enter")
    for _ in range(100):
        if choosers:
            break
        page.wait_for_timeout(50)
    large = taken.with_name("large.jpg")
    large.write_bytes(bytes(50_001))
    choosers[0].set_files(large)
    page.get_by_text("This file is too large").wait_for()  # before it is sent
    assert page.locator("#file").input_value() == ""
    page.locator("#file").set_input_files(taken)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/mine/1")
    assert page.evaluate("document.documentElement.dir") == "rtl"
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    for name, text in (("text.0", "ما هذا؟"), ("text.1", "بيت")):
        tab_to(name)
        page.keyboard.type(text)
    for name in ("looked", "depicted", "licence", "mine"):
        tab_to(name)
        page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.context.set_offline(True)
    page.keyboard.press("Enter")
    page.get_by_text("Not stored yet").wait_for()
    page.context.set_offline(False)
    page.get_by_text("Stored: number 1.").wait_for()
    (one,) = here.served.store.contributions()
    assert one.written and one.written.texts == {"question": "ما هذا؟", "answer": "بيت"}
    assert (one.written.licence, one.written.depicted) == ("CC-BY-4.0", "nobody")
