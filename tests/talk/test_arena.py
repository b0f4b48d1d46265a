"""Two models side by side: who is which is hidden, and what people prefer becomes a judgement."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from annotate.people import photo
from ikusi import cli
from ikusi.data import images
from ikusi.errors import InputError
from ikusi.judgements import figures, journal
from ikusi.judgements.judgement import Judgement
from ikusi.talk.preferences import CHOICES, ITEMS, Preferences, open_preferences
from talk.stage import QUESTION, Held, Person, Stage

Make = Callable[..., Stage]
NAMES = ("model-1", "model-2")
pytestmark = pytest.mark.usefixtures("stripped_here")


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Callable[..., Preferences]]:
    with ExitStack() as stack:

        def table(language: str = "eu", blind: bool = True) -> Preferences:
            return stack.enter_context(open_preferences(tmp_path / "arena", language, blind))

        yield table


def pair(first: int = 0, second: int = 3) -> tuple[Held, Held]:
    """Two tiny models that answer otherwise."""
    return Held(first), Held(second)


def rows(preferences: Preferences) -> list[Judgement]:
    folder = preferences.journal.folder
    return list(journal.read(folder)) if (folder / journal.TABLE).is_file() else []


def judge(person: Person, choice: str, **fields: str) -> str:
    person.wait()
    return str(person.post("prefer", choice=choice, **fields).text)


@pytest.mark.slow
def test_who_is_which_is_hidden_until_it_is_said_which_is_better(
    stage: Make, table: Callable[..., Preferences]
) -> None:
    person = stage(*pair(), preferences=table()).person()
    seen = [person.get().text, person.begin(QUESTION, photo()).text]
    seen += [person.get("answers").text, person.wait("Which is better?")]
    seen.append(person.ask("what is a dog ?").text)
    assert not any(name in page for page in seen for name in NAMES)
    page = judge(person, "left")
    assert "Kept: A is better." in page and "Which is better?" not in page
    assert sorted(re.findall(r"Answer [AB] · <bdi>(model-\d)", page)[:2]) == list(NAMES)


def test_a_preference_is_a_judgement_with_what_was_judged_beside_it(
    stage: Make, table: Callable[..., Preferences], tmp_path: Path
) -> None:
    preferences = table()
    here = stage(*pair(), preferences=preferences)
    person = here.person()
    person.begin(QUESTION, photo())
    page = person.wait()
    rater = re.search(r"code name (visitor-\w{8})", page)
    person.ask("what is a dog ?")
    page = judge(person, "right")
    judge(person, "left")  # once is enough
    (row,) = rows(preferences)
    left, right = re.findall(r"Answer [AB] · <bdi>(model-\d)", page)[:2]
    assert rater and (row.rater, row.kind, row.task) == (rater[1], "person", "compare")
    assert (row.left, row.right, row.verdict, row.language) == (left, right, "B", "eu")
    assert row.benchmark == "arena" and row.seconds is not None and 0 <= row.seconds < 60
    (line,) = (tmp_path / "arena" / ITEMS).read_text().splitlines()
    item = json.loads(line)
    assert (item["id"], item["made"], item["left"]) == (row.id, row.made, left)
    shown = images.decode((tmp_path / "arena" / item["picture"]).read_bytes())
    said = here.expected(QUESTION, "what is a dog ?", image=shown)  # of the first model
    assert [turn["answers"]["model-1"] for turn in item["turns"]] == said
    assert [turn["question"] for turn in item["turns"]] == [QUESTION, "what is a dog ?"]
    assert item["turns"][0]["answers"]["model-2"] != said[0]
    assert "Your next question" not in page
    person.post("ask", question="more ?", turn="2")
    assert "more ?" not in person.get().text


@pytest.mark.slow
def test_the_same_picture_and_questions_are_the_same_item(
    stage: Make, table: Callable[..., Preferences]
) -> None:
    preferences = table()
    here = stage(*pair(), preferences=preferences)
    asked = [(QUESTION, photo()), (QUESTION, photo()), (QUESTION, photo(6)), ("a dog ?", photo())]
    for question, picture in asked:
        person = here.person()
        person.begin(question, picture)
        judge(person, "good")
    first, second, third, fourth = (row.id for row in rows(preferences))
    assert first == second and len({first, third, fourth}) == 3
    assert len({row.rater for row in rows(preferences)}) == 4


def test_sides_are_drawn_for_each_conversation(
    stage: Make, table: Callable[..., Preferences]
) -> None:
    here = stage(*pair(), preferences=table())
    lefts = {here.site.arrange()[0].name for _ in range(64)}
    assert lefts == set(NAMES)


@pytest.mark.parametrize("side", [0, 1])
def test_answers_that_are_missing_or_stopped_are_not_compared(
    stage: Make, table: Callable[..., Preferences], monkeypatch: pytest.MonkeyPatch, side: int
) -> None:
    preferences, models = table(), pair()
    person = stage(*models, preferences=preferences).person()
    if side:
        monkeypatch.setattr(models[side], "stream", lambda *_: 1 / 0)
    else:
        models[side].goes.clear()
    person.begin()
    if not side:
        assert "Which is better?" not in judge_early(person)
        person.post("stop")
    assert "these two cannot be compared" in judge(person, "left")
    assert rows(preferences) == []


def judge_early(person: Person) -> str:
    """The page in reply to a preference that is sent while an answer still comes."""
    return str(person.post("prefer", choice="left").text)


def test_who_asks_says_in_which_language_where_nobody_else_has(
    stage: Make, table: Callable[..., Preferences]
) -> None:
    preferences = table(language="", blind=False)
    person = stage(*pair(), preferences=preferences).person("gl")
    assert all(name in person.get().text for name in NAMES)  # nothing is hidden
    person.begin()
    assert '<option value="gl" lang="gl" selected>' in person.wait("asked-in")
    assert "Di en que lingua preguntaches." in judge(person, "bad", language="xx")
    judge(person, "worse", language="gl")
    assert rows(preferences) == []
    judge(person, "bad", language="es")
    (row,) = rows(preferences)
    assert (row.verdict, row.reasons, row.language) == ("tie", ["both bad"], "es")


def test_a_full_disk_keeps_the_question_open(
    stage: Make, table: Callable[..., Preferences], monkeypatch: pytest.MonkeyPatch
) -> None:
    preferences = table()
    person = stage(*pair(), preferences=preferences).person()
    person.begin()

    def full(*_: object) -> None:
        raise InputError("disk: expected room")

    with monkeypatch.context() as patch:
        patch.setattr(type(preferences.journal), "append", full)
        assert "the server has no room" in judge(person, "left")
    assert "Kept: A is better." in judge(person, "left")
    assert len(rows(preferences)) == 1


@pytest.mark.slow
def test_table_2_is_computed_of_what_people_prefer(
    stage: Make, table: Callable[..., Preferences], capsys: pytest.CaptureFixture[str]
) -> None:
    """Whichever side a model stood on; both good and both bad are ties."""
    preferences = table()
    here = stage(*pair(), preferences=preferences)
    wanted = ["model-1", "model-1", "model-2", "good", "bad"]
    for number, want in enumerate(wanted):
        person = here.person()
        person.begin(f"what is on the {'left ' * number}?")
        person.wait()
        talk = here.site.people.find(person.place.rpartition("/")[2]).conversation
        assert talk
        sides = {desk.name: side for desk, side in zip(talk.desks, CHOICES, strict=False)}
        judge(person, sides.get(want, want))
    (found,) = figures.compute(rows(preferences), resamples=10).table_2
    assert found.counts == {"model-1": 2, "tie": 2, "model-2": 1, "inconclusive": 0}
    assert found.items == 5 and found.sheet.benchmark == "arena"
    with pytest.raises(SystemExit):
        cli.main(["judgements", "report", str(preferences.journal.folder)])
    assert re.search(r"arena.*model-1", capsys.readouterr().out, re.DOTALL)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["a", "b"], "RUN: expected one model, or --web"),
        (["a", "b", "c", "--web"], "RUN: expected one model or two, found 3"),
        (["a", "a/checkpoint", "--web"], "RUN: expected models of different names, found a twice"),
        (["a", "--web", "--blind"], "--blind: expected none with one model"),
        (["a", "b", "--web", "--language", "xx"], "xx"),
        (["a", "b", "--web", "--output", "a"], "a: expected"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    tmp_path: Path,
    words: list[str],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a/checkpoint", "b"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "a" / "notes.txt").touch()
    with pytest.raises(SystemExit) as end:
        cli.main(["chat", *words])
    assert end.value.code == 3 and told in capsys.readouterr().err


def test_one_model_cannot_be_judged(stage: Make) -> None:
    person = stage(Held()).person()
    person.begin()
    assert "Which is better?" not in judge(person, "left")
