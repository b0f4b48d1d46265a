"""The connection to a server: what it learns, what it waits for, what it says."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from ikusi import cli
from ikusi.errors import InputError
from ikusi.server import address, reasons, refusals, thoughts
from ikusi.server.client import Answer, Connection, RefusedError
from ikusi.server.fields import Fields
from server.forms import forbidden, openai_error, unsupported
from server.peculiar import Peculiar
from translate.jobs import OFF, numbered
from translate.servers import MODEL

ROW = [{"role": "user", "content": "what is it?"}]


@pytest.fixture
def server() -> Iterator[Peculiar]:
    with Peculiar().started() as started:
        yield started


def ask(server: Peculiar, *, times: int = 1, **request: Any) -> list[Answer]:
    with Connection(server.url, MODEL, 20.0, 4) as connection:
        pending = [connection.submit(connection.ask(messages=ROW, **request)) for _ in range(times)]
        return [one.result() for one in pending]


def test_a_proxy_of_the_environment_is_never_used_for_this_machine(
    server: Peculiar, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://me:sesame-opens@127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert ask(server)[0].text == "WHAT IS IT?"
    with pytest.raises(InputError, match="expected a server that answers") as error:
        Connection("http://ikusi.invalid/v1", MODEL, 5.0, 1).open()
    assert "sesame" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "is_here"),
    [
        ("http://localhost:1/v1", True),
        ("http://127.8.0.1/v1", True),
        ("http://[::1]:8/v1", True),
        ("http://0.0.0.0:8/v1", True),
        ("http://10.0.0.1/v1", False),
        ("http://localhost.example.org", False),
    ],
)
def test_this_machine_has_many_names(url: str, is_here: bool) -> None:
    assert address.mend_address(url).is_loopback == is_here


@pytest.mark.parametrize("url", ["localhost:8000/v1", "ftp://h/v1", "http://", "http://h:x/v1", ""])
def test_what_is_no_address_is_refused_before_anything_is_asked(url: str) -> None:
    with pytest.raises(InputError, match="expected an address such as"):
        Connection(url, MODEL, 5.0, 1)


def test_a_refused_field_is_learnt_once_however_many_requests_it_hits(
    server: Peculiar, caplog: pytest.LogCaptureFixture
) -> None:
    server.refuses = {"seed": forbidden("seed"), "max_tokens": unsupported("max_tokens")}
    with caplog.at_level(logging.WARNING):
        answers = ask(server, times=12, seed=1, max_tokens=9)
    assert {answer.text for answer in answers} == {"WHAT IS IT?"}
    said = Counter(record.message for record in caplog.records)
    assert said == {
        f"{MODEL}: refuses seed, which is now left out": 1,
        f"{MODEL}: refuses max_tokens, which is now sent as max_completion_tokens": 1,
    }
    assert [sorted(asked) for asked in server.requests[-2:]] == [
        ["max_completion_tokens", "messages", "model"]
    ] * 2


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ("Invalid 'temperature': decimal above maximum value. Expected <= 2.", "temperature"),
        ("temperature must be between 0 and 1", None),
        ("max_tokens is too large: 9000. This model supports at most 4096", "max_tokens"),
        ("the question is not supported in your country", None),
        ("the seed of the picture's caption is not allowed", "messages"),
    ],
)
def test_another_refusal_is_not_that_of_a_field(told: str, field: str | None) -> None:
    fields = Fields("m")
    request = {"temperature": 3, "max_tokens": 9000}
    assert not fields.learn(request, RefusedError(told, 400, field))
    assert fields.fit(request) == request


def test_what_is_refused_for_good_is_asked_for_once(server: Peculiar) -> None:
    server.on_rows = (400, openai_error("This model's maximum context length is 8 tokens"))
    with pytest.raises(RefusedError, match="400: This model's maximum context length is 8 tokens"):
        ask(server)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"error": {"message": "Rate limit exceeded", "code": 429}}, 429),
        ({"error": {"message": "slow", "code": "rate_limit_exceeded"}}, 429),
        ({"error": "Too many requests"}, 429),
        ({"error": {"message": "Provider returned error", "code": 504}}, 504),
        ({"object": "error", "message": "x", "code": 400}, 400),
        ({"error": {"message": "context_length_exceeded"}}, 400),
        ({"error": {"type": "authentication_error"}}, 401),
        ({"error": {"message": "model x not found"}}, 404),
        ({"detail": "it broke"}, 503),
        ({"error": None, "choices": [{}]}, None),
        ({"choices": []}, None),
        ({"object": "list", "data": [{"id": "m"}], "message": ""}, None),
    ],
)
def test_an_error_under_200_has_the_status_it_names(body: Any, status: int | None) -> None:
    assert refusals.find_status(body) == status


def test_a_permanent_error_under_200_is_not_asked_for_again(server: Peculiar) -> None:
    server.on_rows = (200, {"error": {"message": "the prompt was flagged", "code": 400}})
    with pytest.raises(RefusedError, match="400: the prompt was flagged"):
        ask(server)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('{"error": {"message": "a\\nb\\u001b[31m"}}', "400: a b [31m"),
        ('{"message": {"detail": [{"loc": ["body", "x"], "msg": "no"}]}}', "400: body.x: no"),
        ('{"error": {"message": "upstream", "metadata": {"raw": "why"}}}', "400: upstream; why"),
        ("<html><style>p {}</style><p>Not <b>here</b></p>", "400: Not here"),
        ("plain words", "400: plain words"),
        ("", "400: Bad Request"),
        ("[" * 100_000, "400: " + "[" * (refusals.LONGEST - 9) + " ..."),
    ],
)
def test_a_reason_is_one_short_line_whatever_it_comes_in(body: str, told: str) -> None:
    assert refusals.read_reason(400, body) == told


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<think>a</think>b", "b"),
        ("a</think>b", "b"),
        ("a <think>b</think> c <think>d</think> e", "a  c  e"),
        ("<think></think>\n\nb", "\n\nb"),
        ("[THINK]a[/THINK]b", "b"),
        ("<|start|>assistant<|channel|>final<|message|>b<|return|>", "b"),
        ("thus<|end|><|start|>assistant<|channel|>final <|constrain|>json<|message|>b", "b"),
        ("analysis of the picture: a cat", "analysis of the picture: a cat"),
        ("analysisIt is red.assistantfinalRed", "Red"),
        ("no thought", "no thought"),
    ],
)
def test_thoughts_are_taken_off(text: str, answer: str) -> None:
    assert thoughts.split(text)[0] == answer


@pytest.mark.parametrize(
    "text", ["<think>a", "<think>a</think>b<think>c", "[THINK]a", "<|channel|>analysis<|message|>a"]
)
def test_a_thought_that_does_not_end_leaves_no_answer(text: str) -> None:
    with pytest.raises(thoughts.TornThoughtError):
        thoughts.split(text)


def test_marks_that_the_question_has_are_its_own() -> None:
    said = "write <think> like this: <think>x"
    assert thoughts.split(said, own="What does <think> mean?") == (said, "")


@pytest.mark.parametrize("morsel", ["<think>", "</think>", "<|channel|>", "analysis", "assistant "])
def test_a_very_long_answer_of_marks_takes_no_time(morsel: str) -> None:
    began = time.process_time()
    with suppress(thoughts.TornThoughtError):
        thoughts.split("analysis" + morsel * 50_000)
    assert time.process_time() - began < 5


def test_reasons_that_differ_in_numbers_alone_are_counted_as_one() -> None:
    counts: Counter[str] = Counter()
    for number in range(500):
        reasons.count(counts, f"server: 400: {number} tokens")
        reasons.count(counts, f"server: 400: request {chr(97 + number % 26) * (number + 1)}")
    assert counts["server: 400: N tokens"] == 500
    assert len(counts) == reasons.MOST + 1 and counts.total() == 1000
    assert reasons.format_reasons(counts).startswith(
        "500 x server: 400: N tokens, 401 x other reasons, 1 x"
    )


@pytest.mark.slow
def test_what_was_learnt_and_thought_stands_in_the_record(
    server: Peculiar, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.refuses = {"seed": forbidden("seed")}
    server.shape = lambda text: {"message": {"content": f"<think>it is</think>{text}"}}
    numbered(tmp_path / "corpus", "caption", 3)
    engine = {"kind": "chat", "url": server.url + "/", "model": MODEL, "prompt": "any"}
    recipe = {"name": "x", "language": "eu", "engine": engine, "checks": OFF}
    (tmp_path / "x.yaml").write_text(json.dumps(recipe))
    asked = ["translate", str(tmp_path / "x.yaml"), "--corpus", str(tmp_path / "corpus")]
    for _ in range(2):  # the second finds all done and asks nothing
        with pytest.raises(SystemExit) as end:
            cli.main([*asked, "--output", str(tmp_path / "out")])
        assert not end.value.code
        told = json.loads((tmp_path / "out.work/translation.json").read_text("utf-8"))
        assert told["learnt"]["fields"] == {"seed": None}
        assert told["learnt"]["address"] == server.url
    rows = pq.read_table(next((tmp_path / "out.work/shards").glob("*.parquet"))).to_pylist()
    assert {row["thought"] for row in rows} == {"it is"}
    assert not any(
        "it is" in row["text"] for row in pq.read_table(tmp_path / "out/eu.parquet").to_pylist()
    )


def test_a_translation_without_one_good_row_ends_with_its_reasons(
    server: Peculiar, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on_rows = (400, openai_error("no such thing"))
    numbered(tmp_path / "corpus", "caption", 3)
    engine = {"kind": "chat", "url": server.url, "model": MODEL, "prompt": "any"}
    recipe = {"name": "x", "language": "eu", "engine": engine, "checks": OFF}
    (tmp_path / "x.yaml").write_text(json.dumps(recipe))
    asked = ["translate", str(tmp_path / "x.yaml"), "--corpus", str(tmp_path / "corpus")]
    with pytest.raises(SystemExit) as end:
        cli.main([*asked, "--output", str(tmp_path / "out")])
    assert end.value.code == 3
    assert "found none of 3: 3 x server: 400: no such thing" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
