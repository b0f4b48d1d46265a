"""Pictures from 2,000 URLs of which most are bad: is each reported as what it is, and how fast.

    python bench/fetch_images.py [--urls 2000]

A local server answers half of the URLs with pictures of five formats and the others with what the
web is full of: dead links, pages instead of pictures, files that are cut or lie about their size,
decompression bombs, redirect loops, redirects to private networks, other pictures than the hash
says, slow and broken servers.
Exits with 1 if one is reported as something else. Peak memory includes the server's.
"""

import argparse
import hashlib
import platform
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import aiohttp
import PIL

from ikusi import artifact
from ikusi.data.web.fetch import FetchSettings, Wanted, fetch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from data.web.picture_server import EXPECTED, FORMATS, PictureServer, encoded

KINDS = [
    *EXPECTED.items(),
    *[("again", "ok"), ("moved", "ok"), ("same", "ok"), ("other", "hash mismatch")],
]


def paths(count: int) -> dict[str, str]:
    """Paths and what becomes of them: half are pictures."""
    reasons: dict[str, str] = {}
    for number in range(count):
        kind, reason = ("ok", "ok") if number % 2 else KINDS[number // 2 % len(KINDS)]
        reasons[f"{kind}-{number}"] = reason
    return reasons


def digest(path: str) -> str | None:
    """The hash that is given for a picture, if one is; that of `other` is wrong."""
    kind, _, number = path.rpartition("-")
    picture = encoded(FORMATS[int(number) % len(FORMATS)], colour=int(number))
    return {"same": hashlib.sha256(picture).hexdigest(), "other": "0" * 64}.get(kind)


def main() -> int:
    """Print how many of each kind were reported as what they are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--urls", type=int, default=2000)
    expected = paths(parser.parse_args().urls)
    settings = FetchSettings(
        concurrency=64, per_host=64, timeout=2.0, retries=1, max_bytes=2_000_000,
        on_mismatch="drop", allow=("127.0.0.1/32",),
    )  # fmt: skip
    counts: Counter[tuple[str, str]] = Counter()
    with PictureServer().started() as server, tempfile.TemporaryDirectory() as name:
        folder, started = Path(name), time.perf_counter()
        wanted = [Wanted(server.url(path), digest(path)) for path in expected]
        ledger = fetch(wanted, folder / "mixed", settings)
        seconds = time.perf_counter() - started
        for path, reason in expected.items():
            counts[reason, ledger.reason(server.url(path)) or "ok"] += 1
        good = [Wanted(server.url(f"ok-{number}")) for number in range(len(expected))]
        started = time.perf_counter()
        pictures = fetch(good, folder / "good", settings).counts()["ok"]
        speed = pictures / (time.perf_counter() - started)
    print("| is | reported as | URLs |\n|---|---|--:|")
    for (reason, actual), count in sorted(counts.items()):
        print(f"| {reason} | {actual} | {count} |")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    wrong = sum(count for (reason, actual), count in counts.items() if reason != actual)
    print(
        f"\n{len(expected)} URLs in {seconds:.1f} s, {wrong} reported wrongly, peak {peak:,.0f} MiB"
    )
    print(f"{pictures} good pictures of 16x16 alone: {speed:,.0f} a second")
    versions = f"aiohttp {aiohttp.__version__}, pillow {PIL.__version__}"
    print(f"{versions}, Python {artifact.list_versions()['python']}, {platform.platform()}")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
