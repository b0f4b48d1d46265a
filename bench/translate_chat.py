"""Translation by a server: how much of its throughput a job uses, and what faults cost.

    python bench/translate_chat.py [--rows 48] [--fault-rows 10000]
    python bench/translate_chat.py --url http://localhost:8000/v1 --model NAME --rows 2000

First the same requests through a bare loop over the `openai` SDK, as many at once, and through our
translator, in turns in one run; every answer is as long as may be, so that no way is lucky. Without
--url the server is llama.cpp's own, carrying SmolLM2-135M on the processor. Then a server that
fails 30 % of all requests in every way: each row must come back translated rightly, or refused or
not reached with its reason.
"""

import argparse
import asyncio
import platform
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any

import openai

from ikusi import language
from ikusi.data import rows as row_types
from ikusi.translate.chat import ChatTranslator
from ikusi.translate.contract import Row, Verdict
from ikusi.translate.engines.chat import Chat

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from translate.servers import MODEL, Faulty, llama

TURNS, TOKENS, AT_ONCE = 3, 48, 8


def rows(count: int) -> list[Row]:
    """Questions with four options, all different."""
    return [
        Row(
            place,
            f"row-{place}",
            row_types.load("choice"),
            [f"What is in picture {place}?", "a cat", "a dog", "a car"],
        )
        for place in range(count)
    ]


def translator(url: str, model: str, **more: Any) -> ChatTranslator:
    """The paper's prompt for A-OKVQA, one try, answers of a fixed length."""
    fixed: dict[str, Any] = {
        "prompt": "aokvqa", "format": "labels", "max_tokens": TOKENS, "tries": 1,
        "concurrency": AT_ONCE, "extra": {"ignore_eos": True},
    }  # fmt: skip
    settings = Chat(kind="chat", url=url, model=model, **(fixed | more))
    return ChatTranslator(settings, language.load("en"), language.load("eu"))


def bare(engine: ChatTranslator, url: str, asked: Sequence[Row]) -> float:
    """Rows a second of a loop over the SDK with as many requests at once."""

    async def loop() -> None:
        places = asyncio.Semaphore(AT_ONCE)

        async def one(row: Row) -> None:
            async with places:
                messages: Any = engine._writer.messages(row)
                await client.chat.completions.create(
                    model=engine.name, messages=messages, **engine._options(row, 0)
                )

        async with openai.AsyncOpenAI(base_url=url, api_key="none") as client:
            await asyncio.gather(*map(one, asked))

    started = time.perf_counter()
    asyncio.run(loop())
    return len(asked) / (time.perf_counter() - started)


def ours(engine: ChatTranslator, asked: Sequence[Row]) -> float:
    """Rows a second of our translator, answers read and checked."""
    started = time.perf_counter()
    count = sum(1 for _ in engine.translate(iter(asked), lambda row, texts: Verdict()))
    assert count == len(asked), count
    return len(asked) / (time.perf_counter() - started)


def throughput(url: str, model: str, count: int) -> None:
    """Print both paces, turn by turn."""
    engine = translator(url, model)
    bare(engine, url, rows(8))  # to warm up, and to fill the prefix cache
    paces = [(bare(engine, url, rows(count)), ours(engine, rows(count))) for _ in range(TURNS)]
    print("| turn | bare loop, rows/s | translator, rows/s |\n|--:|--:|--:|")
    for turn, (theirs, mine) in enumerate(paces, 1):
        print(f"| {turn} | {theirs:.2f} | {mine:.2f} |")
    shares = [mine / theirs for theirs, mine in paces]
    print(f"\nthe translator uses {statistics.median(shares):.0%} of the bare loop's throughput")


def faults(count: int) -> bool:
    """Print what becomes of rows when 30 % of all requests fail; returns whether all is well."""
    asked = rows(count)
    with Faulty(rate=0.3).started() as server:
        engine = translator(
            server.url, MODEL, prompt="any", format="json", tries=3, deadline=1.0,
            concurrency=32, extra={},
        )  # fmt: skip
        started = time.perf_counter()
        outcomes = {out.place: out for out in engine.translate(iter(asked), lambda *_: Verdict())}
        seconds = time.perf_counter() - started
    good = [row for row in asked if outcomes[row.place].texts is not None]
    right = sum(outcomes[row.place].texts == [text.upper() for text in row.texts] for row in good)
    unreached = sum(out.unreached for out in outcomes.values())
    refused = sum(out.texts is None and not out.unreached for out in outcomes.values())
    explained = all(out.attempts or out.unreached for out in outcomes.values() if out.texts is None)
    print(
        f"\n{count:,} rows, {len(server.requests):,} requests, {len(server.faults):,} faults of "
        f"{len(set(server.faults))} kinds, {seconds:.0f} s: {len(good):,} translated ({right:,} "
        f"rightly), {refused:,} refused with reasons, {unreached:,} not reached"
    )
    return (
        len(outcomes) == count == len(good) + refused + unreached
        and right == len(good)
        and explained
    )


def main() -> int:
    """Print the tables of docs/benchmarks.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url")
    parser.add_argument("--model")
    parser.add_argument("--rows", type=int, default=48)
    parser.add_argument("--fault-rows", type=int, default=10_000)
    asked = parser.parse_args()
    with nullcontext(asked.url) if asked.url else llama() as url:
        client = openai.OpenAI(base_url=url, api_key="none")
        throughput(url, asked.model or client.models.list().data[0].id, asked.rows)
    well = faults(asked.fault_rows)
    print(f"openai {version('openai')}, xllamacpp {version('xllamacpp')}, {platform.platform()}")
    return int(not well)


if __name__ == "__main__":
    sys.exit(main())
