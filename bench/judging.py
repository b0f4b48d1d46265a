"""Cost of asking a judge beside a bare loop, and its table after faults and kills.

    python bench/judging.py

Starts judges on this machine: one that takes as long as a server may, one that fails three times in
ten. Ends with 1 if a game is lost, doubled or judged otherwise.
"""

import asyncio
import base64
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

# In place of this folder, whose files are called as some of the tests' are.
sys.path.remove(str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from ikusi import language
from ikusi.judge import prompt, record, run
from ikusi.judge.asking import Sampling
from ikusi.judge.games import list_games
from ikusi.judgements import read
from ikusi.judgements.pairs import join_pairs
from judge import served
from judge.served import MODEL, Rule, by_hash
from judgements import answered

ROOT = Path(__file__).parents[1]
ROWS, AT_ONCE, WAIT = 300, 16, 0.5
ROUNDS, KILLS, KILL_ROWS = 3, 20, 120
FAULTS = tuple(one for one in served.FAULTS if one != "late")


def main() -> int:
    """Print the figures."""
    os.environ.pop("OPENAI_API_KEY", None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        about = make(folder, ROWS)
        throughput(about, folder)
        good = faults(about, folder)
        return int(not (kills(folder) and good))


def make(folder: Path, rows: int) -> run.About:
    """Pairs of two runs."""
    corpus = answered.corpus(folder / f"corpora-{rows}" / "wildvision", rows)
    one, two = (answered.run(folder / f"{rows}" / n, rows=rows) for n in ("latxa", "llama"))
    pairs = join_pairs(one, two, "wildvision", "eu", corpus)
    return run.About(pairs, "wildvision", language.load("eu"))


def settings(url: str, **more: Any) -> run.Settings:
    """Settings by which pairs are judged here."""
    return run.Settings(url, MODEL, concurrency=AT_ONCE, deadline=30.0, **more)


def throughput(about: run.About, folder: Path) -> None:
    """Games a second of a judge, and of a loop that only sends the same requests."""
    shares, later, paces = [], [], []
    for turn in range(ROUNDS):
        with served.server(Rule(by_hash)).started() as server:
            server.wait = WAIT  # a fast judge's; less, and it is this machine that is measured
            bare = loop(about, server.url)
            output = folder / f"pace-{turn}"
            began = time.time()
            counts = run.judge(about, settings(server.url), output)
            seconds = time.time() - began
        ours = counts.played / seconds
        shares.append(ours / bare)
        later.append(counts.played / (seconds - find_start(output) + began) / bare)
        paces.append((ours, bare))
    middle = sorted(range(ROUNDS), key=lambda turn: shares[turn])[ROUNDS // 2]
    listed, without = (", ".join(f"{one:.3f}" for one in each) for each in (shares, later))
    print(
        f"games/s: {paces[middle][0]:.1f}, bare loop {paces[middle][1]:.1f}; of it: {listed}; "
        f"from the first game on: {without}"
    )


def find_start(table: Path) -> float:
    """When the first game was put, in seconds since 1970."""
    return min(
        datetime.fromisoformat(game.made).timestamp() - game.seconds for game in record.read(table)
    )


def loop(about: run.About, url: str) -> float:
    """Requests a second of a bare loop of the SDK, as many at once, pictures encoded before."""
    import openai

    writer = prompt.load("paper", "en", about.pack)
    games = list(list_games(about.pairs, None, 20, 0))
    asked = []
    for game in games:
        assert game.picture is not None
        url_ = "data:image/png;base64," + base64.b64encode(game.picture.read()).decode()
        asked.append(writer.write_messages(game.pair.question, *game.answers, url_))

    async def all_() -> None:
        client = openai.AsyncOpenAI(base_url=url, api_key="none")
        free = asyncio.Semaphore(AT_ONCE)

        async def one(messages: Any) -> None:
            async with free:
                answer = await client.chat.completions.create(
                    model=MODEL, messages=messages, max_tokens=4096, temperature=0, seed=0
                )
                json.loads(answer.choices[0].message.content or "")

        await asyncio.gather(*map(one, asked))
        await client.close()

    began = time.perf_counter()
    asyncio.run(all_())
    return len(asked) / (time.perf_counter() - began)


def faults(about: run.About, folder: Path) -> bool:
    """Judge while three answers in ten are faults; every pair has a verdict or a reason."""
    with served.server(Rule(by_hash)).started() as server:
        run.judge(about, settings(server.url), folder / "plain")
    with served.server(Rule(by_hash), 0.3, kinds=FAULTS).started() as server:
        counts = run.judge(about, settings(server.url), folder / "faults")
        met = Counter(server.faults)
    plain, rows = verdicts(folder / "plain"), list(read(folder / "faults"))
    reasons = {(r.id, r.left): r.note for r in rows if r.verdict in ("invalid", "refused")}
    same = all(plain[r.id, r.left] == r.verdict for r in rows if (r.id, r.left) not in reasons)
    good = counts.unanswered == 0 and len(rows) == len(plain) and all(reasons.values()) and same
    print(
        f"faults: {met.total()} of {len(met)} kinds; {len(rows)} of {len(plain)} games in the "
        f"table, {len(reasons)} with a reason in place of a verdict, the others as without "
        f"faults: {same}"
    )
    return good


def verdicts(table: Path) -> dict[tuple[str, str], str]:
    """Verdict of each game in a table."""
    return {(row.id, row.left): row.verdict for row in read(table)}


def kills(folder: Path) -> bool:
    """Kill a judge at any moment, again and again; the table is that of one that was left alone."""
    about = make(folder, KILL_ROWS)
    with served.server(Rule(by_hash)).started() as server:
        run.judge(about, settings(server.url, sampling=Sampling()), folder / "whole")
    chance, output = random.Random(0), folder / "killed"
    command = [
        *[sys.executable, "-m", "ikusi", "judge", f"{KILL_ROWS}/latxa", f"{KILL_ROWS}/llama"],
        *["--benchmark", "wildvision", "--language", "eu", "--model", MODEL, "--output", "killed"],
        *["--corpus", f"corpora-{KILL_ROWS}/wildvision", "--concurrency", "2"],
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    with served.server(Rule(by_hash)).started() as server:
        server.wait = 0.02
        done = 0
        while done < KILLS:
            process = subprocess.Popen(
                [*command, "--url", server.url], cwd=folder, env=environment,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            before = len(server.requests)
            wanted = before + chance.randint(1, 14)  # requests after which it is killed
            while len(server.requests) < wanted and process.poll() is None:
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
            process.wait()
            done += 1
        subprocess.run([*command, "--url", server.url], cwd=folder, env=environment, check=True)
        asked = sum(len(one["messages"]) == 2 for one in server.requests)
    games = [one.key for one in record.read(output)]
    good = verdicts(output) == verdicts(folder / "whole") and len(games) == len(set(games))
    rows = [(row.id, row.left, row.right) for row in read(output)]
    good = good and len(rows) == len(set(rows)) == 2 * KILL_ROWS
    print(
        f"kills: {done}; {len(games)} games and {len(rows)} judgements, each once; the same table: "
        f"{good}; {asked - len(games)} of {asked} requests were under way when it was killed"
    )
    return good


if __name__ == "__main__":
    sys.exit(main())
