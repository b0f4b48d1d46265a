"""The load that the pages for people bear: many at once, cut connections, a server that is killed.

    python bench/annotate_people.py --clicks 10000

Three parts, each with a server in a process of its own and people as clients of it:

- *storm*: 20 people answer all their items; of each ten requests one is cut before its answer
  comes, and the server is killed (SIGKILL) 20 times and started again. People send what was not
  answered again, as the pages do. Then every answer is looked for: lost, twice, or another's.
- *speed*: 20 people at once; the time of a click (an answer, and the page that comes then) without
  any pause, beside as many requests of a bare Starlette page of as many bytes, in turns; then with
  a second between two clicks of a person.
- *weight*: memory of the server at its end, and bytes of a first page.
"""

import argparse
import asyncio
import json
import os
import random
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from annotate.people import hidden, make_project
from ikusi.annotate import project as projects
from ikusi.annotate.exporting import read_judgements
from ikusi.annotate.project import Project
from ikusi.annotate.store import open_store

SERVER = ("-m", "ikusi", "annotate", "serve", "--port", "PORT")
BARE = """
import sys
import uvicorn
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route
page = "x" * int(sys.argv[2])
async def show(request):
    await request.body()
    return HTMLResponse(page)
app = Starlette(routes=[Route("/{name:path}", show, methods=["GET", "POST"])])
uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False, lifespan="off")
"""
PEOPLE = 20
CUT = 0.1
PAUSE = 1.0  # seconds between two answers of a person who is quick


class Server:
    """A server in a process of its own, which may be killed and started again."""

    def __init__(self, *words: object) -> None:
        self.port = free_port()
        self.command = [sys.executable, *map(str, words)]
        self.start()

    def start(self) -> None:
        """Start it, and wait until it listens."""
        command = [word.replace("PORT", str(self.port)) for word in self.command]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End it by a signal."""
        self.process.send_signal(number)
        self.process.wait()

    def seconds(self) -> float:
        """Processor time that the process has taken, in seconds."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def megabytes(self) -> float:
        """Memory that the process holds now, in MB."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * resource.getpagesize() / 1e6


def free_port() -> int:
    """A port that is not in use."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def ask(port: int, path: str, body: str | None = None, cut: bool = False) -> str | None:
    """A page after one request; None where it was cut, which the server cannot know."""
    head = f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    head += "Connection: close\r\n"
    if body is not None:
        head += (
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n"
        )
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(f"{head}\r\n{body or ''}".encode())
            await writer.drain()
            if cut:
                await asyncio.sleep(random.random() * 0.02)
                return None
            return whole_page((await reader.read()).decode())
        finally:
            writer.close()
    except OSError:
        return None


def whole_page(page: str) -> str | None:
    """A page that came to its end; a browser notices too when it did not."""
    head, _, body = page.partition("\r\n\r\n")
    length = re.search(r"content-length: (\d+)", head)
    return page if length and len(body.encode()) == int(length[1]) else None


async def whole(port: int, path: str, body: str | None, cut: float) -> str:
    """A page, however often it has to be asked for."""
    while True:
        page = await ask(port, path, body, random.random() < cut)
        if page is not None and not page.startswith("HTTP/1.1 5"):
            return page
        await asyncio.sleep(0.02)


def form_of(page: str, note: str) -> str:
    """An answer from an item's page, as a person sends it who has looked at it for a while."""
    shown = int(hidden(page, "shown")) - 2000
    fields = {"nonce": hidden(page, "nonce"), "shown": shown, "verdict": "accept", "note": note}
    return urlencode(fields)


async def person(
    port: int, link: str, seat: str, clicks: int, cut: float, pause: float
) -> list[float]:
    """Answer so many items; the seconds that each answer took until its page was there.

    `pause`: seconds between two answers, on average; 0 for none.
    """
    page = await whole(port, f"{link}/1", None, cut)
    taken = []
    for number in range(1, clicks + 1):
        body = form_of(page, f"{seat} {number}")
        if pause:
            await asyncio.sleep(2 * pause * random.random())
        began = time.perf_counter()
        answer = await whole(port, f"{link}/{number}", body, cut)
        assert answer.startswith("HTTP/1.1 303"), answer[:200]
        page = await whole(port, f"{link}/{min(number + 1, clicks)}", None, cut)
        taken.append(time.perf_counter() - began)
    return taken


async def crowd(
    server: Server, project: Project, clicks: int, cut: float = 0, pause: float = 0
) -> list[float]:
    """Let everybody answer at once; see `person`."""
    links = {
        code: projects.make_link(word) for word, code in projects.read_links(project.folder).items()
    }
    people = [
        person(server.port, links[seat.code], seat.code, clicks, cut, pause)
        for seat in project.seats
    ]
    return [one for taken in await asyncio.gather(*people) for one in taken]


