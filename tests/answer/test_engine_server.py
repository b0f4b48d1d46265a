"""Evaluation through servers: one that runs a tiny LLaVA and fails at will, and llama.cpp's."""

import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import openai
import pytest
from typer.testing import CliRunner

from answer.served import FAULTS, KEY, MODEL, Served
from ikusi import cli
from ikusi.answer.engine import Query
from ikusi.answer.engines.server import Server, open_server
from ikusi.data.corpus import Corpus
from ikusi.errors import InputError
from ikusi.evaluate import run
from ikusi.evaluate.benchmark import Benchmark
from ikusi.server.client import GoneError
from measured import LANGUAGES, PACKS, evaluate, rows_of
from translate.servers import llama

Pairs = Sequence[tuple[Benchmark, Corpus]]
TOLD = ("id", "benchmark", "language", "prediction", "hit_limit", "failure", "correct")


class Reader:
    """Reads an answer as it comes, so many pieces of it."""

    def __init__(self, most: int = 1000) -> None:
        self.most, self.seen = most, list[str]()

    def __call__(self, text: str) -> bool:
        self.seen.append(text)
        return len(self.seen) < self.most


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK waits between its repetitions; here only so long that they stay apart."""
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.01)


@pytest.fixture
def served(checkpoint: Path) -> Iterator[Served]:
    with Served(checkpoint).started() as server:
        yield server


@pytest.fixture(scope="module")
def generated(benchmarks: Pairs) -> Pairs:
    """The benchmarks whose answers are generated, one of them also after a few-shot."""
    found = [pair for pair in benchmarks if pair[0].scorer == "generate"]
    shown = found[0][0].model_copy(update={"name": "vqa-shown", "few_shots": 1})
    return [*found, (shown, found[0][1])]


def measure(server: Served, benchmarks: Pairs, output: Path, **settings: Any) -> list[Any]:
    engine = Server(server.url, MODEL, **settings)
    try:
        run.evaluate(engine, benchmarks, LANGUAGES, PACKS, output, bootstrap=10)
    finally:
        engine.close()
    return told(output)


def told(folder: Path) -> list[Any]:
    return [tuple(row[name] for name in TOLD) for row in rows_of(folder)]


@pytest.fixture(scope="module")
def here(checkpoint: Path, generated: Pairs, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Answers of the same model in this process."""
    folder = tmp_path_factory.mktemp("here")
    evaluate(checkpoint, generated, LANGUAGES, PACKS, folder, bootstrap=10)
    return told(folder)


def asked(text: str, limit: int = 8) -> Query:
    message = {"role": "user", "content": [{"type": "text", "text": text}]}
    return Query("row 1", (message,), max_new_tokens=limit)


@pytest.mark.slow
def test_a_server_says_what_the_same_model_says_here(
    served: Served, generated: Pairs, here: list[Any], tmp_path: Path
) -> None:
    assert measure(served, generated, tmp_path) == here
    assert len({prediction for _, _, _, prediction, *_ in here}) > 3
    _, *others = served.requests
    assert len(others) == len(here)
    assert {request["temperature"] for request in others} == {0}
    assert json.loads((tmp_path / "run.json").read_text("utf-8"))["model"] == MODEL


@pytest.mark.slow
def test_each_third_request_failing_in_every_way_changes_no_row(
    served: Served, generated: Pairs, here: list[Any], tmp_path: Path
) -> None:
    served.every = 3
    assert measure(served, generated, tmp_path, deadline=5.0) == here
    assert set(served.faults) == set(FAULTS)


@pytest.mark.slow
def test_what_newer_models_refuse_is_learnt_once_and_told(
    served: Served,
    generated: Pairs,
    here: list[Any],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    served.refused = {"max_tokens", "temperature"}
    with caplog.at_level(logging.WARNING):
        assert measure(served, generated, tmp_path) == here
    assert sorted(record.message for record in caplog.records if "refuses" in record.message) == [
        "tiny: refuses max_tokens, which is now sent as max_completion_tokens",
        "tiny: refuses temperature, which is now left out",
    ]
    assert len(served.requests) == 3 + len(here)
    assert not any("temperature" in request for request in served.requests[2:])
    identity = json.loads((tmp_path / "run.json").read_text("utf-8"))["engine"]
    assert identity == ["server", served.url, MODEL, {}, "max_completion_tokens"]


@pytest.mark.slow
def test_what_the_server_will_not_answer_is_a_failure_with_its_reason(
    served: Served, generated: Pairs, tmp_path: Path
) -> None:
    served.filtered, served.longest = "left and right", 40
    with pytest.raises(
        InputError, match=r"to at least 99 % .* found none to 4 \(4 x answer: .*content_filter\)"
    ):
        measure(served, generated, tmp_path)
    rows = rows_of(tmp_path)
    reasons = {row["failure"] for row in rows}
    assert reasons == {
        None,
        "answer: expected it to end by itself, found it ended by content_filter",
        "server: 400: This model's maximum context length is 8 tokens",
    }
    failed = [row for row in rows if row["failure"]]
    assert failed and not any(row["prediction"] or row["correct"] for row in failed)


@pytest.mark.slow
def test_a_limit_used_up_before_any_text_is_a_failure(served: Served) -> None:
    engine = Server(served.url, MODEL)
    served.thinks = True
    (reply,) = engine.answer([asked("is it red ?")], {})
    engine.close()
    assert reply.failure == "answer: expected it to end within 8 tokens, found it cut"
    assert reply.hit_limit and not reply.text


@pytest.mark.slow
def test_a_server_that_goes_stops_the_run_which_goes_on_later(
    served: Served, generated: Pairs, here: list[Any], tmp_path: Path
) -> None:
    served.fed_up_after = 20
    with pytest.raises(InputError, match=f"{served.url}: expected a server that answers"):
        measure(served, generated, tmp_path, batch_size=1)
    assert not (tmp_path / "results.json").exists()
    served.fed_up_after, before = 10**9, len(served.requests)
    assert measure(served, generated, tmp_path, batch_size=1) == here
    assert len(served.requests) - before < len(here), "finished parts are not asked again"


@pytest.mark.slow
def test_a_proxys_page_is_no_answer(served: Served) -> None:
    engine = Server(served.url, MODEL)
    served.every = 1
    served.kinds = ("garbage",)
    with pytest.raises(InputError, match="expected a server that answers, found: no"):
        engine.answer([asked("is it red ?")], {})
    engine.close()


@pytest.mark.slow
def test_a_server_that_takes_nothing_is_given_up(served: Served) -> None:
    engine = Server(served.url, MODEL)
    served.longest = 3
    with pytest.raises(InputError, match="maximum context length"):
        engine.answer([asked("is it red ?")] * 12, {})
    engine.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("url", "model", "message"),
    [
        ("http://me:secret@127.0.0.1:1/v1", MODEL, "http://127.0.0.1:1/v1: expected a server that"),
        (None, "other", "model: expected one of tiny, found other"),
        (None, MODEL, "found: .*Incorrect API key"),
    ],
)
def test_a_wrong_address_model_or_key_is_told_in_one_line(
    served: Served, url: str | None, model: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "wrong")
    served.wants_key = model == MODEL
    with pytest.raises(InputError, match=message) as error:
        Server(url or served.url, model)
    assert "\n" not in str(error.value) and "secret" not in str(error.value)


