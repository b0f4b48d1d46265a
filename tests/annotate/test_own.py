"""People give pictures of their own: what is kept of these, who reviews them, how they leave."""

import errno
import hashlib
import io
import re
import sqlite3
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from annotate.people import SECRET, Served, begin, list_kept, make_own, photo, scene
from ikusi import disk
from ikusi.annotate import exporting, growing, project
from ikusi.annotate.apply import apply
from ikusi.annotate.contributions import TEXTS
from ikusi.annotate.store import FILE, Given, open_store
from ikusi.annotate.web import serving
from ikusi.errors import InputError
from ikusi.web import stripping, uploads, wording

Serve = Callable[..., Served]
ONE, TWO, THREE = "annotator-1", "annotator-2", "annotator-3"
pytestmark = pytest.mark.usefixtures("stripped_here")
MARKUP = "<script>alert(1)</script>\"'>{{ 1234 * 1001 }}"


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_nothing_but_the_upright_picture_is_kept(serve: Serve, format: str) -> None:
    served = serve("own")
    (one,) = begin(served, ONE)
    sent = photo(turned=6, format=format)
    assert (sent.count(SECRET.encode()) > 3 and b"Exif" in sent) or b"eXIf" in sent
    page = one.upload(sent)
    assert page.url.path.endswith("/mine/1")
    small = one.get("mine/1/picture").content
    (picture,) = list_kept(served)
    for data in (picture.read_bytes(), small):
        assert not re.search(rb"Exif|eXIf|GPS|ICC_PROFILE|ICCP|xmp|Etxeko|IMEI", data)
        shown = Image.open(io.BytesIO(data))
        assert shown.size == (48, 64) and not shown.getexif()
        assert not {"exif", "comment", "icc_profile", "xmp"} & set(shown.info)
        above, below = (shown.convert("L").getpixel((24, y)) for y in (8, 56))
        assert isinstance(above, int) and isinstance(below, int)
        assert above < 100 < 200 < below  # the dark left half is above, once it is turned
    assert picture.stem == hashlib.sha256(picture.read_bytes()).hexdigest()[:32]
    assert not list(served.project.folder.glob(".*.tmp"))


