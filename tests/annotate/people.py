"""Small projects for the pages, and people that use them."""

import io
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo
from starlette.testclient import TestClient

from ikusi import artifact
from ikusi.annotate import making, own_plan, project
from ikusi.annotate.making import Pictures
from ikusi.annotate.project import About, Item, Project, Seat, Turn
from ikusi.annotate.store import Store
from ikusi.annotate.web import app, pictures
from ikusi.annotate.web.site import Site

MODELS = ("latxa", "llama")
SECRET = "Etxeko kalea 7, IMEI 3531"


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


def photo(turned: int = 1, format: str = "JPEG", size: tuple[int, int] = (64, 48)) -> bytes:
    """A photo whose left half is red, with all that a camera and programs write beside pixels."""
    image = Image.new("RGB", size, "white")
    image.paste((220, 20, 20), (0, 0, size[0] // 2, size[1]))
    exif = Image.Exif()
    exif[0x0112] = turned
    exif[0x010F] = exif[0x010E] = SECRET
    exif.get_ifd(0x8825).update({1: "N", 2: (43.0, 15.0, 47.0), 3: "W", 4: (2.0, 55.0, 0.0)})
    written, more = io.BytesIO(), {"exif": exif.tobytes(), "icc_profile": SECRET.encode() * 20}
    if format == "JPEG":
        xmp = b"<x:xmpmeta>" + SECRET.encode() + b"</x:xmpmeta>"
        image.save(written, format, quality=90, comment=SECRET, xmp=xmp, **more)
    else:
        info = PngInfo()
        info.add_text("Comment", SECRET)
        info.add_itxt("XML:com.adobe.xmp", SECRET)
        image.save(written, format, pnginfo=info, **more)
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


def make_own(folder: Path, **about: Any) -> Project:
    """A project for which three people give two pictures each."""
    asked = {"name": "hall", "language": "eu", "annotators": 3, "own": 2, **about}
    return own_plan.plan_own(**asked).make(folder).project


def links(found: Project) -> dict[str, str]:
    """The path of each seat's link, by code name; `admin` has one too."""
    return {
        code: project.make_link(word) for word, code in project.read_links(found.folder).items()
    }


def hidden(page: str, name: str, after: str = "data-judge") -> str:
    """The value of a form's hidden field."""
    form = page[page.index(after) :]
    match = re.search(rf'name="{name}" value="([^"]*)"', form)
    assert match
    return match[1]


class Served:
    """A project that is served in this process, and a person for each link."""

    def __init__(self, found: Project, store: Store, consent: str = "") -> None:
        pictures.make(found.folder)
        self.project, self.store, self.links = found, store, links(found)
        self.app = app.create(found, store, consent)
        self.site: Site = self.app.app.state.site  # type: ignore[attr-defined]

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

    def upload(self, *files: bytes, nonce: str = "", link: str = "") -> Any:
        """Send a picture; the page that comes then."""
        nonce = nonce or hidden(self.get("mine").text, "nonce", "multipart")
        sent = [("picture", ("IMG.jpg", data, "image/jpeg")) for data in files]
        return self.client.post(f"{link or self.link}/mine", data={"nonce": nonce}, files=sent)

    def write(self, number: int, *texts: str, **fields: str) -> Any:
        """Write about a picture; a field that is empty is left out."""
        told = {f"text.{place}": text for place, text in enumerate(texts)}
        ticks = {"looked": "yes", "mine": "yes", "depicted": "nobody", "licence": "CC-BY-4.0"}
        form = {name: value for name, value in {**ticks, **told, **fields}.items() if value}
        return self.client.post(f"{self.link}/mine/{number}", data=form)

    def give(self, data: bytes, *texts: str, **fields: str) -> int:
        """Give a picture and write about it; returns its number."""
        page = self.upload(data)
        number = int(str(page.url).rpartition("/")[2])
        assert self.write(number, *texts, **fields).url.query == f"kept={number}".encode()
        return number


def begin(served: Served, *seats: str) -> list[Person]:
    """People who have begun, three where nobody is named."""
    people = [served.person(seat) for seat in seats or [f"annotator-{n}" for n in (1, 2, 3)]]
    for one in people:
        one.begin()
    return people


def list_kept(served: Served, folder: str = project.PICTURES) -> list[Path]:
    """The files of pictures in a project."""
    return sorted((served.project.folder / folder).glob("*"))
