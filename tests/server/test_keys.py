"""A key that a server repeats is written nowhere and shown nowhere."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import measured
from ikusi import cli
from ikusi.errors import InputError
from ikusi.server import address, keys, transport
from ikusi.server.client import Connection
from server.peculiar import Peculiar
from translate.jobs import OFF, numbered
from translate.servers import MODEL

KEY = "sk-proj-Zq7+/9xWv-0Lm_4Tt=8uQ"
FORMS = [
    KEY,
    quote(KEY, safe=""),
    KEY.encode().hex(),
    *(base64.b64encode(text.encode()).decode() for text in (KEY, f"Bearer {KEY}")),
    *(KEY[place : place + 8] for place in (0, 4, 8, len(KEY) - 8)),
]
STATUSES = [200, 400, 401, 403, 500]


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    yield KEY


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        cli.main([str(argument) for argument in arguments])
    return end.value.code if isinstance(end.value.code, int) else 0


def written(folder: Path) -> str:
    """All that any file of a folder says, names of files included."""
    found = []
    for path in folder.rglob("*"):
        found.append(str(path))
        if path.is_file():
            found.append(path.read_bytes().decode("utf-8", "replace"))
        if path.suffix == ".parquet":
            found.append(str(pq.read_table(path).to_pylist()))
    return "\n".join(found)


def leaks(text: str) -> list[str]:
    return [form for form in FORMS if form in text]


@pytest.mark.slow
@pytest.mark.parametrize("status", STATUSES)
def test_a_translation_keeps_no_key(
    status: int, key: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    numbered(tmp_path / "corpus", "caption", 2)
    with Peculiar(echoes=status).started() as server:
        engine = {"kind": "chat", "url": server.url, "model": MODEL, "prompt": "any"}
        recipe = {"name": "x", "language": "eu", "engine": engine, "checks": OFF}
        (tmp_path / "x.yaml").write_text(json.dumps(recipe))
        asked = ["translate", tmp_path / "x.yaml", "--corpus", tmp_path / "corpus"]
        code = run(*asked, "--output", tmp_path / "out")
    assert code == 3
    shown = capfd.readouterr()
    assert not leaks(shown.out + shown.err + written(tmp_path))
    assert ("the key in it" if status == 200 else keys.MARK) in shown.err
    assert len(server.requests) < 40


@pytest.mark.parametrize("status", STATUSES)
def test_an_evaluation_keeps_no_key(
    status: int, key: str, data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with Peculiar(echoes=status).started() as server:
        asked = ["evaluate", MODEL, "--benchmark", "miniature/vqa", "--language", "en"]
        asked += ["--data", str(data), "--output", str(tmp_path), "--bootstrap", "10"]
        code = run(*asked, "--limit", 3, "--engine", "server", "--url", server.url)
    assert code == 3
    shown = capfd.readouterr()
    assert not leaks(shown.out + shown.err + written(tmp_path))
    assert "key" in shown.err


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    measured.five(folder)
    return folder


@pytest.mark.slow
@settings(deadline=None)
@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=12, max_size=60))
def test_every_form_of_a_key_is_blanked(secret: str) -> None:
    said = json.dumps({"sent": [secret, quote(secret), secret.encode().hex()]})
    for offset in range(3):
        said += base64.b64encode(b"x" * offset + secret.encode() + b"yz").decode() + " "
    blanked = keys.Secrets([secret]).blank(said)
    assert secret not in blanked and quote(secret) not in blanked
    for offset in range(3):
        encoded = base64.b64encode(b"x" * offset + secret.encode() + b"yz").decode()
        assert encoded not in blanked


def test_a_key_that_no_header_takes_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY + "\n")
    with Peculiar().started() as server, pytest.raises(InputError) as error:
        Connection(server.url, MODEL, 5.0, 1).open()
    assert not leaks(str(error.value))


@pytest.mark.parametrize("status", [200, 404, 502])
def test_a_page_is_blanked_as_well(status: int) -> None:
    page = f"<html><p>{KEY}</p> {KEY[:10]}"
    assert not leaks(transport.mend_answer(status, page, keys.Secrets([KEY]))[1])


def test_a_short_key_is_blanked_in_errors_and_left_as_a_word_in_answers() -> None:
    secrets = keys.Secrets(["sesame"])
    assert secrets.blank_all({"error": "sesame"}, is_answer=False) == {"error": keys.MARK}
    assert secrets.blank_all({"text": "sesame bread"}, is_answer=True) == {"text": "sesame bread"}
    assert keys.Secrets(["none", "EMPTY"]).blank("none EMPTY") == "none EMPTY"


def test_addresses_are_shown_without_user_and_query() -> None:
    url = "https://me:sesame@example.org:8000/v1?key=sesame#x"
    assert address.hide_secrets(url) == "https://example.org:8000/v1"
    assert list(keys.find_in_address("http://me:s%40same@h/v1?key=k1&api-version=2")) == [
        "me", "s@same", "k1",
    ]  # fmt: skip
    assert address.hide_secrets("me:sesame@example.org") == "example.org"


def test_an_error_of_any_library_is_shown_without_passwords_and_tokens() -> None:
    said = "Cannot reach http://me:sesame@proxy:3128 with Bearer abcdefghij or hf_" + "a" * 30
    told = str(InputError(said))
    assert "sesame" not in told and "abcdefghij" not in told and "hf_" not in told
    assert "http://proxy:3128" in told