@pytest.mark.slow
def test_the_key_is_kept_nowhere(
    served: Served, generated: Pairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    served.wants_key = True
    measure(served, generated[:1], tmp_path)
    assert all(KEY.encode() not in path.read_bytes() for path in tmp_path.iterdir())


@pytest.mark.slow
def test_options_are_refused_before_anything_is_asked(
    served: Served, benchmarks: Pairs, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="expected log-probabilities of options"):
        measure(served, benchmarks, tmp_path)
    assert len(served.requests) == 1, "only the first question, of the parameters it takes"


@pytest.mark.slow
def test_the_command_measures_a_server(
    served: Served, benchmarks: Pairs, here: list[Any], tmp_path: Path
) -> None:
    data = str(benchmarks[0][1].folder.parent)
    command = ["evaluate", MODEL, "--benchmark", "miniature/vqa", "--language", "en"]
    command += ["--data", data, "--output", str(tmp_path), "--bootstrap", "10"]
    server = ["--engine", "server", "--url", served.url]
    done = CliRunner().invoke(cli.app, [*command, *server], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    said = {(row[0], row[3]) for row in here if row[1:3] == ("miniature/vqa", "en")}
    assert {(row[0], row[3]) for row in told(tmp_path)} == said
    for wrong in (server[:2], server[2:], [*server, "--dtype", "float32"]):
        refused = CliRunner().invoke(cli.app, [*command, *wrong])
        assert isinstance(refused.exception, InputError)


@pytest.fixture(scope="module")
def real() -> Iterator[tuple[str, str]]:
    with llama() as url:
        yield url, openai.OpenAI(base_url=url, api_key="none").models.list().data[0].id


@pytest.mark.slow
def test_a_real_server_of_a_real_model(real: tuple[str, str]) -> None:
    url, model = real
    questions = ["What is the capital of France?", "Name a red fruit.", "What is 2 plus 2?"]
    engine = open_server(url, model, batch_size=2)
    replies = engine.answer([asked(text, limit=12) for text in [*questions, "so " * 3000]], {})
    engine.close()
    assert len({reply.text for reply in replies[:3]}) == 3
    assert replies[3].failure is not None and "context" in replies[3].failure
    client = openai.OpenAI(base_url=url, api_key="none")
    for text, reply in zip(questions, replies, strict=False):
        message: Any = {"role": "user", "content": text}
        plain = client.chat.completions.create(
            model=model, messages=[message], temperature=0, max_tokens=12
        )
        assert reply.text == (plain.choices[0].message.content or "").strip()
        assert reply.hit_limit == (plain.choices[0].finish_reason == "length")


@pytest.mark.slow
def test_the_answer_of_a_real_server_is_read_as_it_comes(real: tuple[str, str]) -> None:
    query, read = asked("What is the capital of France?", limit=12), Reader()
    engine = Server(*real)
    (whole,) = engine.answer([query], {})
    assert engine.stream(query, {}, read).text == whole.text
    assert len(set(read.seen)) > 3 and all(whole.text.startswith(text) for text in read.seen)
    short = Reader(most=3)
    stopped = engine.stream(query, {}, short)
    engine.close()
    assert stopped.failure is None and not stopped.hit_limit
    assert stopped.text == short.seen[-1] != whole.text and whole.text.startswith(stopped.text)


def test_a_server_that_sends_no_pieces_is_read_at_once(served: Served) -> None:
    query, read = asked("what is a dog ?", limit=4), Reader()
    engine = Server(served.url, MODEL)
    (whole,) = engine.answer([query], {})
    reply = engine.stream(query, {}, read)
    assert (reply.text, reply.hit_limit, reply.prompt) == (
        whole.text,
        whole.hit_limit,
        whole.prompt,
    )
    served.longest = 3
    assert "context" in str(engine.stream(query, {}, read).failure)
    served.longest, served.fed_up_after = 10**9, 0
    with pytest.raises(GoneError, match="expected a server that answers"):
        engine.stream(query, {}, read)
    engine.close()
