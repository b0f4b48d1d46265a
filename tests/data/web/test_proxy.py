"""Pictures behind the environment's proxy, and one picture behind many URLs."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.web.picture_server import PictureServer, encoded
from data.web.test_fetch import got
from ikusi.data.web import fetch
from ikusi.data.web.ledger import Ledger
from ikusi.errors import InputError


@pytest.fixture
def server() -> Iterator[PictureServer]:
    with PictureServer().started() as started:
        yield started


def test_pictures_that_many_urls_gave_are_counted(server: PictureServer, tmp_path: Path) -> None:
    got(tmp_path, server.url("ok-6"), server.url("other-6"))
    ledger = got(tmp_path, *map(server.url, ["ok-5", "other-5", "same-5", "ok-6", "missing-1"]))
    digest = hashlib.sha256(ledger.picture(server.url("ok-5")) or b"").hexdigest()
    assert (
        ledger.find_repeated(2) == ledger.find_repeated(3) == {digest: 3}
        and ledger.find_repeated(4) == {}
    )
    assert len(Ledger(tmp_path).find_repeated(2)) == 2  # all that the folder knows


def test_the_environments_proxy_is_gone_through_where_asked(
    server: PictureServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy itself may be on a private network, as most are."""
    for name in ("HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", server.url(""))
    url = "http://pictures.invalid/ok-1"
    assert got(tmp_path / "a", url, allow=()).picture(url) is None
    assert server.requests[url] == 0
    assert got(tmp_path / "b", url, allow=(), use_proxy=True).picture(url) == encoded("JPEG", 16, 1)
    assert server.requests[url] == 1
    monkeypatch.setenv("http_proxy", "http://proxy.invalid:3128")
    with pytest.raises(InputError, match=r"http_proxy: expected a proxy, found proxy\.invalid"):
        got(tmp_path / "c", url, use_proxy=True)


def test_an_import_says_that_it_goes_past_the_proxy(
    server: PictureServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import platformdirs
    from typer.testing import CliRunner

    from ikusi import cli

    monkeypatch.setattr(platformdirs, "user_cache_path", lambda *_: tmp_path / "cache")
    monkeypatch.setattr(fetch, "PASSING", frozenset())  # one try: no pause before the next
    monkeypatch.setenv("http_proxy", server.url(""))
    monkeypatch.delenv("https_proxy", raising=False)
    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    row = {"text": "A cat.", "image_url": "http://pictures.invalid/ok-1"}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row))
    asked = ["data", "import", "table", "--output", str(tmp_path / "corpus")]
    asked += ["--path", str(tmp_path / "rows.jsonl"), "row_type=caption"]
    past = CliRunner().invoke(cli.app, asked)
    assert isinstance(past.exception, InputError)
    assert "pictures: not fetched through http_proxy; --use-proxy does" in past.stderr
    through = CliRunner().invoke(cli.app, [*asked, "--use-proxy", "--retry-dead"])
    assert through.exit_code == 0 and "not fetched" not in through.stderr
