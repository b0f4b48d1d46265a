"""Pages for people who talk with a model: answers, turns, a queue, refusals in words, no traces."""

import html
import io
import json
import re
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from annotate.people import photo
from ikusi.answer.chat import make_query
from ikusi.data import images
from ikusi.server.client import GoneError
from ikusi.talk import conversation, desk, pages
from ikusi.talk.preferences import CHOICES
from ikusi.talk.site import TEMPLATES, TEXTS, make_link
from ikusi.web import rendering, uploads, wording
from talk.stage import QUESTION, WORD, Held, Person, Stage

Make = Callable[..., Stage]
NEXT = "what is on the right ?"
pytestmark = pytest.mark.usefixtures("stripped_here")


def read_events(person: Person) -> list[str]:
    """The text of each answer, as a person reads it who follows them to their end."""
    said: dict[int, str] = {}
    lines = person.get("answers").text.split("\n\n")
    for line in lines:
        if line.startswith("data: "):
            event = json.loads(line.removeprefix("data: "))
            if "text" in event:
                units = said.get(event["side"], "").encode("utf-16-le")[: 2 * event["at"]]
                said[event["side"]] = units.decode("utf-16-le") + event["text"]
    assert lines[-2].startswith("event: over")
    return [said[side] for side in sorted(said)]


def test_a_picture_and_questions_are_answered_as_in_the_terminal(stage: Make) -> None:
    model = Held()
    here = stage(model)
    person = here.person()
    person.begin(QUESTION, photo(turned=6))
    followed = read_events(person)
    answers = person.answers()
    person.ask(NEXT)
    answers = person.answers()
    talk = here.site.people.find(person.place.rpartition("/")[2]).conversation
    assert talk and talk.picture
    plain = images.decode(talk.picture.plain)
    assert plain.size == (48, 64)  # upright
    assert answers == here.expected(QUESTION, NEXT, image=plain) and followed == answers[:1]
    assert [len(query.messages) for query in model.asked] == [1, 3]
    assert Image.open(io.BytesIO(person.get("picture").content)).format == "WEBP"


def test_an_answer_is_read_while_it_comes_also_without_scripts(stage: Make) -> None:
    model = Held()
    here = stage(model)
    person = here.person()
    model.goes.clear()
    page = person.begin().text
    assert 'http-equiv="refresh"' in page and "Stop" in page
    first = here.expected(QUESTION)[0].split()[0]
    page = person.wait(f'aria-busy="true">{first}</p>')
    refused = person.ask(NEXT)
    assert refused.status_code == 409 and "is still being answered" in refused.text
    assert NEXT in refused.text  # it need not be written again
    model.goes.set()
    page = person.wait()
    assert 'http-equiv="refresh"' not in page and "Stop" not in page


def test_who_stops_an_answer_keeps_what_there_is_and_goes_on(stage: Make) -> None:
    model = Held()
    here = stage(model)
    person = here.person()
    model.goes.clear()
    first = here.expected(QUESTION)[0].split()[0]
    person.begin()
    person.wait(f">{first}</p>")
    page = person.post("stop").text
    assert "You stopped it here." in page and person.answers() == [first]
    model.goes.set()
    person.ask(NEXT)
    person.wait()
    said = [message["content"][-1]["text"] for message in model.asked[1].messages]
    assert said == [QUESTION, first, NEXT]


@pytest.mark.parametrize("cut", [True, False])
def test_an_answer_that_is_as_long_as_is_allowed_says_so(
    stage: Make, monkeypatch: pytest.MonkeyPatch, cut: bool
) -> None:
    whole = Held.stream
    monkeypatch.setattr(Held, "stream", lambda *asked: replace(whole(*asked), hit_limit=cut))
    person = stage(Held()).person()
    person.begin()
    assert ("It was cut here" in person.wait()) == cut


