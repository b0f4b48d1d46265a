"""The pictures of pages that Ikusi makes, taken in a real browser.

    python docs/screenshots.py             the pages for people: images/annotate.webp
    python docs/screenshots.py STUDY RUN   a finished study's report, and the card of a release of
                                           one of its runs: images/report.webp, images/card.webp

Needs Chromium at /usr/bin/chromium, and the packages of the extra `dev`.
"""

import io
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from markdown_it import MarkdownIt
from playwright.sync_api import sync_playwright

from annotate import people
from annotate.hall import ONE, PHONE, TWO, Hall, listening, ready
from ikusi.annotate.project import Item
from ikusi.annotate.store import Given, open_store
from ikusi.publish.release import publish
from ikusi.report.page import write as write_report

IMAGES = Path(__file__).parent / "images"
CHROMIUM = "/usr/bin/chromium"
WIDE: dict[str, Any] = {"viewport": {"width": 1100, "height": 844}}
TALL: dict[str, Any] = {"viewport": {"width": 900, "height": 900}}
GAP = 24  # pixels
QUALITY = 80
STYLE = """
body { font: 16px/1.5 sans-serif; color: #1f2328; max-width: 52rem; margin: 2rem auto; }
h1, h2 { border-bottom: 1px solid #d1d9e0; padding-bottom: .3em; }
table { border-collapse: collapse; } th, td { border: 1px solid #d1d9e0; padding: .3rem .8rem; }
pre { background: #f6f8fa; padding: 1rem; overflow: hidden; border-radius: 6px; }
code { font-size: 85%; }
"""
"""How a card is shown: much as forges and hubs show Markdown."""


def draw_house(number: int, side: int = 64) -> bytes:
    """A picture of a house beside a tree."""
    image = Image.new("RGB", (960, 960), "#cfe8f5")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 520, 960, 960), fill="#8cc084")
    draw.ellipse((740, 60, 860, 180), fill="#f6d55c")
    draw.rectangle((260, 300, 600, 560), fill="#c8553d")
    draw.polygon([(220, 310), (430, 150), (640, 310)], fill="#6b3e2e")
    draw.rectangle((390, 420, 470, 560), fill="#f4ede4")
    draw.rectangle((300, 350, 360, 410), fill="#f4ede4")
    draw.rectangle((500, 350, 560, 410), fill="#f4ede4")
    draw.rectangle((740, 400, 770, 560), fill="#6b3e2e")
    draw.ellipse((660, 240, 850, 440), fill="#3f7d4e")
    written = io.BytesIO()
    image.save(written, "png")
    return written.getvalue()


def make_item(number: int, picture: str) -> Item:
    """A question on that picture and its translation."""
    return Item(
        id=f"row-{number}",
        picture=picture,
        texts={"question": "Zer koloretakoa da etxea?", "answer": "Gorria"},
        source={"question": "What colour is the house?", "answer": "Red"},
        right=("answer",),
    )


def take(folder: Path) -> Image.Image:
    """The page of an item, on a screen and on a phone, beside each other."""
    people.scene, people.validate_item = draw_house, make_item  # type: ignore[assignment]
    served = people.Served(people.make_project(folder, items=40), open_store(folder))
    for seat in (ONE, TWO):
        served.store.enter(seat)
        served.store.answer(seat, "row-1", Given("accept"), "screenshot")
    with sync_playwright() as driver, listening(served.app) as port:
        browser = driver.chromium.launch(executable_path=CHROMIUM)
        hall = Hall(served, port, browser)
        shots = []
        for seat, device in ((ONE, WIDE), (TWO, {**PHONE, "locale": "eu-ES"})):
            page = hall.open(seat, **device)
            ready(page, 2)
            shots.append(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
        browser.close()
    served.store.close()
    height = max(shot.height for shot in shots)
    both = Image.new("RGB", (sum(shot.width for shot in shots) + GAP, height), "white")
    both.paste(shots[0], (0, 0))
    both.paste(shots[1], (shots[0].width + GAP, 0))
    return both


def take_report(study: Path, folder: Path) -> Image.Image:
    """The head of the report on a study."""
    return take_page(write_report(study, folder / "report"))


def take_card(study: Path, run: str, folder: Path) -> Image.Image:
    """The part on scores of the card of a run's release, as Markdown is shown."""
    release = folder / "emoji-llava"
    publish(study / "instruct" / run, release)
    card = (release / "README.md").read_text(encoding="utf-8").partition("\n---\n")[2]
    shown = folder / "card.html"
    body = MarkdownIt("commonmark").enable("table").render(card)
    shown.write_text(f"<meta charset=utf-8><style>{STYLE}</style>{body}", encoding="utf-8")
    return take_page(shown, "What it scores")


def take_page(path: Path, heading: str | None = None) -> Image.Image:
    """The head of a page on the disk, or what stands from a heading on."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM)
        shown = browser.new_page(**TALL)
        shown.goto(path.resolve().as_uri())
        if heading:
            shown.get_by_role("heading", name=heading).evaluate("it => it.scrollIntoView()")
        shot = Image.open(io.BytesIO(shown.screenshot())).convert("RGB")
        browser.close()
    return shot


def main() -> None:
    """Take the pictures that the arguments ask for."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if sys.argv[1:]:
            study, run = Path(sys.argv[1]), sys.argv[2]
            shots = {
                "report": take_report(study, folder),
                "card": take_card(study, run, folder),
            }
        else:
            shots = {"annotate": take(folder / "project")}
        for name, shot in shots.items():
            shot.save(IMAGES / f"{name}.webp", "WEBP", quality=QUALITY)


if __name__ == "__main__":
    main()
