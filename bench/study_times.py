"""Print, as Markdown, what a finished study took: `python bench/study_times.py studies/emoji-eu`.

Every figure comes from the manifests that the steps wrote, so it can be checked on disk.
"""

import json
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

KINDS = ("data", "features", "align", "instruct", "merge", "evaluate", "report")


def manifests(study: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The name and the manifest of each finished step."""
    for path in sorted([*study.glob("*/manifest.json"), *study.glob("*/*/manifest.json")]):
        name = path.parent.relative_to(study).as_posix()
        if name.split("/")[0] in KINDS:
            yield name, json.loads(path.read_text(encoding="utf-8"))


def rows(study: Path) -> list[str]:
    """One line of the table per kind of step."""
    steps = dict(manifests(study))
    lines = [
        "| step | how many | seconds, all | seconds, each | attempts |",
        "|---|--:|--:|--:|--:|",
    ]
    for kind in KINDS:
        group = [manifest for name, manifest in steps.items() if name.split("/")[0] == kind]
        if group:
            seconds = [manifest["seconds"] for manifest in group]
            each = f"{min(seconds):,.0f} to {max(seconds):,.0f}"
            attempts = sum(manifest["attempts"] for manifest in group)
            lines.append(f"| {kind} | {len(group)} | {sum(seconds):,.0f} | {each} | {attempts} |")
    return lines


def machine(study: Path) -> str:
    """This machine, and the versions that the study was made with."""
    versions: dict[str, str] = next((m["versions"] for _, m in manifests(study)), {})
    peak = max((m["peak_memory_mb"] or 0 for _, m in manifests(study)), default=0)
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    return (
        f"{processor()}, {os.cpu_count()} cores; {listed}. "
        f"Largest resident memory of a step: {peak:,.0f} MiB."
    )


def processor() -> str:
    """The processor's name, as far as the system reports it."""
    table = Path("/proc/cpuinfo")
    lines = table.read_text(encoding="utf-8").splitlines() if table.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


if __name__ == "__main__":
    if len(sys.argv) != 2 or not list(manifests(Path(sys.argv[1]))):
        sys.exit("usage: python bench/study_times.py STUDY, a folder with finished steps")
    print("\n".join([*rows(Path(sys.argv[1])), "", machine(Path(sys.argv[1]))]))
