"""The scripts behind docs/benchmarks.md."""

import subprocess
import sys
from pathlib import Path

from ikusi import artifact

SCRIPT = Path(__file__).parents[1] / "bench" / "study_times.py"


def test_times_of_a_study_come_from_its_manifests(tmp_path: Path) -> None:
    for name in ("data", "align/english", "instruct/english-000", "instruct/english-100"):
        with artifact.folder(tmp_path / name, fingerprint=name):
            pass
    shown = subprocess.run(
        [sys.executable, SCRIPT, tmp_path], capture_output=True, text=True, check=True
    ).stdout
    assert "| instruct | 2 |" in shown
    assert "ikusi" in shown.splitlines()[-1]


def test_a_folder_without_steps_is_refused(tmp_path: Path) -> None:
    asked = subprocess.run([sys.executable, SCRIPT, tmp_path], capture_output=True, text=True)
    assert asked.returncode == 1
    assert "finished steps" in asked.stderr