def test_a_model_answers_one_at_a_time_and_the_page_says_who_is_first(
    stage: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Held()
    here = stage(model)
    model.goes.clear()
    one, two, three = here.person(), here.person(), here.person()
    one.begin()
    two.begin()
    monkeypatch.setattr(desk, "MOST_WAITING", 2)
    assert "1 before you" in two.get().text and len(model.asked) == 1
    full = three.begin("what is a dog ?")
    assert full.status_code == 503 and "Too many questions are waiting." in full.text
    assert "what is a dog ?" in full.text
    two.post("leave")  # who leaves is not answered
    model.goes.set()
    one.wait()
    three.begin("what is a dog ?")
    three.wait()
    assert [query.question for query in model.asked] == [QUESTION, "what is a dog ?"]


def test_a_conversation_and_its_picture_are_forgotten_and_on_no_disk(
    stage: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    person = stage(Held()).person()
    person.begin(QUESTION, photo())
    person.wait()
    assert list(tmp_path.iterdir()) == []
    assert "New conversation" not in person.post("leave").text
    assert person.get("picture").status_code == person.get("answers").status_code == 404


def test_people_make_room_for_others(stage: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    here = stage(Held())
    people = [here.person() for _ in range(3)]
    monkeypatch.setattr(conversation, "MOST_PEOPLE", 2)
    for one in people:
        one.begin()
        one.wait()
    assert ["New conversation" in one.get().text for one in people] == [False, True, True]
    monkeypatch.setattr(conversation, "MOST_BYTES", 1)
    people[2].post("leave")
    people[2].begin(QUESTION, photo())  # who is there alone keeps theirs
    assert ["New conversation" in one.get().text for one in people] == [False, False, True]


@pytest.mark.parametrize(
    ("question", "sent", "status", "told"),
    [
        (" ", [], 422, "Please write a question."),
        ("x" * 4001, [], 422, "at most 4000 letters"),
        (QUESTION, [b"no picture"], 422, "no picture that can be read"),
        (QUESTION, [photo(), photo()], 422, "one picture at a time"),
        (QUESTION, [photo(size=(80, 60))], 422, "at most 0 million pixels"),
        (QUESTION, [b"x" * 5000], 413, "This file is too large."),
        (QUESTION, [b"x" * 99_000], 413, "This file is too large."),
    ],
)
def test_what_cannot_be_taken_is_said_in_words(
    stage: Make,
    monkeypatch: pytest.MonkeyPatch,
    question: str,
    sent: list[bytes],
    status: int,
    told: str,
) -> None:
    monkeypatch.setattr(uploads, "MOST_PIXELS", 4000)
    monkeypatch.setattr(uploads, "MOST_BYTES", 4000)
    person = stage(Held()).person()
    page = person.begin(question, *sent)
    assert page.status_code == status and told in page.text
    assert "New conversation" not in person.get().text


def test_a_conversation_has_an_end_and_a_form_sent_twice_is_one(
    stage: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "MOST_TURNS", 1)
    model = Held()
    person = stage(model).person()
    person.begin()
    person.wait()
    person.begin()
    person.post("ask", question=QUESTION, turn="0")
    full = person.ask(NEXT)
    assert full.status_code == 422 and "at most 1 questions" in full.text
    assert len(model.asked) == 1


@pytest.mark.parametrize(
    ("error", "told"),
    [(GoneError("http://10.0.0.9: gone"), "cannot answer now"), (KeyError("x"), "gave no answer")],
)
def test_why_there_is_no_answer_is_told_to_who_runs_it(
    stage: Make,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    told: str,
) -> None:
    model = Held()

    def fail(*_: object) -> None:
        raise error

    person = stage(model).person()
    with monkeypatch.context() as patch:
        patch.setattr(model, "stream", fail)
        person.begin()
        page = person.wait()
    assert told in page and "10.0.0.9" not in page
    assert f"model-1: {error}" in capsys.readouterr().err.replace("KeyError: ", "")
    person.ask(NEXT)
    person.wait()
    assert [len(query.messages) for query in model.asked] == [1]  # it goes on without that one


def test_a_change_is_from_a_letter_on_as_scripts_count_them(stage: Make) -> None:
    here = stage(Held())
    answer = desk.Answer(make_query([], QUESTION, False, 1), None, "😀 a cat")
    talk, turn = conversation.Conversation(here.desks), conversation.Turn(QUESTION, [answer])
    shown, before = [""], [0]
    (first,) = pages._list_changes(talk, turn, shown, before)
    answer.text = "😀 a dog"
    (second,) = pages._list_changes(talk, turn, shown, before)
    assert (first["at"], first["text"]) == (0, "😀 a cat")
    assert (second["at"], second["text"]) == (5, "dog")
    assert list(pages._list_changes(talk, turn, shown, before)) == []


def test_a_control_token_is_no_question(stage: Make) -> None:
    person = stage(Held()).person()
    person.begin("what is <|image|> ?")
    assert "gave no answer" in person.wait()


def test_only_the_link_leads_here_and_no_text_becomes_markup(stage: Make) -> None:
    here = stage(Held())
    person = here.person()
    markup = "<script>alert(1)</script>'\"{{ 7 * 7 }}\x1b"
    person.begin(markup)
    page = person.wait()
    assert html.escape(markup[:-1], quote=False)[:20] in page and "<script>alert" not in page
    assert "\x1b" not in page and "49" not in re.sub(r"\?\w+|to/[^\"]+", "", page)
    own = person.place.rpartition("/")[2]
    for path in ("/", "/to/other", f"/to/other/{own}", make_link(WORD) + "/short", "/assets/x"):
        assert person.client.get(path).status_code == 404
    assert person.client.get("/", headers={"host": "evil.example"}).status_code == 400
    for answer in (person.get(), person.get("answers"), person.client.get("/assets/talk.js")):
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'") and "unsafe" not in policy
        assert "set-cookie" not in answer.headers
    other = here.person()
    assert other.place != person.place and "You asked" not in other.get().text


def test_pages_speak_the_language_that_somebody_chose(stage: Make) -> None:
    person = stage(Held()).person("gl")
    assert "Pregunta sobre unha imaxe" in person.get().text
    assert "Galdetu irudi bati buruz" in person.post("language", language="eu").text
    person.begin()
    assert "Elkarrizketa berria" in person.post("language", language="xx").text
    person.wait()
    assert "Galdetu irudi bati buruz" in person.post("leave").text


def test_every_text_is_used_and_every_text_used_is_there() -> None:
    folders = (TEMPLATES, TEMPLATES.parent, rendering.SHARED, uploads_folder())
    code = [file for folder in folders for kind in ("*.j2", "*.py") for file in folder.glob(kind)]
    used = " ".join(file.read_text(encoding="utf-8") for file in code)
    every = wording.read_texts(TEXTS)
    assert sorted(every) == sorted(wording.read_texts(wording.SHARED))
    called = set(re.findall(r"""\b(?:w|words|RefusedError)\(\s*"(\w+)"[,)]""", used))
    assert called <= set(every["en"].texts)
    states = {"cut", "stopped", "failed", "away"}
    states |= {f"{form}_{name}" for form in ("is", "said") for name in CHOICES}
    assert [key for key in every["en"].texts if f'"{key}"' not in used and key not in states] == []


def uploads_folder() -> Path:
    return Path(str(uploads.__file__)).parent


def test_a_model_that_sees_nothing_is_asked_without_pictures(stage: Make) -> None:
    model: Any = Held()
    model.sees = False
    person = stage(model).person()
    assert 'type="file"' not in person.get().text
    person.begin(QUESTION, photo())
    person.wait()
    assert person.get("picture").status_code == 404
