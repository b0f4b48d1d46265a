"""A release on the hub is brought here at one commit and made a corpus again."""

import functools
import hashlib
import http.server
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.web.picture_server import PictureServer, encoded
from data_rows import coloured, picture
from ikusi import cli
from ikusi.data import hub, restoring
from ikusi.data.corpus import Corpus, CorpusWriter
from ikusi.data.web import fetch
from ikusi.errors import InputError
from ikusi.publish import data


class Hub:
    """A stand-in for the hub: it answers all that its library asks in a download."""

    def __init__(self) -> None:
        self.commits: dict[str, Path] = {}
        self.branches: dict[str, str] = {}
        self.asked: list[str] = []
        self.next = ""  # commit to which `main` moves once a release was looked at

    def publish(self, folder: Path, branch: str = "main") -> str:
        commit = hashlib.sha1(f"{len(self.commits)}".encode()).hexdigest()
        self.commits[commit], self.branches[branch] = folder, commit
        return commit

    def answer(self, path: str) -> tuple[bytes, dict[str, str]] | None:
        self.asked.append(path)
        if match := re.match(r"/api/datasets/org/name/(revision|tree)/([^/?]+)", path):
            commit = self.branches.get(match[2], match[2])
            if commit not in self.commits:
                return None
            root = self.commits[commit]
            files = {p.relative_to(root).as_posix(): p for p in root.rglob("*") if p.is_file()}
            tree = [
                {"type": "file", "path": name, "size": path.stat().st_size, "oid": "0" * 40}
                for name, path in files.items()
            ]
            about = {
                "id": "org/name",
                "sha": commit,
                "siblings": [{"rfilename": name} for name in files],
            }
            return json.dumps(tree if match[1] == "tree" else about).encode(), {}
        match = re.match(r"/datasets/org/name/resolve/([^/?]+)/(.*)", path)
        if not match or match[1] not in self.commits:
            return None
        held = (self.commits[match[1]] / match[2]).read_bytes()
        digest = hashlib.sha256(held).hexdigest()
        if self.next and match[2] == "release.json":
            self.branches["main"], self.next = self.next, ""
        return held, {"ETag": f'"{digest}"', "X-Repo-Commit": match[1]}


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Hub, str]]:
    stand_in = Hub()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = stand_in.answer(self.path)
            held, headers = found or (b"{}", {"X-Error-Code": "RepoNotFound"})
            self.send_response(200 if found else 404)
            for name, value in {**headers, "Content-Length": str(len(held))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(held)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *words: object) -> None:
            pass

    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield stand_in, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def publish(folder: Path, colours: list[str | None]) -> Path:
    corpus = coloured(folder / f"rows-{len(colours)}", "vqa", colours)
    data.publish_corpus(corpus, folder / f"made-{len(colours)}")
    return folder / f"made-{len(colours)}"


@pytest.mark.slow
def test_a_pinned_release_stays_and_a_branch_moves_on(
    tmp_path: Path, served: tuple[Hub, str]
) -> None:
    stand_in, endpoint = served

    def restore(name: str, folder: str) -> Corpus:
        restoring.restore(name, tmp_path / folder, cache=tmp_path / "cache", endpoint=endpoint)
        return Corpus.open(tmp_path / folder)

    first = stand_in.publish(publish(tmp_path, ["red"]))
    assert len(restore("hub:org/name", "newest")) == 1
    assert not any("README" in path or "croissant" in path for path in stand_in.asked)
    stand_in.publish(publish(tmp_path, ["red", "blue"]))
    assert len(restore(f"hub:org/name@{first}", "pinned")) == 1
    assert len(restore("hub:org/name", "newest")) == 2
    asked = len(stand_in.asked)
    assert len(restore(f"hub:org/name@{first}", "again")) == 1
    assert len(stand_in.asked) == asked, "what is pinned and here is not asked for"
    manifest = json.loads((tmp_path / "pinned" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["inputs"] == {f"hub:org/name@{first}": first}


@pytest.mark.slow
def test_a_release_that_is_replaced_meanwhile_is_brought_as_it_was(
    tmp_path: Path, served: tuple[Hub, str]
) -> None:
    stand_in, endpoint = served
    later = stand_in.publish(publish(tmp_path, ["red", "blue"]))
    first = stand_in.publish(publish(tmp_path, ["red"]))
    stand_in.next = later
    restoring.restore("hub:org/name", tmp_path / "a", cache=tmp_path / "c", endpoint=endpoint)
    assert stand_in.branches["main"] == later
    assert len(Corpus.open(tmp_path / "a")) == 1
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["inputs"] == {f"hub:org/name@{first}": first}


def test_what_is_not_on_the_hub_is_one_line(tmp_path: Path, served: tuple[Hub, str]) -> None:
    stand_in, endpoint = served
    with pytest.raises(InputError, match="hub:org/name: expected to reach it, found"):
        restoring.restore("hub:org/name", tmp_path / "a", cache=tmp_path, endpoint=endpoint)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "README.md").write_text("# A data set\n")
    stand_in.publish(tmp_path / "other")
    with pytest.raises(InputError, match=r"expected a release made by Ikusi, found no release\.js"):
        restoring.restore("hub:org/name", tmp_path / "a", cache=tmp_path, endpoint=endpoint)


@pytest.mark.parametrize("name", ["hub:name", "hub:org/name@", "hub:a/b/c", "hub:../b", "org/name"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    if name == "hub:../b":
        assert hub.parse_place("hub:a.b/c-d_e@v1/x") == hub.Place("a.b/c-d_e", "v1/x")
        name = "hub:a b/c"
    with pytest.raises(InputError, match="expected hub:ORG/NAME"):
        hub.parse_place(name)


def test_the_command_takes_a_folder_as_it_takes_a_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = publish(tmp_path, ["red", None])
    with pytest.raises(SystemExit) as ended:
        cli.main(["data", "import", str(made), "--output", str(tmp_path / "back")])
    assert ended.value.code == 0
    assert "2 rows" in capsys.readouterr().out
    assert len(Corpus.open(tmp_path / "back")) == 2
    with pytest.raises(SystemExit) as ended:
        words = ["data", "import", str(made), "--output", str(tmp_path / "b"), "--sample", "1"]
        cli.main(words)
    assert ended.value.code == 3
    assert "expected a release as it is" in capsys.readouterr().err


@pytest.mark.slow
def test_only_the_bytes_that_a_release_means_are_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fetcher is the usual one, but for a server of this machine, which it would not ask."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    here = functools.partial(fetch.FetchSettings, allow=("127.0.0.1/32",))
    monkeypatch.setattr(fetch, "FetchSettings", here)
    with PictureServer().started() as server:
        with CorpusWriter(tmp_path / "rows", "caption", ["en"]) as writer:
            for number, found in enumerate((encoded(colour=0), picture(side=9))):
                url = server.url(f"ok-{8 * number}")  # the second one is another picture by now
                writer.add_image(f"p{number}", found, "png", 16, 16, url)
                writer.add_row(f"r{number}", f"p{number}", {"en": {"text": "a"}})
        data.publish_corpus(tmp_path / "rows", tmp_path / "made", pictures="url")
        counts = restoring.restore(str(tmp_path / "made"), tmp_path / "back")
    assert counts["quarantined: picture: hash mismatch"] == 1
    back = Corpus.open(tmp_path / "back")
    assert (back.ids, back.image_bytes("p0")) == (["r0"], encoded(colour=0))
