"""The pages for people in a browser without scripts: forms, and pages that answer them."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from annotate.people import Served, hidden, make_project
from ikusi.annotate.web import site

Serve = Callable[..., Served]
ONE, TWO = "annotator-1", "annotator-2"


def test_nobody_begins_without_having_agreed(serve: Serve) -> None:
    served = serve()
    person = served.person()
    assert "You take part of your own free will" in person.get().text
    assert person.get(1).url.path == person.link  # led back
    refused = person.client.post(person.link, data={"name": "Ane"})
    assert refused.status_code == 422 and 'value="Ane"' in refused.text
    assert served.store.people() == {}
    assert person.begin("  Ane\n ").url.path == f"{person.link}/1"
    assert served.store.person(ONE).name == "Ane"


def test_a_text_of_ones_own_is_what_people_agree_to(serve: Serve) -> None:
    served = serve(consent="Our <board> asks you.")
    person = served.person()
    page = person.get().text
    assert "Our &lt;board&gt; asks you." in page and "free will" not in page
    person.begin()
    texts = [row["text"] for row in served.store._rows("SELECT text FROM consents")]
    assert texts == ["Our <board> asks you."]


def test_accepting_leads_to_the_next_item_and_says_what_was_stored(serve: Serve) -> None:
    served = serve()
    person = served.person()
    person.begin()
    page = person.say(1, "accept")
    assert page.url.path == f"{person.link}/2" and "Stored: item 1, accepted." in page.text
    word = served.store.answers(ONE)["row-1"]
    assert (word.given.verdict, word.given.seconds) == ("accept", pytest.approx(3, abs=1))


def test_rejecting_keeps_the_reasons_in_the_order_of_the_task(serve: Serve) -> None:
    served = serve()
    person = served.person()
    person.begin()
    person.say(1, "reject", reason=["picture", "meaning", "no such reason"], note=" Hmm\r\nBai ")
    given = served.store.answers(ONE)["row-1"].given
    assert given.reasons == ("meaning", "picture") and given.note == "Hmm\nBai"


def test_a_correction_keeps_only_what_was_changed_and_is_no_acceptance(serve: Serve) -> None:
    served = serve()
    person = served.person()
    person.begin()
    fields = {"text__0": "Zer dago 1. irudian?", "text__1": "Etxe txiki gorri bat."}
    assert "Stored: item 1, corrected." in person.say(1, "corrected", **fields).text
    given = served.store.answers(ONE)["row-1"].given
    assert (given.verdict, given.correction) == ("reject", {"answer": "Etxe txiki gorri bat."})


@pytest.mark.parametrize("text", ["two\r\nlines\r", "\nbegins with one", "a\x0bb", "&lt;b>"])
def test_a_text_that_was_not_touched_is_no_correction(serve: Serve, text: str) -> None:
    """A browser gives line ends and control signs back in another way than it got them."""
    served = serve(texts=[text])
    person = served.person()
    person.begin()
    page = person.get(1).text
    shown = re.search(r'<textarea id="text\.0"[^>]*>\n(.*?)</textarea>', page, re.DOTALL)
    assert shown
    back = shown[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    person.say(1, "accept", text__0=back.replace("\n", "\r\n"))
    assert served.store.answers(ONE)["row-1"].given.verdict == "accept"


@pytest.mark.parametrize(
    ("verdict", "fields", "why"),
    [
        ("accept", {"text__1": "Etxe bat."}, "You changed a text."),
        ("reject", {"text__1": "Etxe bat."}, "You changed a text."),
        ("accept", {"reason": "meaning"}, "You chose reasons."),
        ("corrected", {}, "Nothing has been changed yet."),
        ("", {}, "Please choose one of the buttons."),
        ("A", {}, "Please choose one of the buttons."),
        ("accept", {"note": "x" * 4001}, "A text is too long. It may have at most 4000 letters."),
        ("accept", {"nonce": "short"}, "Please choose one of the buttons."),
        ("accept", {"shown": "yesterday"}, "Please choose one of the buttons."),
        ("accept", {"seconds": "nan"}, "Please choose one of the buttons."),
    ],
)
def test_a_form_that_says_two_things_is_shown_again_with_all_that_was_written(
    serve: Serve, verdict: str, fields: dict[str, str], why: str
) -> None:
    served = serve()
    person = served.person()
    person.begin()
    page = person.say(1, verdict, **{"note": "my note", **fields})
    assert page.status_code == 422 and why in page.text
    assert fields.get("note", "my note") in page.text and fields.get("text__1", "") in page.text
    assert served.store.answers(ONE) == {}


def test_a_skipped_item_keeps_what_was_written_and_is_offered_at_the_end(serve: Serve) -> None:
    served = serve(items=2)
    person = served.person()
    person.begin()
    assert person.say(1, skip="yes", text__1="Etxe", note="half").url.path.endswith("/2")
    end = person.say(2, "accept")
    assert end.url.path == f"{person.link}/done" and f'href="{person.link}/1">1<' in end.text
    again = person.get(1).text
    assert "\nEtxe</textarea>" in again and "\nhalf</textarea>" in again
    assert "Thank you" in person.say(1, "accept").text


def test_an_answer_is_taken_back_and_given_anew(serve: Serve) -> None:
    served = serve()
    person = served.person()
    person.begin()
    page = person.say(1, "accept").text
    form = page[page.index(f"{person.link}/1/back") :]
    nonce = re.search(r'name="nonce" value="([^"]+)"', form)
    assert nonce
    for _ in range(2):  # a double click
        page = person.client.post(f"{person.link}/1/back", data={"nonce": nonce[1]})
        assert page.url.path == f"{person.link}/1"
    assert "You took back your answer to item 1." in page.text
    assert served.store.answers(ONE) == {}
    person.say(1, "reject")
    assert [word.given.verdict for word in served.store.history()] == [
        "accept",
        "skipped",
        "reject",
    ]


def test_an_answer_is_seen_again_and_changed(serve: Serve) -> None:
    served = serve()
    person = served.person()
    person.begin()
    person.say(1, "reject", reason="meaning")
    page = person.get(1).text
    assert "You said: rejected." in page
    assert re.search(r'value="meaning"[^>]* checked', page)
    person.say(1, "accept")
    assert served.store.answers(ONE)["row-1"].given.verdict == "accept"


def test_the_same_form_posted_again_is_the_same_answer(serve: Serve) -> None:
    served = serve()
    person = served.person()
    person.begin()
    form = person.form(1) | {"verdict": "accept"}
    for _ in range(3):
        assert person.client.post(f"{person.link}/1", data=form).url.path == f"{person.link}/2"
    assert len(list(served.store.history())) == 1


def test_the_second_half_of_a_double_click_answers_nothing(serve: Serve) -> None:
    served = serve()
    person = served.person()
    person.begin()
    page = person.get(1).text
    form = {"nonce": hidden(page, "nonce"), "shown": hidden(page, "shown"), "verdict": "accept"}
    page = person.client.post(f"{person.link}/1", data=form)
    assert page.url.path == f"{person.link}/1" and "That was very quick" in page.text
    assert served.store.answers(ONE) == {}


def test_work_goes_on_where_it_stopped_on_any_device(serve: Serve) -> None:
    served = serve()
    served.person().begin()
    served.person().say(1, "accept")
    other = served.person()
    assert other.get().url.path == f"{other.link}/2"
    assert "1 of 3" in other.get().text


def test_time_that_a_page_claims_is_bounded_by_when_it_was_sent(serve: Serve) -> None:
    served = serve()
    person = served.person()
    person.begin()
    for number, seconds, kept in ((1, "1.5", 1.5), (2, "9999", 3.0)):
        person.say(number, "accept", seconds=seconds)
        given = served.store.answers(ONE)[f"row-{number}"].given
        assert given.seconds == pytest.approx(kept, abs=1)


def test_the_language_is_the_browsers_until_a_person_chooses(serve: Serve) -> None:
    served = serve(language="gn")
    person = served.person(language="eu")
    assert '<html lang="eu" dir="ltr">' in person.get().text
    person.client.post(f"{person.link}/language", data={"language": "es"})
    assert '<html lang="es"' in person.get().text and served.store.person(ONE).entered == ""
    person.begin()
    person.client.post(f"{person.link}/language", data={"language": "gl"})
    assert '<html lang="gl"' in served.person(language="es").get().text
    person.client.post(f"{person.link}/language", data={"language": "xx"})
    assert '<html lang="gl"' in person.get().text
    other = served.person(TWO, language="fr")
    assert '<html lang="en"' in other.get().text
    assert "There are no words in “fr” yet. This page is in English." in other.get().text


# Comparing -------------------------------------------------------------------------------------


def test_the_verdict_follows_from_the_first_criterion_that_is_decided(serve: Serve) -> None:
    served = serve("compare")
    person = served.person()
    person.begin()
    person.say(1, criterion__relevance="tie", criterion__quality="B", criterion__proficiency="A")
    given = served.store.answers(ONE)["row-1"].given
    assert given.verdict == "B"
    assert given.criteria == {"relevance": "tie", "quality": "B", "proficiency": "A"}


def test_who_sees_it_otherwise_says_so(serve: Serve) -> None:
    served = serve("compare")
    person = served.person()
    person.begin()
    person.say(1, "tie", criterion__relevance="A")
    given = served.store.answers(ONE)["row-1"].given
    assert (given.verdict, given.criteria) == ("tie", {"relevance": "A"})
    assert re.search(r'name="verdict" value="tie" checked', person.get(1).text)
    person.say(1, "follows", criterion__relevance="A")
    assert served.store.answers(ONE)["row-1"].given.verdict == "A"


def test_an_open_criterion_is_asked_for(serve: Serve) -> None:
    served = serve("compare")
    person = served.person()
    person.begin()
    page = person.say(1, "A", criterion__relevance="tie")
    assert page.status_code == 422 and "the first point that is open" in page.text
    assert re.search(r'name="criterion.relevance" value="tie"[^>]* checked', page.text)
    assert person.say(1, criterion__relevance="accept").status_code == 422
    assert served.store.answers(ONE) == {}


def test_answers_stand_on_the_planned_sides_and_nothing_tells_the_models(serve: Serve) -> None:
    served = serve("compare")
    for seat, order in ((ONE, ("axtal", "amall")), (TWO, ("amall", "axtal"))):
        person = served.person(seat)
        page = person.begin().text
        assert 0 < page.index(order[0]) < page.index(order[1])
        for place in (1, "items", "leave"):
            assert not re.search("latxa|llama|row-1|annotator", person.get(place).text)


def test_pages_of_two_people_share_no_language_and_nothing_of_one_of_them(serve: Serve) -> None:
    served = serve("validate")
    first, second = served.person(ONE), served.person(TWO)
    first.begin()
    second.begin()
    assert "Accept" in first.get(1).text and "Onartu" in served.person(TWO, "eu").get(1).text
    first.say(1, "reject", reason="grammar", note="only mine")
    assert "only mine" in first.get(1).text and "checked" in first.get(1).text
    page = second.get(1).text
    assert "checked" not in page and "only mine" not in page and first.link not in page


def test_few_parts_of_forms_are_kept(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "MOST_PARTS", 3)
    served = serve("validate")
    person = served.person()
    person.begin()
    pages = [person.get(number).text for number in (1, 2, 1)]
    assert 0 < len(served.site.read().parts) <= 3
    shown = [re.search(r'<div class="texts">.*?</div>', one, re.DOTALL) for one in pages]
    assert shown[0] and shown[1] and shown[2]
    assert shown[0][0] == shown[2][0] != shown[1][0]


def test_a_task_with_choices_is_one_file(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ikusi.annotate import task
    from ikusi.judgements import judgement

    offered = {**judgement.VERDICTS, "sort": ("bird", "fish")}
    monkeypatch.setattr(task, "VERDICTS", offered)
    monkeypatch.setitem(judgement._OFFERED, "sort", frozenset({"bird", "fish", "skipped"}))
    (tmp_path / "sort.yaml").write_text(
        "name: sort\nverdicts: [{name: bird, key: b}, {name: fish, key: f, reasons: true}]\n"
        "reasons: [fins]\nwords: {en: {title: Sort, question: Which, help: Look,"
        " verdicts: {bird: A bird, fish: A fish}, said: {bird: bird, fish: fish},"
        " reasons: {fins: It has fins}}}\n"
    )
    sort = task.load("sort", tmp_path)
    monkeypatch.setattr(task, "load", lambda name: sort)
    served = serve("sort")
    person = served.person()
    assert "It has fins" in person.begin().text
    person.say(1, "fish", reason="fins")
    from ikusi.annotate import exporting

    (one,) = exporting.read_judgements(served.project.folder)
    assert (one.task, one.verdict, one.reasons) == ("sort", "fish", ["fins"])


def test_pages_need_nothing_else_and_little_of_that(serve: Serve, tmp_path: Path) -> None:
    """Below 100 kB for a first page, besides its picture; nothing of another host."""
    served = serve()
    person = served.person()
    page = person.begin().text
    parts = set(re.findall(r'(?:src|href)="(/assets/[^"]+)"', page))
    size = len(page.encode()) + sum(len(person.client.get(part).content) for part in parts)
    assert len(parts) == 4 and size < 100_000
    assert "http:" not in page and "https:" not in page and "//" not in page.replace("<!--", "")


def test_a_project_without_pictures_has_pages_too(tmp_path: Path, serve: Serve) -> None:
    served = serve(pictured=False)
    person = served.person()
    page = person.begin().text
    assert "<figure>" not in page and "Zer dago 1. irudian?" in page
    assert person.get("1/zoom").status_code == person.get("1/picture").status_code == 404


@pytest.mark.slow
def test_small_pictures_are_made_once_and_in_a_process_of_their_own(tmp_path: Path) -> None:
    from ikusi.annotate.web import pictures

    found = make_project(tmp_path / "project", items=2)
    pictures.prepare(found.folder)
    made = {path: path.stat().st_mtime_ns for path in (found.folder / "small").iterdir()}
    assert len(made) == 2
    pictures.prepare(found.folder)
    assert {path: path.stat().st_mtime_ns for path in made} == made
