"""Translation by servers: one that fails in every way, and a real one of a real model."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from ikusi import language
from ikusi.data import rows as row_types
from ikusi.errors import InputError
from ikusi.server.pace import Pace
from ikusi.translate import chat
from ikusi.translate.chat import ChatTranslator
from ikusi.translate.contract import Outcome, Row, Verdict
from ikusi.translate.engines.chat import Chat
from translate.servers import MODEL, Faulty, llama


def translator(url: str, **settings: Any) -> ChatTranslator:
    defaults: dict[str, Any] = {"model": MODEL, "prompt": "any", "deadline": 10.0}
    chat = Chat(kind="chat", url=url, **(defaults | settings))
    return ChatTranslator(chat, language.load("en"), language.load("eu"))


def choices(count: int) -> list[Row]:
    return [
        Row(
            place,
            f"row-{place}",
            row_types.load("choice"),
            [f"what is it {place}?", "a cat", f"hat {place}"],
        )
        for place in range(count)
    ]


def accepted(row: Row, texts: Sequence[str]) -> Verdict:
    return Verdict()


def outcomes(found: ChatTranslator, rows: Sequence[Row], check: Any = accepted) -> list[Outcome]:
    return sorted(found.translate(rows, check), key=lambda outcome: outcome.place)


@pytest.fixture
def server() -> Iterator[Faulty]:
    with Faulty().started() as started:
        yield started


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["labels", "json"])
def test_every_row_comes_back_once_with_its_texts(server: Faulty, layout: str) -> None:
    rows = choices(40)
    found = outcomes(translator(server.url, format=layout), rows)
    assert [outcome.texts for outcome in found] == [
        [text.upper() for text in row.texts] for row in rows
    ]
    assert {(outcome.tokens_read, outcome.tokens_written) for outcome in found} == {(20, 10)}


def test_the_prompt_is_the_same_to_the_byte_but_for_the_row(server: Faulty) -> None:
    outcomes(translator(server.url, prompt="aokvqa", format="labels"), choices(5))
    beginnings = {str(request["messages"][:-1]) for request in server.requests}
    assert len(beginnings) == 1
    assert len({request["messages"][-1]["content"] for request in server.requests}) == 5


def test_the_papers_sampling_is_sent_and_each_try_has_its_own_seed(server: Faulty) -> None:
    refuse = Verdict("language: expected eu, found en")
    found = outcomes(translator(server.url, format="labels"), choices(1), lambda *_: refuse)
    assert [request["seed"] for request in server.requests] == [0, 1, 2]
    assert {(request["temperature"], request["top_p"]) for request in server.requests} == {
        (0.7, 0.15)
    }
    assert found[0].texts is None
    assert not found[0].unreached
    assert [tried.reason for tried in found[0].attempts] == ["language: expected eu, found en"] * 3
    assert found[0].tokens_read == 60


def test_sampling_is_left_to_servers_that_refuse_it(server: Faulty) -> None:
    outcomes(translator(server.url, temperature=None, top_p=None, extra={"top_k": 3}), choices(1))
    last = server.requests[-1]
    assert "temperature" not in last
    assert "top_p" not in last
    assert last["top_k"] == 3


def test_a_schema_is_sent_only_to_a_server_that_keeps_to_it(server: Faulty) -> None:
    outcomes(translator(server.url, format="json"), choices(3))
    probe, *others = server.requests
    assert "response_format" in probe
    assert not any("response_format" in request for request in others)


@pytest.mark.slow
def test_at_thirty_percent_faults_every_row_is_translated_or_refused_with_a_reason() -> None:
    with Faulty(rate=0.3).started() as server:
        rows = choices(300)
        found = outcomes(translator(server.url, deadline=1.0, concurrency=16), rows)
    assert [outcome.place for outcome in found] == list(range(300))
    right = [outcome for outcome in found if outcome.texts is not None]
    for outcome in right:
        assert outcome.texts == [text.upper() for text in rows[outcome.place].texts]
    for outcome in found:
        assert (outcome.texts is not None) or outcome.unreached or len(outcome.attempts) == 3
    assert len(right) > 270
    assert len(Counter(server.faults)) == 11  # all kinds happened


@pytest.mark.slow
def test_a_server_that_keeps_up_is_asked_for_more_at_once(server: Faulty) -> None:
    server.holds = lambda: len(server.requests) > 60 and server.most <= 8
    outcomes(translator(server.url, concurrency=24, deadline=60.0), choices(150))
    assert 8 < server.most <= 24


def test_trouble_lowers_what_is_asked_at_once_and_answers_raise_it_again() -> None:
    async def limits() -> list[float]:
        pace, found = Pace(most=32, rest=0.0), []
        for event in ("note_success", "note_trouble", "note_trouble", "note_success"):
            for _ in range(8):
                async with pace.slot():
                    pace.running = int(pace.limit)  # as when all places are taken
                    getattr(pace, event)()
                    pace.running = 1
            found.append(pace.limit)
        return found

    first, less, least, more = asyncio.run(limits())
    assert first == 16
    assert least == 1 <= less < 2
    assert 1 < more <= 9


def test_one_trouble_is_counted_once_however_many_requests_it_hits() -> None:
    async def limit() -> float:
        pace = Pace(most=32, start=10, rest=60.0)
        for _ in range(10):
            pace.note_trouble()
        return pace.limit

    assert asyncio.run(limit()) == 7


def test_rows_are_read_no_further_ahead_than_they_are_worked_on(server: Faulty) -> None:
    rows = iter(choices(500))
    stream = translator(server.url, concurrency=4).translate(rows, accepted)
    next(stream)
    assert sum(1 for _ in rows) > 450
    stream.close()  # type: ignore[attr-defined]


def test_a_server_that_never_answers_is_given_up_after_the_deadline() -> None:
    with Faulty(rate=1.0, kinds=("late",)).started() as server:
        began = time.monotonic()
        found = outcomes(translator(server.url, deadline=0.2, tries=2, format="labels"), choices(1))
        assert found[0].unreached
        assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    ("url", "model", "message"),
    [
        ("http://127.0.0.1:1/v1", MODEL, r"127.0.0.1:1/v1: expected a server that answers"),
        (None, "other", r"engine.model: expected one of capitals, found other"),
    ],
)
def test_a_wrong_server_or_model_is_told_in_one_line(
    server: Faulty, url: str | None, model: str, message: str
) -> None:
    with pytest.raises(InputError, match=message) as error:
        outcomes(translator(url or server.url, model=model), choices(1))
    assert "\n" not in str(error.value)


def test_a_server_that_dies_stops_the_job_and_keeps_what_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chat, "PATIENCE", 4)
    few = {"deadline": 0.3, "concurrency": 2, "tries": 2}
    with Faulty().started() as server:
        stream = translator(server.url, **few).translate(choices(100), accepted)
        done = [next(stream) for _ in range(5)]
        server.rate, server.kinds = 1.0, ("nothing",)
        with pytest.raises(InputError, match="expected a server that answers"):
            for outcome in stream:
                done.append(outcome)
    assert len([outcome for outcome in done if outcome.texts]) >= 5


def test_tokens_are_estimated_before_anything_is_sent(server: Faulty) -> None:
    read, written = translator(server.url, prompt="vqav2", format="labels").tokens(choices(1)[0])
    assert 300 < read < 1200
    assert 2 < written < 40


@pytest.mark.slow
def test_another_prompt_or_sampling_is_another_translation() -> None:
    settings = [
        translator("http://x", **chosen).settings()
        for chosen in ({}, {"prompt": "vqav2"}, {"top_p": 0.9}, {"format": "labels"}, {"seed": 1})
    ]
    assert len({str(told) for told in settings}) == 5
    assert translator("http://y", deadline=9.0).settings() == settings[0]


@pytest.fixture(scope="module")
def real() -> Iterator[str]:
    with llama() as url:
        yield url


@pytest.mark.slow
def test_a_real_model_answers_within_the_schema(real: str) -> None:
    """SmolLM2 cannot translate, but llama.cpp holds it to the layout: every answer is read."""
    model = _served(real)
    found = translator(real, model=model, format="json", max_tokens=100, tries=2, deadline=60.0)
    rows = [
        Row(place, str(place), row_types.load("choice"), ["What is it?", "a cat", "a dog"])
        for place in range(2)
    ]
    got = outcomes(found, rows)
    assert found._schema
    for outcome in got:
        if outcome.texts is not None:
            assert len(outcome.texts) == 3
        assert all(
            "JSON" not in tried.reason for tried in outcome.attempts if "cut" not in tried.reason
        )
    assert all(outcome.tokens_read > 100 and outcome.tokens_written > 5 for outcome in got)


@pytest.mark.slow
def test_a_real_models_failures_are_refused_with_reasons(real: str) -> None:
    found = translator(
        real, model=_served(real), prompt="aokvqa", format="labels", max_tokens=24, tries=2,
        deadline=60.0,
    )  # fmt: skip
    got = outcomes(found, choices(1))
    assert len(got) == 1
    for outcome in got:
        assert (outcome.texts is not None) != (len(outcome.attempts) == 2)
        assert all(tried.reason for tried in outcome.attempts)


def _served(url: str) -> str:
    import openai

    return openai.OpenAI(base_url=url, api_key="none").models.list().data[0].id
