"""A power cut between any two system calls: the same command then gives the same result."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import power
import powered
import train.powered
from ikusi.train import checkpoints

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace"),
]

CODE = """
import sys
sys.path[:0] = {paths!r}
import {module}
from pathlib import Path
{run}(Path(sys.argv[1]), Path(sys.argv[2]))
"""
EVERY: dict[Any, int] = {  # goes on from every so many states: each takes its time
    powered.translates: 2,
    powered.evaluates: 2,
    powered.publishes: 24,
    train.powered.stores_features: 4,
    train.powered.trains: 24,
}


def tables(folder: Path) -> dict[str, Any]:
    """All rows of a folder's tables, without their times."""
    found = {path.name: pq.read_table(path) for path in sorted(folder.rglob("*.parquet"))}
    return {
        name: table.drop_columns([c for c in ("seconds",) if c in table.column_names]).to_pylist()
        for name, table in found.items()
    }


def expect_checkpoints(root: Path, states: list[dict[str, bytes | None]]) -> None:
    """From the third step on, each state has the trained model or a checkpoint to go on from."""
    seen = 0
    for left in states:
        power.restore(root, left)
        if (model := root / "out" / "checkpoint" / "model.safetensors").exists():
            assert model.stat().st_size
        elif (left.get("out/metrics.jsonl") or b"").count(b"\n") > 2:
            named = sorted((root / "out" / "resume").glob("step-*[0-9]"))
            assert checkpoints.find_latest(root / "out" / "resume") == named[-1]
            seen += 1
    assert seen > 20


@pytest.mark.slow
@pytest.mark.parametrize(
    "run",
    [
        powered.folder,
        powered.imports,
        powered.translates,
        powered.evaluates,
        powered.publishes,
        train.powered.trains,
        train.powered.stores_features,
    ],
    ids=lambda run: run.__name__,
)
def test_the_same_command_finishes_after_a_cut_at_any_call(
    tmp_path: Path, run: Callable[[Path, Path], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    given, root = tmp_path / "given", tmp_path / "root"
    powered.prepare(given)
    root.mkdir()
    paths = [str(Path(__file__).parent), *sys.path]
    name = f"{run.__module__}.{run.__name__}"
    states = power.cuts(
        root, CODE.format(module=run.__module__, paths=paths, run=name), root, given
    )
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # nobody cuts these runs: only time
    expected, whole = run(root, given), tables(root / "out")
    assert len(states) >= 20
    if run is train.powered.trains:
        expect_checkpoints(root, states)
    for left in states[:: EVERY.get(run, 1)]:
        power.restore(root, left)
        told = json.dumps(
            {path: None if data is None else len(data) for path, data in left.items()}, indent=1
        )
        assert run(root, given) == expected, told
        assert tables(root / "out") == whole, told


def test_the_model_of_a_disk_loses_what_was_not_flushed(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    code = (
        "import os, sys\n"
        "os.chdir('/')\n"
        "with open(sys.argv[1] + '/a.tmp', 'w') as file: file.write('whole')\n"
        "os.rename(sys.argv[1] + '/a.tmp', sys.argv[1] + '/a')\n"
    )
    states = power.cuts(tmp_path / "root", code, tmp_path / "root")
    assert {"a": b""} in states and {} in states and {"a.tmp": b""} in states


def test_what_is_flushed_in_a_new_folder_is_not_lost_with_the_folder(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "from pathlib import Path\n"
        "from ikusi import disk\n"
        "inner = Path(sys.argv[1]) / 'outer' / 'inner'\n"
        "disk.make_folder(inner)\n"
        "disk.write_text(inner / 'file', 'whole')\n"
    )
    left = power.Disk(tmp_path / "root")
    for call in power.recorded(code, tmp_path / "root"):
        left.do(*call)
    whole = {"outer": None, "outer/inner": None, "outer/inner/file": b"whole"}
    assert left.left("flushed") == whole
