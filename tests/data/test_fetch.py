"""The fetcher against a server that does what servers do."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from data.picture_server import EXPECTED, PictureServer, encoded
from ikusi.data import addresses
from ikusi.data.fetch import FetchSettings, Ledger, Wanted, fetch

QUICK: dict[str, Any] = {
    "timeout": 1.0, "retries": 0, "max_bytes": 2_000_000, "allow": ("127.0.0.1/32",),
}  # fmt: skip
KILLED = """
import sys
from pathlib import Path
from ikusi.data.fetch import FetchSettings, Wanted, fetch
settings = FetchSettings(concurrency=4, allow=("127.0.0.1/32",))
fetch((Wanted(f"{sys.argv[2]}ok-{n}") for n in range(2000)), Path(sys.argv[1]), settings)
"""


@pytest.fixture
def server() -> Iterator[PictureServer]:
    with PictureServer().started() as started:
        yield started


def got(folder: Path, *urls: str, **settings: Any) -> Ledger:
    return fetch([Wanted(url) for url in urls], folder, FetchSettings(**(QUICK | settings)))


def test_pictures_come_as_they_are_and_only_once(server: PictureServer, tmp_path: Path) -> None:
    urls = [server.url(f"ok-{number}") for number in range(20)] * 2
    ledger = got(tmp_path, *urls)
    assert ledger.counts() == {"ok": 20}
    assert ledger.picture(urls[0]) == encoded("PNG")
    got(tmp_path, *urls)
    assert set(server.requests.values()) == {1}


def test_everything_that_goes_wrong_has_its_own_name(server: PictureServer, tmp_path: Path) -> None:
    urls = {server.url(f"{name}-1"): reason for name, reason in EXPECTED.items()}
    ledger = got(tmp_path, *urls)
    found = {url.rpartition("/")[2]: ledger.reason(url) for url in urls}
    assert found == {url.rpartition("/")[2]: reason for url, reason in urls.items()}
    assert sum(ledger.counts().values()) == len(urls)
    assert not [
        path for path in tmp_path.rglob("*") if path.is_file() and "ledger" not in path.name
    ]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.2/a.png", "http://localhost:1/a", "http://10.1.2.3/a", "http://0.0.0.0/a",
        "http://169.254.169.254/latest/meta-data", "http://192.168.0.1/a", "http://[::1]/a",
        "http://[::ffff:127.0.0.2]/a", "http://[64:ff9b::a00:1]/a", "http://[fe80::1]/a",
        "http://0x7f000002/a", "http://224.0.0.1/a",
        "http://public.example@127.0.0.2/a", "http://[2002:7f00:2::]/a",
    ],
)  # fmt: skip
def test_addresses_of_private_networks_are_refused_before_any_connection(
    tmp_path: Path, url: str
) -> None:
    assert got(tmp_path, url, allow=()).reason(url) == "private address"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://a.b/c", "unsupported scheme"), ("file:///etc/passwd", "unsupported scheme"),
        ("a.png", "bad URL"), ("", "bad URL"), ("http://", "bad URL"), ("http://[::1", "bad URL"),
        ("data:image/png;base64,AAAA", "unsupported scheme"), ("http://2130706434/a", "bad URL"),
        ("http://0177.0.0.2/a", "bad URL"), ("http://127.2/a", "bad URL"),
        ("http://no-such-host.invalid/a", "name not resolved"),
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_picture_is_told(tmp_path: Path, url: str, reason: str) -> None:
    assert got(tmp_path, url).reason(url) == reason


def test_a_refused_connection_is_told(tmp_path: Path) -> None:
    url = "http://127.0.0.1:1/a.png"
    assert got(tmp_path, url).reason(url) == "connection refused"


def test_redirects_are_followed_and_busy_servers_asked_again(
    server: PictureServer, tmp_path: Path
) -> None:
    urls = [server.url("moved-3"), server.url("again-4")]
    assert got(tmp_path, *urls, retries=1).counts() == {"ok": 2}


def test_a_wrong_hash_is_flagged_or_dropped(server: PictureServer, tmp_path: Path) -> None:
    url, right = server.url("ok-0"), hashlib.sha256(encoded("PNG")).hexdigest()
    for folder, digest, action, flag, kept in (
        ("a", right, "drop", None, True),
        ("b", "0" * 64, "keep", "hash mismatch", True),
        ("c", "0" * 64, "drop", None, False),
    ):
        settings = FetchSettings(on_mismatch=action, **QUICK)
        ledger = fetch([Wanted(url, digest)], tmp_path / folder, settings)
        assert (ledger.flag(url), ledger.picture(url) is not None) == (flag, kept)
    assert ledger.reason(url) == "hash mismatch"


def test_the_dead_are_remembered_and_what_may_pass_is_asked_for_again(
    server: PictureServer, tmp_path: Path
) -> None:
    urls = [server.url("missing-1"), server.url("error-1")]
    for _ in range(2):
        got(tmp_path, *urls)
    assert (server.requests["missing-1"], server.requests["error-1"]) == (1, 2)
    got(tmp_path, *urls, retry_dead=True)
    assert server.requests["missing-1"] == 2


def test_no_host_is_asked_for_more_at_once_than_is_polite(
    server: PictureServer, tmp_path: Path
) -> None:
    urls = [server.url(f"ok-{number}") for number in range(100)]
    got(tmp_path, *urls, concurrency=50, per_host=3, timeout=30.0)
    assert server.most <= 3


def test_urls_are_read_as_the_work_goes_on(server: PictureServer, tmp_path: Path) -> None:
    ahead = []

    def wanted() -> Iterator[Wanted]:
        for number in range(200):
            ahead.append(number - sum(server.requests.values()))
            yield Wanted(server.url(f"ok-{number}"))

    fetch(wanted(), tmp_path, FetchSettings(concurrency=5, **QUICK | {"timeout": 30.0}))
    assert max(ahead) <= 5


def test_a_killed_fetch_goes_on_where_it_was(server: PictureServer, tmp_path: Path) -> None:
    worker = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path), server.url("")])
    while sum(server.requests.values()) < 100 and worker.poll() is None:
        time.sleep(0.005)
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    before = sum(server.requests.values())
    assert before < 2000
    urls = [server.url(f"ok-{number}") for number in range(2000)]
    ledger = got(tmp_path, *urls, timeout=60.0)
    assert ledger.counts() == {"ok": 2000}
    # Those under way when it was killed are asked for twice, and no others.
    assert sum(server.requests.values()) <= 2000 + 8


def test_public_addresses_pass_and_allowed_networks_too() -> None:
    addresses.check("93.184.216.34")
    addresses.check("2606:2800:220:1::1")
    addresses.check("10.0.0.7", addresses.networks(["10.0.0.0/8"]))
    with pytest.raises(addresses.PrivateAddressError):
        addresses.check("10.0.0.7", addresses.networks(["11.0.0.0/8"]))
