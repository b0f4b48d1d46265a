"""Small projects for the pages, and people that use them."""

import io
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw
from starlette.testclient import TestClient

from ikusi import artifact
from ikusi.annotate import making, project
from ikusi.annotate.making import Pictures
from ikusi.annotate.project import About, Item, Project, Seat, Turn
from ikusi.annotate.store import Store
from ikusi.annotate.web import app, pictures

MODELS = ("latxa", "llama")


def scene(number: int, side: int = 64) -> bytes:
    """A picture like no other."""
    image = Image.new("RGB", (side * 4 // 3, side), (200, 225, 240))
    draw, random_ = ImageDraw.Draw(image), random.Random(number)
    for _ in range(5):
        x, y, size = (random_.randrange(side) for _ in range(3))
        colour = tuple(random_.randrange(256) for _ in range(3))
        draw.ellipse((x, y, x + size, y + size), fill=colour)
    written = io.BytesIO()
    image.save(written, "png")
    return written.getvalue()


def validate_item(number: int, picture: str, text: str = "") -> Item:
    return Item(
        id=f"row-{number}",
        picture=picture,
        texts={"question": text or f"Zer dago {number}. irudian?", "answer": "Etxe gorri bat."},
        source={"question": f"What is in picture {number}?", "answer": "A red house."},
    )


def compare_item(number: int, picture: str, text: str = "") -> Item:
    return Item(
        id=f"row-{number}",
        picture=picture,
        texts={"question": text or f"Deskribatu {number}. irudia."},
        answers={model: f"{number}: {model[::-1]} erantzuna" for model in MODELS},
        weight=1.5,
    )


ITEMS = {"compare": compare_item}


def make_project(
    folder: Path,
    task: str = "validate",
    items: int = 3,
    seats: int = 2,
    texts: Sequence[str] = (),
    language: str = "eu",
    side: int = 64,
    pictured: bool = True,
) -> Project:
    """A project in which everybody is asked about every item; a second one sees answers turned."""
    codes = tuple(f"annotator-{n}" for n in range(1, seats + 1))
    about = About(
        task=task,
        benchmark="rows",
        language=language,
        source_language="en",
        seed=7,
        seats=codes,
        origin={},
        content="",
        made="2026-11-29T00:00:00Z",
    )
    with artifact.write_folder(folder, fingerprint="", kind=project.KIND, inputs={}) as staging:
        pictures = Pictures(staging)
        made = [
            ITEMS.get(task, validate_item)(
                n,
                pictures.add(scene(n, side), "test") if pictured else "",
                *texts[n - 1 : n],
            )
            for n in range(1, items + 1)
        ]
        dealt = []
        for place, code in enumerate(codes):
            sides = MODELS if place % 2 == 0 else MODELS[::-1]
            left, right = sides if task == "compare" else ("", "")
            turns = [Turn(item=one.id, left=left, right=right, shared=True) for one in made]
            dealt.append(Seat(code, tuple(turns)))
        making.write(staging, about, made, dealt)
    return project.read(folder)


def links(found: Project) -> dict[str, str]:
    """The path of each seat's link, by code name; `admin` has one too."""
    return {
        code: project.make_link(word) for word, code in project.read_links(found.folder).items()
    }


def hidden(page: str, name: str) -> str:
    """The value of the judging form's hidden field."""
    form = page[page.index("data-judge") :]
    match = re.search(rf'name="{name}" value="([^"]*)"', form)
    assert match
    return match[1]


class Served:
    """A project that is served in this process, and a person for each link."""

    def __init__(self, found: Project, store: Store, consent: str = "") -> None:
        pictures.make(found.folder)
        self.project, self.store, self.links = found, store, links(found)
        self.app = app.create(found, store, consent)

    def visitor(self, language: str = "en") -> TestClient:
        """A browser without a link."""
        headers = {"accept-language": language}
        return TestClient(self.app, base_url="http://127.0.0.1", headers=headers)

    def person(self, seat: str = "annotator-1", language: str = "en") -> "Person":
        return Person(self.visitor(language), self.links[seat])


class Person:
    """Somebody with a link, whose browser has no script."""

    def __init__(self, client: TestClient, link: str) -> None:
        self.client, self.link = client, link

    def get(self, place: object = "") -> Any:
        return self.client.get(f"{self.link}/{place}" if place != "" else self.link)

    def begin(self, name: str = "Ane") -> Any:
        """Agree, and see the first item."""
        return self.client.post(self.link, data={"agree": "yes", "name": name})

    def form(self, number: int) -> dict[str, str]:
        """The hidden fields of an item's form, as if it had been looked at for three seconds."""
        page = self.get(number).text
        shown = int(hidden(page, "shown")) - 3000
        return {"nonce": hidden(page, "nonce"), "shown": str(shown), "seconds": ""}

    def say(self, number: int, verdict: str = "", **fields: Any) -> Any:
        """Answer an item; the page that comes then."""
        own = {name.replace("__", "."): value for name, value in fields.items()}
        form = self.form(number) | ({"verdict": verdict} if verdict else {}) | own
        return self.client.post(f"{self.link}/{number}", data=form)
