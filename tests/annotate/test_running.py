"""Whoever runs a project sees how far people are and where they disagree, and lets anyone leave."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from annotate.people import Served
from ikusi.annotate.store import Given
from ikusi.annotate.web import figures
from ikusi.judgements import Judgement

Serve = Callable[..., Served]
ONE, TWO = "annotator-1", "annotator-2"


def test_who_withdraws_is_gone_at_once_and_the_count_says_so(serve: Serve) -> None:
    served = serve()
    person = served.person()
    person.begin()
    person.say(1, "accept", note="mine")
    assert "cannot be undone" in person.get("leave").text and served.store.answers(ONE)
    form = person.form(2) | {"verdict": "accept"}
    assert "You have withdrawn" in person.client.post(f"{person.link}/leave").text
    assert "You have withdrawn" in person.client.post(f"{person.link}/2", data=form).text
    assert "You have withdrawn" in person.get("items").text
    assert list(served.store.history()) == []
    page = served.person("admin").get().text
    assert re.search(r"withdrew on 2\d{3}-\d\d-\d\d; 1 answers removed", page)


def test_who_runs_it_removes_a_persons_answers_on_request(serve: Serve) -> None:
    served = serve()
    person, admin = served.person(), served.person("admin")
    person.begin()
    person.say(1, "accept")
    assert f"Remove all that {ONE} has answered?" in admin.get(f"people/{ONE}/leave").text
    admin.client.post(f"{admin.link}/people/{ONE}/leave")
    assert served.store.person(ONE).withdrawn and list(served.store.history()) == []
    assert admin.get(f"people/{TWO}/leave").status_code == 404  # has not begun
    assert admin.get("people/nobody/leave").status_code == 404


def test_the_page_of_who_runs_it_shows_progress_speed_and_disputes(serve: Serve) -> None:
    served = serve()
    for seat, verdict in ((ONE, "accept"), (TWO, "reject")):
        person = served.person(seat)
        person.begin(f"called {seat}")
        person.say(1, "accept")
        person.say(2, verdict)
    served.person(TWO).say(3, skip="yes")
    page = served.person("admin").get().text
    assert "called annotator-1" in page and "2 of 3" in page and "3 of 3" in page
    assert "Zer dago 2. irudian?" in page
    assert "Zer dago 1. irudian?" not in page and "Zer dago 3. irudian?" not in page


def test_sides_are_no_dispute_where_the_same_model_wins(serve: Serve) -> None:
    served = serve("compare")
    for seat, said in ((ONE, "A"), (TWO, "B")):  # who saw the answers the other way round
        person = served.person(seat)
        person.begin()
        person.say(1, criterion__relevance=said)
        person.say(2, criterion__relevance="A")
    page = served.person("admin").get().text
    assert "Deskribatu 2. irudia." in page and "Deskribatu 1. irudia." not in page


def test_a_third_opinion_decides_and_stays_apart(serve: Serve) -> None:
    served = serve("compare")
    for seat in (ONE, TWO):
        person = served.person(seat)
        person.begin()
        person.say(2, criterion__relevance="A", note=f"note of {seat}")
    admin = served.person("admin")
    page = admin.get(2).text
    assert "note of annotator-1" in page and "note of annotator-2" in page
    said = re.findall(r"<b>(annotator-\d):</b> (answer [AB])", page)
    assert said == [(ONE, "answer A"), (TWO, "answer B")]  # as if they had sat at one table
    assert "latxa" not in page
    decided = admin.say(2, criterion__relevance="B")
    assert decided.url.path == admin.link and "decided: answer B" in decided.text
    assert served.store.answers("adjudicator")["row-2"].given.verdict == "B"


def test_everything_can_be_taken_along(serve: Serve) -> None:
    served = serve()
    person = served.person()
    person.begin()
    person.say(1, "reject", reason="meaning")
    found = served.person("admin").get("judgements.jsonl")
    rows = [Judgement.model_validate_json(line) for line in found.text.splitlines()]
    assert [(row.rater, row.verdict, row.reasons) for row in rows] == [(ONE, "reject", ["meaning"])]
    assert "attachment" in found.headers["content-disposition"]


def test_figures_say_how_far_people_agree_and_not_which_model_wins(tmp_path: Path) -> None:
    rows = [
        Judgement(
            benchmark="rows",
            language="eu",
            id=f"{n}",
            task="compare",
            rater=rater,
            kind="simulated",
            left="latxa",
            right="llama",
            verdict="A" if n % 3 else said,
            made="2026-11-29T00:00:00Z",
        )
        for n in range(12)
        for rater, said in ((ONE, "A"), (TWO, "B"))
    ]
    found = figures.list_rows(rows)
    percent = next(row for row in found if row.title == "percent agreement of pairs")
    assert (percent.value, percent.items, percent.kind) == (pytest.approx(8 / 12), 12, "simulated")
    assert percent.low is not None and percent.high is not None
    assert not re.search("latxa|llama", json.dumps(found))


@pytest.mark.slow
def test_figures_are_computed_beside_the_server(serve: Serve) -> None:
    served = serve()
    for seat in (ONE, TWO):
        person = served.person(seat)
        person.begin()
        person.say(1, "accept")
        person.say(2, "accept" if seat == ONE else "reject")
    page = served.person("admin").get("figures").text
    assert "percent agreement of pairs" in page and "0.500" in page
    assert "accepted, of ratings" in page and "0.750" in page


def test_simulated_answers_are_named_so(serve: Serve) -> None:
    served = serve()
    served.store.enter(ONE, kind="simulated")
    served.store.answer(ONE, "row-1", Given("accept"), "nonce-one")
    page = served.person("admin").get().text
    assert "They say nothing about people or models." in page and "(simulated)" in page
    assert '"kind":"simulated"' in served.person("admin").get("judgements.jsonl").text