def test_large_pictures_become_smaller_and_no_more_pixels_are_decoded_than_allowed(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = serve("own")
    (one,) = begin(served, ONE)
    one.upload(photo(size=(4000, 100)))
    assert Image.open(list_kept(served)[0]).size == (stripping.SIDE, 77)
    monkeypatch.setattr(uploads, "MOST_PIXELS", 3_000)
    page = one.upload(photo())
    assert page.status_code == 422 and "at most 0 million pixels" in page.text
    assert len(list_kept(served)) == 1


def test_what_is_no_single_picture_is_refused_in_one_line(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = serve("own")
    (one,) = begin(served, ONE)
    for files, line in (
        ([b"no picture at all"], "This is no picture"),
        ([photo()[:200]], "This is no picture"),
        ([b"<svg xmlns='http://www.w3.org/2000/svg'/>"], "This is no picture"),
        ([], "Please choose a picture first"),
        ([photo(), photo()], "one picture at a time"),
    ):
        page = one.upload(*files)
        assert page.status_code == 422 and line in page.text, line
    monkeypatch.setattr(uploads, "MOST_BYTES", 1000)
    page = one.upload(photo(size=(900, 900)))
    assert page.status_code == 413 and "This file is too large" in page.text
    assert one.upload(b"x", nonce="short").status_code == 422
    assert list_kept(served) == [] and served.store.contributions() == []
    assert not list(served.project.folder.glob(".*.tmp"))


def test_a_body_that_is_too_large_is_refused_while_it_comes(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MOST_BYTES", 20_000)
    monkeypatch.setattr(uploads, "FORM_BYTES", 1_000)
    served = serve("own")
    (one,) = begin(served, ONE)
    taken: list[int] = []

    def parts() -> Any:
        yield b'--x\r\nContent-Disposition: form-data; name="picture"; filename="a"\r\n\r\n'
        for _ in range(100):
            taken.append(1000)
            yield b"x" * 1000

    kind = {"content-type": "multipart/form-data; boundary=x"}
    page = one.client.post(f"{one.link}/mine", content=parts(), headers=kind)
    assert page.status_code == 413 and "This file is too large" in page.text
    wrong = one.client.post("/to/nobody/mine", content=b"--x", headers=kind)
    assert wrong.status_code == 404
    assert one.client.post(f"{one.link}/1", content=b"x" * 10**6).status_code == 413


def test_forms_sent_twice_are_one_item_and_duplicates_are_said(serve: Serve) -> None:
    served = serve("own", own=3)
    one, two, _ = begin(served)
    nonce = "a-nonce-of-a-form"
    assert one.upload(photo(), nonce=nonce).url == one.upload(photo(), nonce=nonce).url
    for _ in range(2):
        page = one.write(1, "Zer da?", "Etxea.")
        assert "Stored: number 1." in page.text
    one.write(1, "Beste bat?", "Bai.")
    (only,) = served.store.contributions()
    assert only.written
    assert not served.store.describe(ONE, 1, replace(only.written, licence="CC0-1.0"))
    assert served.store.contributions() == [only]
    assert only.written.texts == {"question": "Zer da?", "answer": "Etxea."}
    page = one.upload(photo())
    assert "You have given this picture before" in page.text
    again = one.write(2, "Zer da?", "Etxea.")
    assert again.status_code == 422 and "The same has been written" in again.text
    assert "Stored" in one.write(2, "Non dago?", "Hor.").text
    assert "Somebody has given this picture before" in two.upload(photo()).text
    assert len(list_kept(served)) == len(list_kept(served, project.SMALL)) == 1


def test_a_person_gives_as_many_as_were_asked_for(serve: Serve) -> None:
    served = serve("own", own=1)
    (one,) = begin(served, ONE)
    nonce = "a-nonce-of-a-form"
    one.upload(scene(1), nonce=nonce)
    page = one.upload(scene(2), nonce="another-nonce")
    assert page.status_code == 422 and "as many as you were asked for" in page.text
    assert 'type="file"' not in one.get("mine").text
    one.client.post(f"{one.link}/mine/1/remove")
    assert list_kept(served) == list_kept(served, project.SMALL) == []
    assert str(one.upload(scene(2), nonce=nonce).url).endswith("/mine/2")  # no number twice


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"text.0": ""}, "Please write something: Question"),
        ({"text.0": "  "}, "Please write something: Question"),
        ({"text.0": "a\x00b"}, "signs that cannot be shown: Question"),
        ({"text.1": "x" * 4001}, "It may have at most 4000 letters"),
        ({"text.1": "", "text.2": "", "text.5": ""}, "at least two choices"),
        ({"text.2": "bat"}, "different choices"),
        ({"right": ""}, "mark the right one"),
        ({"right": "choice 3"}, "mark the right one"),
        ({"looked": ""}, "look for faces"),
        ({"mine": ""}, "you made the picture yourself"),
        ({"depicted": "everybody"}, "who can be recognised, and a licence"),
        ({"licence": "all rights reserved"}, "who can be recognised, and a licence"),
    ],
)
def test_a_form_that_lacks_something_comes_back_as_it_was(
    serve: Serve, changed: dict[str, str], line: str
) -> None:
    served = serve("own", rows="choice")
    (one,) = begin(served, ONE)
    one.upload(scene(1))
    fields = {"text.5": "hiru", "text.6": "geratzen da", "right": "choice 1", **changed}
    page = one.write(1, "Zer da?", "bat", "bi", **fields)
    assert page.status_code == 422 and line in page.text and "geratzen da" in page.text
    assert served.store.contributions()[0].written is None


def test_markup_is_shown_and_not_obeyed(serve: Serve) -> None:
    served = serve("own")
    one, two, _ = begin(served)
    number = one.give(scene(1), MARKUP, MARKUP)
    pages = [one.get("mine"), one.get(f"mine/{number}"), two.get("review"), two.get("items")]
    pages.append(served.person("admin").get(number))
    for page in pages:
        assert page.status_code == 200 and "<script>alert" not in page.text
        assert "1235234" not in page.text
    assert "&lt;script&gt;alert(1)" in pages[2].text


