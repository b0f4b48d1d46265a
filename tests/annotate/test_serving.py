"""The server as people start it: links, one at a time, killed and started again."""

import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from annotate.people import hidden, make_project
from ikusi.annotate.store import open_store
from ikusi.annotate.web import serving
from ikusi.errors import InputError

BENCH = Path(__file__).parents[2] / "bench"
pytestmark = pytest.mark.slow


class Serving:
    """`ikusi annotate serve` in a process of its own, at any free port."""

    def __init__(self, folder: Path, *words: str) -> None:
        command = [sys.executable, "-m", "ikusi", "annotate", "serve", str(folder), "--port", "0"]
        self.process = subprocess.Popen(
            [*command, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.lines: list[str] = []
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if line.startswith("Stop with"):
                break
        found = (re.fullmatch(r"(\S+) +(http://\S+)", line) for line in self.lines)
        self.links = {match[1]: match[2] for match in found if match}

    def ask(self, place: str, **fields: object) -> str:
        data = urlencode(fields).encode() if fields else None
        asked = urllib.request.Request(place, data, {"Accept-Language": "en"})
        with urllib.request.urlopen(asked) as page:
            return str(page.read().decode())

    def end(self, number: int) -> str:
        self.process.send_signal(number)
        return self.process.communicate(timeout=30)[0]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield make_project(tmp_path / "project").folder


def test_an_answer_outlives_a_server_that_is_killed(folder: Path) -> None:
    first = Serving(folder)
    link = first.links["annotator-1"]
    page = first.ask(link, agree="yes", name="Ane")
    shown = int(hidden(page, "shown")) - 2000
    fields = {"nonce": hidden(page, "nonce"), "shown": shown, "verdict": "accept"}
    assert "Stored: item 1, accepted." in first.ask(f"{link}/1", **fields)
    first.end(signal.SIGKILL)
    second = Serving(folder)
    again = second.links["annotator-1"]
    assert again.rpartition("/")[2] == link.rpartition("/")[2]
    assert "Stored: item 1, accepted." in second.ask(again)
    assert "Stored: item 1, accepted." in second.ask(f"{again}/1", **fields)  # sent again
    refused = Serving(folder)
    assert "expected no other run on these answers" in refused.lines[-1]
    assert refused.process.wait(30) == 3
    told = second.end(signal.SIGTERM)
    assert "every answer that was sent is kept" in told and second.process.returncode == 143
    store = open_store(folder)
    assert len(list(store.history())) == 1
    store.close()


def test_links_name_an_address_that_others_reach(folder: Path, tmp_path: Path) -> None:
    text = tmp_path / "consent.txt"
    text.write_text("What our board asks.")
    served = Serving(folder, "--host", "0.0.0.0", "--consent", str(text))
    assert set(served.links) == {"annotator-1", "annotator-2", "admin"}
    assert not any("0.0.0.0" in link for link in served.links.values())
    assert "What our board asks." in served.ask(served.links["annotator-1"])
    assert served.lines[0] == f"{folder}: 3 items, 2 people"
    served.end(signal.SIGTERM)


def test_a_port_that_is_taken_is_one_line(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=rf"127\.0\.0\.1:{port}: expected .* a free port"):
            next(serving.serve(folder, "127.0.0.1", port))
    with pytest.raises(InputError, match="expected an address of this machine"):
        next(serving.serve(folder, "192.0.2.77", 0))


def test_cuts_and_kills_lose_double_and_swap_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    import annotate_people

    found = annotate_people.storm(tmp_path / "storm", clicks=200, kills=2)
    assert found["kills"] == 2
    assert found["lost"] == found["doubled"] == found["swapped"] == 0
    assert float(str(found["server_mb"])) < 80
