"""A stand-in for the hub's HTTP interface, as far as an upload needs it: repos in memory."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

LARGE = 4096
"""Bytes from which a file goes another way than the commit."""


@dataclass
class Repo:
    """A repository: branches with their files, and every commit's message."""

    kind: str
    private: bool
    branches: dict[str, dict[str, bytes]] = field(default_factory=lambda: {"main": {}})
    commits: list[str] = field(default_factory=list)


@dataclass
class Hub:
    """State of the stand-in: the files that it has, and the requests that came.

    `commits_taken`: after so many commits the next one is only answered when `let_go` is set: an
    upload can be killed between two. `refuse`: status and message for whoever makes a repository.
    """

    repos: dict[str, Repo] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)
    uploads: list[str] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    commits_taken: int | None = None
    waits: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)
    refuse: tuple[int, str] | None = None
    bad_card: str = ""

    def files(self, name: str, branch: str = "main") -> dict[str, bytes]:
        return self.repos[name].branches[branch]


def blob_id(content: bytes) -> str:
    """As git names a file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@contextmanager
def serve(hub: Hub) -> Iterator[str]:
    """The stand-in at work; its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # or a body waits 40 ms for the head to be acknowledged

        def log_message(self, *given: Any) -> None:
            pass

        def body(self) -> bytes:
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def answer(self, status: int, told: Any = None, **headers: str) -> None:
            data = b"" if told is None else json.dumps(told).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(data)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if found := re.fullmatch(r"/api/(model|dataset)s/(.+)/tree/(.+)", path):
                files = hub.files(found[2], unquote(found[3]))
                self.answer(200, [tell(name, content) for name, content in files.items()])
            elif found := re.fullmatch(r"/api/(model|dataset)s/([^/]+/[^/]+)(/revision/.+)?", path):
                if found[2] not in hub.repos:
                    self.answer(404, {"error": "none"}, **{"X-Error-Code": "RepoNotFound"})
                    return
                sha = f"{len(hub.repos[found[2]].commits):040d}"
                self.answer(200, {"id": found[2], "sha": sha, "siblings": []})
            else:
                self.answer(404, {"error": f"no {path}"})

        def do_PUT(self) -> None:
            oid = self.path.rpartition("/")[2]
            hub.stored[oid] = self.body()
            hub.uploads.append(oid)
            self.answer(200)

        def do_POST(self) -> None:
            path, data = urlsplit(self.path).path, self.body()
            if path == "/api/repos/create":
                self.create(json.loads(data))
            elif path == "/api/validate-yaml":
                hub.checked.append(json.loads(data)["content"])
                errors = [{"message": hub.bad_card}] if hub.bad_card else []
                self.answer(400 if errors else 200, {"errors": errors, "warnings": []})
            elif found := re.fullmatch(r"/api/(?:model|dataset)s/(.+)/preupload/(.+)", path):
                self.tell_modes(hub.files(found[1], unquote(found[2])), json.loads(data)["files"])
            elif found := re.fullmatch(r"/api/(?:model|dataset)s/(.+)/commit/(.+)", path):
                self.commit(found[1], unquote(found[2]), data)
            elif found := re.fullmatch(r"/api/(?:model|dataset)s/(.+)/branch/(.+)", path):
                repo = hub.repos[found[1]]
                repo.branches.setdefault(unquote(found[2]), dict(repo.branches["main"]))
                self.answer(200)
            elif path.endswith("/info/lfs/objects/batch"):
                self.tell_places(json.loads(data))
            else:
                self.answer(404, {"error": f"no {path}"})

        def create(self, asked: dict[str, Any]) -> None:
            name = f"{asked.get('organization')}/{asked['name']}"
            if hub.refuse:
                self.answer(hub.refuse[0], {"error": hub.refuse[1]})
                return
            kind = asked.get("type", "model")
            private = asked.get("visibility") == "private" or bool(asked.get("private"))
            known = name in hub.repos
            hub.repos.setdefault(name, Repo(kind, private))
            self.answer(409 if known else 200, {"url": f"{url}/{name}"})

        def tell_modes(self, there: dict[str, bytes], files: list[dict[str, Any]]) -> None:
            told = [
                {
                    "path": one["path"],
                    "uploadMode": "lfs" if one["size"] >= LARGE else "regular",
                    "shouldIgnore": False,
                    "oid": find_oid(there.get(one["path"])),
                }
                for one in files
            ]
            self.answer(200, {"files": told})

        def tell_places(self, asked: dict[str, Any]) -> None:
            objects = []
            for one in asked["objects"]:
                upload = {"upload": {"href": f"{url}/lfs/{one['oid']}"}}
                known = one["oid"] in hub.stored
                objects.append({**one, **({} if known else {"actions": upload})})
            self.answer(200, {"transfer": "basic", "objects": objects})

        def commit(self, name: str, branch: str, data: bytes) -> None:
            repo = hub.repos[name]
            if hub.commits_taken is not None and len(repo.commits) >= hub.commits_taken:
                hub.waits.set()
                hub.let_go.wait()
                return  # whoever asked is dead by now
            for line in map(json.loads, data.splitlines()):
                value = line["value"]
                if line["key"] == "header":
                    repo.commits.append(value["summary"])
                elif line["key"] == "file":
                    repo.branches[branch][value["path"]] = base64.b64decode(value["content"])
                elif line["key"] == "lfsFile":
                    repo.branches[branch][value["path"]] = hub.stored[value["oid"]]
            oid = f"{len(repo.commits):040d}"
            prefix = "" if repo.kind == "model" else f"/{repo.kind}s"
            commit_url = f"{url}{prefix}/{name}/commit/{oid}"
            told = {"commitUrl": commit_url, "commitOid": oid, "success": True}
            self.answer(200, told)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield url
    finally:
        hub.let_go.set()
        server.shutdown()
        server.server_close()


def find_oid(content: bytes | None) -> str | None:
    """The id that the hub has for a file: of a large one, the digest of its content."""
    if content is None:
        return None
    return hashlib.sha256(content).hexdigest() if len(content) >= LARGE else blob_id(content)


def tell(name: str, content: bytes) -> dict[str, Any]:
    return {"type": "file", "path": name, "size": len(content), "oid": blob_id(content)}