def test_others_review_and_nobody_their_own_and_authors_have_no_name(serve: Serve) -> None:
    served = serve("own")
    one, two, three = begin(served)
    one.client.post(one.link, data={"agree": "yes", "name": "Benetako Izena"})
    number = one.give(scene(1), "Zer da?", "Etxea.")
    assert "Nothing of others is waiting" in one.get("mine").text
    for place in (number, f"{number}/picture", f"{number}/zoom"):
        assert one.get(place).status_code == 404
        assert two.get(place).status_code == 200
    form = {"nonce": "nonce-of-mine", "shown": "1", "verdict": "accept"}
    assert one.client.post(f"{one.link}/{number}", data=form).status_code == 404
    for place in (f"mine/{number}", f"mine/{number}/picture"):
        assert two.get(place).status_code == 404
    for place in (f"mine/{number}", f"mine/{number}/remove"):
        assert two.client.post(f"{two.link}/{place}").status_code == 404
    assert "Look at what others gave (1)" in two.get("mine").text
    page = two.get("review")
    assert page.url.path.endswith(f"/{number}")
    assert "Benetako" not in page.text and ONE not in page.text
    page = two.say(number, "accept")
    assert page.url.path.endswith("/mine") and "Nothing of others is waiting" in page.text
    assert "Nothing of others is waiting" in three.get("mine").text  # one review is enough
    assert three.say(number, "reject", reason="wrong").status_code == 200  # but none is lost
    assert [w.seat for w in served.store.history()] == [TWO, THREE]
    assert "Where people disagree" in served.person("admin").get().text


def test_who_runs_it_sees_how_far_people_are_and_can_remove_a_picture(serve: Serve) -> None:
    served = serve("own")
    one, two, _ = begin(served)
    one.give(scene(1), "Zer da?", "Etxea.")
    one.upload(scene(2))
    admin = served.person("admin")
    page = admin.get().text
    assert "1 of 2" in page and "0 of 2" in page and "1 wait for a review." in page
    two.say(1, "accept")
    assert "0 wait for a review." in admin.get().text
    assert f'action="{admin.link}/1/remove"' in admin.get(1).text
    assert "remove" not in two.get(1).text
    for person in (one, two):
        assert person.client.post(f"{person.link}/1/remove").status_code == 404
    assert admin.client.post(f"{admin.link}/2/remove").status_code == 404  # not an item yet
    assert "Zer da?" not in admin.client.post(f"{admin.link}/1/remove").text
    assert list(served.store.history()) == [] and len(list_kept(served)) == 1
    frozen = serve("validate").person("admin")
    assert frozen.client.post(f"{frozen.link}/1/remove").status_code == 404


def test_pages_of_own_pictures_are_nowhere_else(serve: Serve) -> None:
    served = serve("validate")
    (one,) = begin(served, ONE)
    for place in ("mine", "mine/1", "mine/1/picture", "review"):
        assert one.get(place).status_code == 404
    assert one.client.post(f"{one.link}/mine", files={"picture": photo()}).status_code == 404
    assert one.client.post(f"{one.link}/mine", content=b"x" * 10**6).status_code == 413
    fresh = serve("own").person(TWO)
    assert fresh.get("mine").url.path == fresh.link  # who has not agreed gives nothing
    fresh.client.post(f"{fresh.link}/mine", data={"nonce": "x" * 10}, files={"picture": photo()})
    assert fresh.get("mine").url.path == fresh.link


def test_who_withdraws_takes_their_pictures_along_and_the_counts_say_so(
    serve: Serve, tmp_path: Path
) -> None:
    served = serve("own")
    folder = served.project.folder
    one, two, three = begin(served)
    numbers = [one.give(scene(1), "Sekretua?", "Bai."), two.give(scene(1), "Zer da?", "Etxea.")]
    one.give(scene(2), "Hemen ere sekretua?", "Bai.")
    two.say(numbers[0], "corrected", text__0="Sekretu zuzendua?")
    one.say(numbers[1], "accept")
    three.say(numbers[1], "accept")
    exporting.export(folder, tmp_path / "judged")
    one.client.post(f"{one.link}/leave")
    assert [item.id for item in growing.read(folder).items.values()] == ["own-2"]
    assert [word.seat for word in served.store.history()] == [THREE]
    assert [path.stem for path in list_kept(served)] == [
        path.stem for path in list_kept(served, "small")
    ]
    assert len(list_kept(served)) == 1  # the other gave the same picture, and has not left
    assert two.get(numbers[0]).status_code == 404
    assert "2 answers removed" not in one.get().text and "withdrawn" in one.get().text
    admin = served.person("admin").get().text
    assert re.search(r"1 answers removed\s+and 2 pictures", admin)
    for file in folder.glob(f"{FILE}*"):
        assert b"ekretu" not in file.read_bytes()
    with pytest.raises(InputError, match="expected nothing of own-1, which was removed, found"):
        exporting.export(folder, tmp_path / "judged")
    done = exporting.export(folder, tmp_path / "anew")
    assert (done.added, done.withdrawn, done.pictures) == (1, {ONE: 1}, {ONE: 2})
    assert apply(folder, tmp_path / "corpus")["withdrawn"] == 2


