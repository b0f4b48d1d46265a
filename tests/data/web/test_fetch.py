"""The fetcher against a server that does what servers do."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import pytest
from aiohttp.abc import ResolveResult
from hypothesis import given
from hypothesis import strategies as st

from data.web.picture_server import EXPECTED, PictureServer, encoded
from ikusi.data.importing import import_corpus
from ikusi.data.web import addresses, hosts
from ikusi.data.web.fetch import FetchSettings, Wanted, fetch
from ikusi.data.web.ledger import Ledger, locate_picture
from ikusi.errors import InputError

QUICK: dict[str, Any] = {
    "timeout": 1.0, "retries": 0, "max_bytes": 2_000_000, "allow": ("127.0.0.1/32",),
}  # fmt: skip
KILLED = """
import sys
from pathlib import Path
from ikusi.data.web.fetch import FetchSettings, Wanted, fetch
settings = FetchSettings(concurrency=4, allow=("127.0.0.1/32",))
fetch((Wanted(f"{sys.argv[2]}ok-{n}") for n in range(800)), Path(sys.argv[1]), settings)
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
        "http://public.example@127.0.0.2/a", "http://127。0。0。2/a", "http://①②⑦.0.0.2/a",
        "http://[::7f00:2]/a", "http://[fec0::1]/a", "http://[fc00::1]/a", "http://0x7f.1/a",
        "http://100.64.0.1/a", "http://255.255.255.255/a", "http://[2002:7f00:2::]/a",
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


def test_pictures_come_however_they_are_packed_or_called(
    server: PictureServer, tmp_path: Path
) -> None:
    urls = [server.url(path) for path in ("deflated", "ok-1?a=ñ 獅子", "ok-%33")]
    assert got(tmp_path, *urls, f" {server.url('ok-7')}\n").counts() == {"ok": 4}


def test_a_host_that_asks_for_long_rest_is_left_alone(
    server: PictureServer, tmp_path: Path
) -> None:
    urls = [server.url(f"late-{number}") for number in range(30)]
    found = got(tmp_path, *urls, retries=3, per_host=2, timeout=30.0)
    assert found.counts() == {"too many requests": 30}
    assert sum(server.requests.values()) <= 2


def test_a_host_that_never_answers_is_left_for_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "PATIENCE", 0.2)
    urls = [f"http://127.0.0.1:1/{number}" for number in range(500)]
    started = time.monotonic()
    ledger = got(tmp_path, *urls, retries=1, per_host=2)
    assert ledger.counts() == {"connection refused": 500}
    assert time.monotonic() - started < 30


def test_waiting_for_a_busy_host_is_no_timeout_and_holds_up_no_other(
    server: PictureServer, tmp_path: Path
) -> None:
    lazy = [server.url(f"lazy-{number}") for number in range(8)]
    other = [server.url(f"ok-{number}").replace("127.0.0.1", "localhost") for number in range(5)]
    order: list[str] = []
    settings = {"concurrency": 4, "per_host": 1, "timeout": 1.0, "allow": ("127.0.0.1", "::1")}
    wanted = [Wanted(url) for url in [*lazy, *other]]
    ledger = fetch(
        wanted,
        tmp_path,
        FetchSettings(**(QUICK | settings)),
        lambda *_: order.append("others" if "ok-4" in server.requests else "lazy"),
    )
    assert ledger.counts() == {"ok": 13}
    assert order.index("others") < 10


def test_a_wrong_hash_is_flagged_or_dropped(server: PictureServer, tmp_path: Path) -> None:
    url, right = server.url("ok-0"), hashlib.sha256(encoded("PNG")).hexdigest()
    for folder, digest, action, flag, kept in (
        ("a", right, "drop", None, True),
        ("b", "0" * 64, "keep", "hash mismatch", True),
        ("c", "0" * 64, "drop", None, False),
    ):
        settings = FetchSettings(**QUICK | {"on_mismatch": action})
        ledger = fetch([Wanted(url, digest)], tmp_path / folder, settings)
        assert (ledger.flag(url), ledger.picture(url) is not None) == (flag, kept)
    assert ledger.reason(url) == "hash mismatch"


def test_a_hash_is_judged_again_without_another_request(
    server: PictureServer, tmp_path: Path
) -> None:
    """The folder is shared: one data set may give a hash where another gives none."""
    url, drop = server.url("ok-0"), FetchSettings(on_mismatch="drop", **QUICK)
    found = []
    for digest in (None, "0" * 64, hashlib.sha256(encoded("PNG")).hexdigest().upper()):
        ledger = fetch([Wanted(url, digest)], tmp_path, drop)
        found.append((ledger.reason(url), ledger.picture(url) is not None))
    assert found == [(None, True), ("hash mismatch", False), (None, True)]
    assert server.requests["ok-0"] == 1


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


@pytest.mark.slow
def test_urls_are_read_as_the_work_goes_on(server: PictureServer, tmp_path: Path) -> None:
    ahead = []

    def wanted() -> Iterator[Wanted]:
        for number in range(400):
            ahead.append(number - sum(server.requests.values()))
            yield Wanted(server.url(f"ok-{number}"))

    fetch(wanted(), tmp_path, FetchSettings(concurrency=5, **QUICK | {"timeout": 30.0}))
    assert max(ahead) <= 16 * 5 + 5 + 32  # that wait, are under way, and are being read


@pytest.mark.slow
def test_a_killed_fetch_goes_on_where_it_was(server: PictureServer, tmp_path: Path) -> None:
    worker = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path), server.url("")])
    while sum(server.requests.values()) < 100 and worker.poll() is None:
        time.sleep(0.005)
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    before = sum(server.requests.values())
    assert before < 800
    urls = [server.url(f"ok-{number}") for number in range(800)]
    ledger = got(tmp_path, *urls, timeout=60.0)
    assert ledger.counts() == {"ok": 800}
    # Those under way when it was killed are asked for twice, and no others.
    assert sum(server.requests.values()) <= 800 + 8


