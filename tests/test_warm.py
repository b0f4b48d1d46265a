"""Copies of a process stand for new ones: what they begin with, and how they end."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import warm

pytestmark = pytest.mark.slow

SHOW = """
import json, os, signal, sys
print(json.dumps([
    __name__, sys.argv, os.environ.get("OWN"), os.environ.get("THEIRS"),
    os.getsid(0) == os.getpid(),
    signal.getsignal(signal.SIGINT) is signal.default_int_handler,
    signal.getsignal(signal.SIGTERM) == signal.SIG_DFL,
    len(os.listdir("/proc/self/task")), sys.stdin.read(),
]))
print("beside", file=sys.stderr)
"""
LOADED = "import sys; print([name for name in sys.modules if name.startswith('ikusi')])"
ENDS = {
    "print(1)": 0,
    "raise SystemExit(3)": 3,
    "raise SystemExit": 0,
    "1 / 0": 1,
    "import os, signal; os.kill(os.getpid(), signal.SIGKILL)": -signal.SIGKILL,
}


def test_a_copy_begins_as_python_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THEIRS", "of this process")
    words = ["-c", SHOW, "a", "b c"]
    environment = {"OWN": "told", "PATH": os.environ["PATH"]}
    copy = warm.Command(words, environment)
    told = copy.communicate(60)
    asked = [sys.executable, *words]
    new = subprocess.run(
        asked,
        env=environment,
        start_new_session=True,
        capture_output=True,
        text=True,
        input="",
        # A shell's background jobs ignore Ctrl-C, and what they start inherits that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert json.loads(told[0]) == json.loads(new.stdout)
    assert told[1] == new.stderr == "beside\n" and copy.returncode == 0


def test_ikusi_itself_is_not_imported_yet() -> None:
    told = warm.Command(["-c", LOADED], dict(os.environ)).communicate(60)[0]
    assert told.strip() == "['ikusi', 'ikusi.imports']"


@pytest.mark.parametrize(("code", "ends"), ENDS.items())
def test_a_copy_ends_as_python_does(code: str, ends: int) -> None:
    copy = warm.Command(["-c", code], dict(os.environ))
    copy.communicate(60)
    assert copy.returncode == ends


def test_a_copy_can_be_waited_for_signalled_and_ended(tmp_path: Path) -> None:
    code = "import sys, time; print('here', flush=True); time.sleep(60)"
    for end, code_of_end in (
        (lambda p: os.killpg(p.pid, signal.SIGTERM), -15),
        (warm.Command.kill, -9),
    ):
        copy = warm.Command(["-c", code], dict(os.environ))
        while copy.said()[0] != "here\n":
            time.sleep(0.01)
        with pytest.raises(subprocess.TimeoutExpired):
            copy.communicate(0.1)
        assert copy.poll() is None
        end(copy)
        copy.communicate(60)
        assert copy.poll() == code_of_end
