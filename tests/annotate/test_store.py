"""A person's answers are kept once, for good, under their own name, until they withdraw."""

import sqlite3
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from annotate.people import make_project
from ikusi.annotate import exporting, store
from ikusi.annotate.store import SKIPPED, Given, Store, open_store
from ikusi.errors import InputError
from ikusi.judgements import journal, read
from ikusi.judgements.sheets import keep_latest

ONE, TWO = "annotator-1", "annotator-2"
ACCEPT, REJECT = Given("accept"), Given("reject", reasons=("meaning",))


@pytest.fixture
def answers(tmp_path: Path) -> Iterator[Store]:
    make_project(tmp_path / "project")
    found = open_store(tmp_path / "project")
    for seat in (ONE, TWO):
        found.enter(seat, f"name of {seat}", "the text")
    yield found
    found.close()


def test_the_same_form_sent_again_is_the_same_answer(answers: Store) -> None:
    assert answers.answer(ONE, "row-1", ACCEPT, "nonce-one")
    assert not answers.answer(ONE, "row-1", Given("accept", seconds=9.0), "nonce-one")
    assert len(list(answers.history())) == 1


def test_a_changed_mind_is_a_new_word_and_the_last_one_counts(answers: Store) -> None:
    answers.answer(ONE, "row-1", ACCEPT, "nonce-one")
    answers.answer(ONE, "row-1", REJECT, "nonce-one")  # on the same form, before the page changed
    answers.answer(ONE, "row-1", ACCEPT, "nonce-two")
    assert [word.given.verdict for word in answers.history()] == ["accept", "reject", "accept"]
    assert answers.answers(ONE)["row-1"].given == ACCEPT


def test_two_people_on_one_item_keep_their_own(answers: Store) -> None:
    answers.answer(ONE, "row-1", ACCEPT, "same-nonce")
    answers.answer(TWO, "row-1", REJECT, "same-nonce")
    assert answers.answers(ONE)["row-1"].given == ACCEPT
    assert answers.answers(TWO)["row-1"].given == REJECT
    answers.take_back(ONE, "row-1", "nonce-two")
    assert answers.list_answered(ONE) == set() and answers.list_answered(TWO) == {"row-1"}


def test_what_is_taken_back_is_open_again_and_stays_in_the_history(answers: Store) -> None:
    answers.answer(ONE, "row-1", Given("reject", correction={"answer": "Bai."}), "nonce-one")
    assert answers.take_back(ONE, "row-1", "nonce-two")
    assert not answers.take_back(ONE, "row-1", "nonce-two")
    assert answers.answers(ONE) == {}
    assert [word.given.verdict for word in answers.history()] == ["reject", SKIPPED]
    draft = answers.draft(ONE, "row-1")
    assert draft and draft.taken_back and draft.given.correction == {"answer": "Bai."}


def test_nobody_speaks_who_has_not_begun(answers: Store) -> None:
    answers.speak("annotator-9", "eu")  # and has only chosen a language
    assert not answers.answer("annotator-9", "row-1", ACCEPT, "nonce-one")
    assert list(answers.history()) == []


def test_who_withdraws_leaves_nothing_but_a_count(answers: Store, tmp_path: Path) -> None:
    answers.answer(ONE, "row-1", Given("reject", note="a word of mine"), "nonce-one")
    answers.answer(ONE, "row-2", ACCEPT, "nonce-two")
    answers.answer(TWO, "row-1", ACCEPT, "nonce-one")
    assert answers.withdraw(ONE) == 2
    assert [word.seat for word in answers.history()] == [TWO]
    assert not answers.answer(ONE, "row-3", ACCEPT, "nonce-three")
    answers.enter(ONE, "again", "the text")
    person = answers.person(ONE)
    assert (person.name, person.removed) == ("", 2) and person.withdrawn
    files = b"".join(file.read_bytes() for file in tmp_path.glob("project/answers.sqlite*"))
    assert b"a word of mine" not in files and b"name of annotator-1" not in files
    assert b"name of annotator-2" in files