@pytest.mark.slow
def test_no_damaged_answer_ends_the_work(server: PictureServer, tmp_path: Path) -> None:
    urls = [server.url(f"random-{seed}") for seed in range(400)]
    counts = got(tmp_path, *urls, timeout=5.0).counts()
    assert sum(counts.values()) == 400
    assert counts["ok"] > 0 and counts["broken image"] > 0 and counts["broken answer"] > 0


@pytest.mark.parametrize("url", ["http://a.invalid/\ud800", "http://a.invalid/\0", "\udfff", "\0"])
def test_text_that_no_table_holds_is_a_url_like_others(tmp_path: Path, url: str) -> None:
    ledger = got(tmp_path, url)
    assert ledger.reason(url) and sum(ledger.counts().values()) == 1


def test_a_server_without_tls_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/a.png"

        def answer() -> None:
            with listener.accept()[0] as connection:
                connection.recv(100)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        assert got(tmp_path, url).reason(url) == "TLS"
        thread.join()


def test_counts_are_of_what_was_asked_for_and_the_table_knows_all(
    server: PictureServer, tmp_path: Path
) -> None:
    got(tmp_path, server.url("ok-1"), server.url("missing-1"))
    assert got(tmp_path, server.url("ok-1"), server.url("gone-1")).counts() == {"gone": 1, "ok": 1}
    assert Ledger(tmp_path).counts() == {"gone": 1, "not found": 1, "ok": 1}


def test_pictures_are_read_in_other_threads(server: PictureServer, tmp_path: Path) -> None:
    urls = [server.url(f"ok-{number}") for number in range(30)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(got(tmp_path, *urls).picture, urls))
    assert all(found)


def test_an_import_gets_its_pictures_and_tells_what_is_dead(
    server: PictureServer, tmp_path: Path
) -> None:
    paths = ["ok-1", "missing-1", "ok-3", "ok-1"]
    row = {"image_sha256": "0" * 64, "answer": "Red."}
    lines = [
        json.dumps({"image_url": server.url(path), "question": f"What is {number}?", **row})
        for number, path in enumerate(paths)
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    fetcher = partial(fetch, folder=tmp_path / "web", settings=FetchSettings(**QUICK))
    counts = import_corpus(
        "pixmo_ama", tmp_path / "corpus", tmp_path / "rows.jsonl", fetcher=fetcher
    )
    assert (counts["rows"], counts["images"]) == (3, 2)
    assert counts["quarantined: picture: not found"] == 1


def test_a_picture_that_somebody_deleted_or_cut_comes_again(
    server: PictureServer, tmp_path: Path
) -> None:
    urls = [server.url("ok-1"), server.url("ok-2")]
    ledger = got(tmp_path, *urls)
    (tmp_path / locate_picture(urls[0])).unlink()
    (tmp_path / locate_picture(urls[1])).write_bytes(b"")
    assert ledger.picture(urls[0]) is None
    assert all(map(got(tmp_path, *urls).picture, urls))


def test_what_goes_wrong_here_is_no_fault_of_the_urls(
    server: PictureServer, tmp_path: Path
) -> None:
    url = server.url("ok-1")
    (tmp_path / locate_picture(url)[:2]).write_text("a file where a folder should be")
    with pytest.raises(InputError, match="expected to read or write it, found: Not a directory"):
        got(tmp_path, url)

    def wanted() -> Iterator[Wanted]:
        yield Wanted(url)
        raise KeyError("the caller's own")

    with pytest.raises(KeyError, match="the caller's own"):
        fetch(wanted(), tmp_path / "other", FetchSettings(**QUICK))


def test_a_folder_without_a_ledger_is_told(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_text("this is no table at all" * 100)
    with pytest.raises(InputError, match="expected a ledger of pictures"):
        got(tmp_path)


def test_public_addresses_pass_and_allowed_networks_too() -> None:
    addresses.check("93.184.216.34")
    addresses.check("2606:2800:220:1::1")
    addresses.check("10.0.0.7", addresses.parse_networks(["10.0.0.0/8"]))
    with pytest.raises(addresses.PrivateAddressError):
        addresses.check("10.0.0.7", addresses.parse_networks(["11.0.0.0/8"]))
    with pytest.raises(InputError, match="allow: expected networks such as"):
        addresses.parse_networks(["localhost"])


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_as_public_in_its_ipv6_forms_as_by_itself(address: IPv4Address) -> None:
    for start in ("::ffff:0:0", "64:ff9b::"):
        form = IPv6Address(int(IPv6Address(start)) + int(address))
        assert is_public(str(form)) == is_public(str(address))
    if not is_public(str(address)):
        assert not is_public(str(IPv6Address((0x2002 << 112) + (int(address) << 80) + 1)))
        assert not is_public(str(IPv6Address(int(address))))


def is_public(address: str) -> bool:
    try:
        addresses.check(address)
    except addresses.PrivateAddressError:
        return False
    return True


def test_a_name_that_answers_otherwise_the_second_time_reaches_nothing(
    server: PictureServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The resolver's check is passed; the socket's is not."""

    async def rebound(self: Any, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        there = {"hostname": host, "host": "127.0.0.1", "port": port, "proto": 0, "flags": 0}
        return [ResolveResult(**there, family=socket.AF_INET)]  # type: ignore[typeddict-item]

    monkeypatch.setattr(addresses.PublicResolver, "resolve", rebound)
    url = server.url("ok-1").replace("127.0.0.1", "public.example")
    assert got(tmp_path, url, allow=()).reason(url) == "private address"
    assert not server.requests
