"""Servers as they are: how many of the behaviours in docs/servers.md each way of asking holds.

    python bench/servers.py

Starts a server on this machine for each behaviour and asks it as a translation and as an
evaluation do. Ends with 1 if any fails.
"""

import os
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from server.test_behaviours import WAYS, hold, tries


def main() -> int:
    """Print the table."""
    os.environ["OPENAI_API_KEY"] = "a-key-of-no-server"
    tried: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for does, name in tries():
        tried[name] += 1
        try:
            hold(does, WAYS[name])
        except Exception as error:
            failed[name] += 1
            print(f"{does.name}, {name}: {error}", file=sys.stderr)
    print("| asked by | tried | held | failed |\n|---|--:|--:|--:|")
    for name, count in tried.items():
        print(f"| {name} | {count} | {count - failed[name]} | {failed[name]} |")
    return int(failed.total() > 0)


if __name__ == "__main__":
    sys.exit(main())