def test_words_stay_in_order_when_the_clock_goes_back(
    answers: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers.answer(ONE, "row-1", ACCEPT, "nonce-one")
    monkeypatch.setattr(store, "_now", lambda: "2020-01-01T00:00:00.000000Z")
    answers.answer(ONE, "row-1", REJECT, "nonce-two")
    times = [datetime.fromisoformat(word.made) for word in answers.history()]
    assert times[0] < times[1]


def test_an_answer_is_on_the_disk_when_it_is_promised(answers: Store, tmp_path: Path) -> None:
    """As another process reads it, and with what makes SQLite wait for the disk."""
    assert answers.answer(ONE, "row-1", ACCEPT, "nonce-one")
    other = sqlite3.connect(tmp_path / "project" / store.FILE)
    assert other.execute("SELECT COUNT(*) FROM history").fetchone()[0] == 1
    other.close()
    assert written(answers, "PRAGMA synchronous") == 2  # FULL


def written(answers: Store, query: str) -> int:
    """A setting of the connection that writes."""
    return answers._writer.submit(lambda writing: writing.execute(query).fetchone()[0]).result()


def test_a_disk_that_takes_no_more_is_told_and_nothing_is_half_kept(answers: Store) -> None:
    written(answers, f"PRAGMA max_page_count = {written(answers, 'PRAGMA page_count')}")
    long = Given("reject", note="x" * 100_000)
    with pytest.raises(InputError, match="expected room on the disk"):
        answers.answer(ONE, "row-1", long, "nonce-one")
    written(answers, "PRAGMA max_page_count = 1000000")
    assert answers.answers(ONE) == {}
    assert answers.answer(ONE, "row-1", long, "nonce-one")


def test_twenty_people_at_once_lose_nothing(tmp_path: Path) -> None:
    make_project(tmp_path / "project", items=1)
    found = open_store(tmp_path / "project")
    seats = [f"seat-{n}" for n in range(20)]

    def click(seat: str) -> None:
        for n in range(25):
            assert found.answer(seat, f"item-{n}", Given("accept", note=seat), f"nonce-{n}-abc")

    for seat in seats:
        found.enter(seat)
    people = [threading.Thread(target=click, args=(seat,)) for seat in seats]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert all(len(found.list_answered(seat)) == 25 for seat in seats)
    assert all(word.given.note == word.seat for word in found.history())
    found.close()


def test_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    make_project(tmp_path / "project")
    (tmp_path / "project" / store.FILE).write_bytes(b"not a database, but long enough" * 100)
    with pytest.raises(InputError, match=r"answers\.sqlite: expected the answers of people"):
        open_store(tmp_path / "project")


def test_answers_of_another_version_are_refused(tmp_path: Path) -> None:
    make_project(tmp_path / "project")
    open_store(tmp_path / "project").close()
    other = sqlite3.connect(tmp_path / "project" / store.FILE)
    other.execute("PRAGMA user_version = 99")
    other.close()
    with pytest.raises(InputError, match="expected answers of format 2, found 99"):
        open_store(tmp_path / "project")


def test_judgements_say_who_said_what_of_which_side(tmp_path: Path) -> None:
    found = make_project(tmp_path / "project", "compare")
    answers = open_store(found.folder)
    answers.enter(TWO, kind="simulated")
    for seat in (ONE, TWO):
        answers.enter(seat)
        answers.answer(seat, "row-1", Given("A", {"relevance": "A"}, seconds=2.5), "nonce-one")
    answers.close()
    first, second = exporting.read_judgements(found.folder)
    assert (first.rater, first.left, first.right) == (ONE, "latxa", "llama")
    assert (second.rater, second.left, second.right) == (TWO, "llama", "latxa")
    assert (first.kind, second.kind) == ("person", "simulated")
    assert (first.verdict, first.criteria, first.seconds) == ("A", {"relevance": "A"}, 2.5)
    assert (first.weight, second.weight) == (1.5, 1.5)
    assert (first.benchmark, first.language, first.task, first.seed) == ("rows", "eu", "compare", 7)


def test_exporting_again_adds_only_what_is_new(answers: Store, tmp_path: Path) -> None:
    project, table = tmp_path / "project", tmp_path / "table"
    answers.answer(ONE, "row-1", ACCEPT, "nonce-one")
    assert exporting.export(project, table)[:2] == (1, 0)
    answers.answer(ONE, "row-1", REJECT, "nonce-two")
    answers.answer(TWO, "row-1", Given(SKIPPED, correction={"answer": "unfinished"}), "nonce-one")
    assert exporting.export(project, table)[:2] == (2, 1)
    rows = list(read(table))
    assert len(rows) == 3 and rows[2].correction == {}
    counted = {(vote.rater, verdict) for vote, verdict in keep_latest(rows).verdicts.items()}
    assert counted == {(ONE, "reject"), (TWO, SKIPPED)}


def test_third_opinions_are_left_out_unless_asked_for(answers: Store, tmp_path: Path) -> None:
    answers.enter(exporting.ADJUDICATOR)
    answers.answer(exporting.ADJUDICATOR, "row-1", ACCEPT, "nonce-one")
    assert exporting.export(tmp_path / "project", tmp_path / "one")[:3] == (0, 0, 1)
    assert exporting.export(tmp_path / "project", tmp_path / "two", True)[:3] == (1, 0, 0)
    assert next(iter(read(tmp_path / "two"))).rater == "adjudicator"


def test_a_table_may_not_keep_what_somebody_withdrew(answers: Store, tmp_path: Path) -> None:
    answers.answer(ONE, "row-1", ACCEPT, "nonce-one")
    exporting.export(tmp_path / "project", tmp_path / "table")
    answers.withdraw(ONE)
    with pytest.raises(InputError, match="found what they said before; export to a new folder"):
        exporting.export(tmp_path / "project", tmp_path / "table")
    done = exporting.export(tmp_path / "project", tmp_path / "new")
    assert done.withdrawn == {ONE: 1} and not (tmp_path / "new" / journal.TABLE).is_file()