def test_a_review_of_what_is_gone_is_not_kept(serve: Serve) -> None:
    served = serve("own")
    begin(served)
    said = served.store.send(TWO, "own-1", Given("accept"), "nonce", contribution=1)
    assert not said.result() and list(served.store.history()) == []


def test_a_full_disk_is_told_and_leaves_nothing_half(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = serve("own")
    (one,) = begin(served, ONE)

    def move(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(disk, "move", move)
    page = one.upload(photo())
    assert page.status_code == 503 and "could not be stored" in page.text
    monkeypatch.undo()
    assert served.store.contributions() == [] and list_kept(served) == []
    assert not list(served.project.folder.glob(".*.tmp"))


class KilledError(Exception):
    pass


@pytest.mark.parametrize("at", range(4))
def test_a_server_that_is_killed_keeps_what_it_vouched_for_and_tidies_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Whichever step is the last before the kill: no row without its picture, no picture left."""
    made = make_own(tmp_path / "project")
    served = Served(made, open_store(made.folder))
    (one,) = begin(served, ONE)
    one.upload(scene(1))
    steps = 0
    move, flush = disk.move, disk.flush

    def step(real: Callable[..., None]) -> Callable[..., None]:
        def run(*args: Any) -> None:
            nonlocal steps
            if Path(args[-1]).suffix in (".jpeg", ".webp", ".tmp"):
                if steps == at:
                    raise KilledError
                steps += 1
            real(*args)

        return run

    monkeypatch.setattr(disk, "move", step(move))
    monkeypatch.setattr(disk, "flush", step(flush))
    with pytest.raises(KilledError):
        one.upload(scene(2))
    monkeypatch.undo()
    served.store.close()
    (made.folder / ".a1.sent.77.tmp").write_bytes(photo())  # of one that was being sent
    lines = serving.serve(made.folder, "127.0.0.1", 0)
    next(lines)  # it has begun, and so has tidied
    store = open_store(made.folder)
    (left,) = store.contributions()
    store.close()
    assert [path.name for path in list_kept(served)] == [left.picture]
    assert not list(made.folder.glob(".*.tmp"))
    assert isinstance(lines, Generator)
    lines.close()


def test_stores_of_before_take_contributions_too(tmp_path: Path) -> None:
    made = make_own(tmp_path / "project")
    store = open_store(made.folder)
    store.enter(ONE, "Ane")
    store.close()
    before = sqlite3.connect(made.folder / FILE)
    before.executescript(
        "DROP TABLE contributions; ALTER TABLE people DROP COLUMN pictures; PRAGMA user_version=1"
    )
    before.close()
    store = open_store(made.folder)
    assert store.person(ONE).name == "Ane" and store.contributions() == []
    store.close()


def test_every_text_of_these_pages_is_used_and_every_text_used_is_there() -> None:
    from ikusi.annotate import task
    from ikusi.annotate.web.site import TEMPLATES

    code = [*TEMPLATES.glob("*.j2"), *TEMPLATES.parent.glob("*.py")]
    used = " ".join(file.read_text(encoding="utf-8") for file in code)
    pages = task.load("own").words["en"].pages
    called = set(re.findall(r"""\bsay\(\s*"(\w+)"[,)]""", used))
    assert called <= {*pages, *wording.read_texts(wording.SHARED)["en"].texts}
    for rows in TEXTS:
        used += f' "write_{rows}" "hint_{rows}"'
    assert [key for key in pages if f'"{key}"' not in used] == []