def prepare(folder: Path, items: int) -> Project:
    """A project of so many items, in which everybody has begun."""
    project = make_project(folder, items=items, seats=PEOPLE, side=300)
    store = open_store(folder)
    for seat in project.seats:
        store.enter(seat.code, seat.code, "agreed")
    store.close()
    return project


def storm(folder: Path, clicks: int, kills: int) -> dict[str, object]:
    """Cut and kill while everybody answers; count what is lost, doubled or another's."""
    project = prepare(folder, clicks // PEOPLE)
    server = Server(*SERVER, folder)
    killed = 0

    async def run() -> None:
        nonlocal killed
        work = asyncio.create_task(crowd(server, project, clicks // PEOPLE, CUT))
        store = folder / "answers.sqlite"
        while not work.done():
            await asyncio.sleep(0.05)
            if killed < kills and count_words(store) >= clicks * (killed + 1) // (kills + 1):
                server.kill()
                killed += 1
                await asyncio.to_thread(server.start)
        await work

    asyncio.run(run())
    megabytes = server.megabytes()
    server.kill(signal.SIGTERM)
    seen = Counter((one.rater, one.id) for one in read_judgements(folder))
    swapped = sum(
        one.note != f"{one.rater} {one.id.removeprefix('row-')}" for one in read_judgements(folder)
    )
    wanted = {(seat.code, turn.item) for seat in project.seats for turn in seat.turns}
    return {
        "clicks": clicks,
        "kills": killed,
        "lost": len(wanted - seen.keys()),
        "doubled": sum(seen.values()) - len(seen),
        "swapped": swapped,
        "server_mb": round(megabytes, 1),
    }


def count_words(store: Path) -> int:
    """Number of answers that are kept so far."""
    import sqlite3

    connection = sqlite3.connect(store, timeout=30)
    try:
        return int(connection.execute("SELECT COUNT(*) FROM history").fetchone()[0])
    finally:
        connection.close()


def speed(folder: Path, clicks: int) -> dict[str, object]:
    """Time clicks beside a bare page."""
    project = prepare(folder, clicks)
    server = Server(*SERVER, folder)
    links = {code: projects.make_link(word) for word, code in projects.read_links(folder).items()}
    page = asyncio.run(whole(server.port, f"{links['annotator-1']}/1", None, 0))
    bare = Server("-c", BARE, "PORT", len(page))

    async def plain(count: int) -> list[float]:
        """As many requests of a bare page as a click makes: two."""

        async def one() -> list[float]:
            taken = []
            for _ in range(count):
                began = time.perf_counter()
                await whole(bare.port, "/x", "a=1", 0)
                await whole(bare.port, "/x", None, 0)
                taken.append(time.perf_counter() - began)
            return taken

        return [t for taken in await asyncio.gather(*(one() for _ in range(PEOPLE))) for t in taken]

    half = clicks // 2
    begun = server.seconds(), bare.seconds()
    bares = asyncio.run(plain(half))
    ours = asyncio.run(crowd(server, project, clicks))
    bares += asyncio.run(plain(half))
    spent = server.seconds() - begun[0], bare.seconds() - begun[1]
    paced = asyncio.run(crowd(server, project, half, pause=PAUSE))
    assets = set(re.findall(r'"(/assets/[^"]+)"', page))
    sizes = [len(asyncio.run(whole(server.port, asset, None, 0))) for asset in assets]
    result: dict[str, object] = {
        "p95_ms_paced": round(quantile(paced) * 1000, 1),
        "p95_ms": round(quantile(ours) * 1000, 1),
        "bare_p95_ms": round(quantile(bares) * 1000, 1),
        "ratio": round(quantile(ours) / quantile(bares), 2),
        "processor_ms": round(spent[0] / len(ours) * 1000, 2),
        "bare_processor_ms": round(spent[1] / len(bares) * 1000, 2),
        "first_page_kb": round((len(page) + sum(sizes)) / 1000, 1),
        "server_mb": round(server.megabytes(), 1),
    }
    for one in (server, bare):
        one.kill(signal.SIGTERM)
    return result


def quantile(seconds: list[float], share: float = 0.95) -> float:
    """The value that so many lie below."""
    return sorted(seconds)[int(len(seconds) * share)]


def main() -> None:
    """Measure, and print each part as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clicks", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--speed-clicks", type=int, default=60, help="of each person")
    given = parser.parse_args()
    random.seed(0)
    with tempfile.TemporaryDirectory() as place:
        print(json.dumps(speed(Path(place) / "speed", given.speed_clicks)), flush=True)
        print(json.dumps(storm(Path(place) / "storm", given.clicks, given.kills)), flush=True)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
