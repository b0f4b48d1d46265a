"""Every long command, started as a person starts it and stopped in the middle of its work.

All heed both signals by one door, so each is sent one of them; what does not end is sent both.
"""

import json
import os
import re
import shutil
import signal
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import measured
import starting
import warm
from compare.test_runs import evaluation
from data_rows import picture
from ikusi import cli
from ikusi.cli import stopping
from ikusi.data.corpus import Corpus, CorpusWriter
from ikusi.model import fusion
from model.families import tokenizer
from model.pairs import llm, tower
from stoppable import Started, Warm
from test_cli import COMMANDS
from translate.jobs import OFF, numbered
from translate.servers import MODEL, Faulty

ROOT = Path(__file__).parents[1]

# Reads, says that it is at work, with a process of its own, and goes on once nothing holds it.
PAUSED = """#!/bin/sh
given=$(cat)
if [ "$given" != a ]; then
    ( while [ -e {hold} ]; do sleep 0.05; done ) &
    touch {busy}
    wait
fi
{rest}
"""


# Work that no exception ends, with a child that does not heed SIGTERM.
STUCK = """
import subprocess, sys, time
from pathlib import Path
from ikusi import processes
from ikusi.cli import stopping
words, busy, stopping.SECONDS_TO_LEAVE = sys.argv[1:2], Path(sys.argv[2]), float(sys.argv[3])
processes.SECONDS_TO_LEAVE = 0.2
with stopping.heed_signals(stopping.describe_kept(words)):
    deaf = busy.with_name("deaf")
    heedless = f"trap '' TERM INT; touch {deaf}; while :; do sleep 0.1; done"
    subprocess.Popen(["sh", "-c", heedless])
    while not deaf.exists():
        time.sleep(0.01)
    while True:
        try:
            busy.touch()  # here, where no exception is missed
            time.sleep(60)
        except BaseException:
            busy.with_name("heard").touch()
"""


class Stuck(Started):
    """Such work: a command's name, the file that says that it has begun, seconds to leave it in."""

    program = ("-c", STUCK)


def run(*words: object) -> int:
    """Exit code of a command that nothing stops."""
    with pytest.raises(SystemExit) as end:
        cli.main([str(word) for word in words])
    return int(end.value.code or 0)


@pytest.fixture
def paused(tmp_path: Path) -> Callable[[str], Path]:
    """Writes programs that wait, as long as `hold` is there, once they have made `busy`."""
    (tmp_path / "hold").touch()

    def write(name: str, rest: str = "") -> Path:
        script = tmp_path / name
        files = {"hold": tmp_path / "hold", "busy": tmp_path / "busy"}
        script.write_text(PAUSED.format(**files, rest=rest))
        script.chmod(0o755)
        return script

    return write


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def number(request: pytest.FixtureRequest) -> signal.Signals:
    found: signal.Signals = request.param
    return found


@pytest.mark.system
@pytest.mark.slow
def test_a_translation_goes_on_with_the_rows_it_has(
    tmp_path: Path, paused: Callable[..., Path]
) -> None:
    """Its program, with what that has started, ends with it."""
    numbered(tmp_path / "corpus", "caption", 10)
    slow = str(paused("slow", 'printf "%s\\n" "$given" | tr a-z A-Z'))
    engine = {"kind": "command", "command": [slow], "blank_lines": False}
    told = {"name": "slow", "language": "eu", "engine": engine, "checks": OFF}
    (tmp_path / "slow.yaml").write_text(json.dumps(told))
    words = ["translate", tmp_path / "slow.yaml", "--corpus", tmp_path / "corpus", "--output"]
    started = Started(*words, tmp_path / "out")
    started.stop_once((tmp_path / "busy").exists, signal.SIGINT, all=True)
    assert not (tmp_path / "out").exists()
    (tmp_path / "hold").unlink()
    assert run(*words, tmp_path / "out") == run(*words, tmp_path / "whole") == 0
    ours, whole = (Corpus.open(tmp_path / name).table("eu") for name in ("out", "whole"))
    assert ours.equals(whole) and ours["text"][0].as_py() == "A CAT SITS ON MAT 0"


@pytest.mark.system
@pytest.mark.slow
def test_what_a_server_has_answered_is_not_asked_again(tmp_path: Path) -> None:
    numbered(tmp_path / "corpus", "caption", 10)
    with Faulty().started() as server:
        engine = {"kind": "chat", "url": server.url, "model": MODEL, "prompt": "any"}
        told = {"name": "a", "language": "eu", "checks": OFF, "engine": engine | {"concurrency": 1}}
        (tmp_path / "a.yaml").write_text(json.dumps(told))
        words = ["translate", tmp_path / "a.yaml", "--corpus", tmp_path / "corpus", "--output"]
        server.wait = 0.5
        started = Started(*words, tmp_path / "out")
        started.stop_once(lambda: len(server.requests) >= 4, signal.SIGTERM, all=False)
        server.wait = 0
        assert run(*words, tmp_path / "out") == 0
        asked = [json.dumps(request["messages"]) for request in server.requests]
        assert asked.count(asked[1]) == 1, "the first row is not asked for again; [0] is a trial"
        assert run(*words, tmp_path / "whole") == 0
    ours, whole = (Corpus.open(tmp_path / name).table("eu") for name in ("out", "whole"))
    assert ours.equals(whole)


@pytest.mark.system
@pytest.mark.slow
def test_an_import_begins_anew(tmp_path: Path) -> None:
    rows = (json.dumps({"question": f"what is {n}?", "answer": f"it is {n}"}) for n in range(60000))
    (tmp_path / "rows.jsonl").write_text("\n".join(rows))
    words = ["data", "import", "table", "row_type=instruction", "--path", tmp_path / "rows.jsonl"]
    started = Warm(*words, "--output", tmp_path / "out")
    started.stop_once(lambda: list(tmp_path.rglob("*.parquet")), signal.SIGTERM, all=True)
    assert not (tmp_path / "out").exists()
    asked = [*words, "--limit", 20, "--output"]
    assert run(*asked, tmp_path / "out") == run(*asked, tmp_path / "whole") == 0
    ours, whole = (Corpus.open(tmp_path / name).table("en") for name in ("out", "whole"))
    assert ours.equals(whole)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """Trains an alignment of many short steps on four captions."""
    folder = tmp_path_factory.mktemp("tiny")
    tower().save_pretrained(folder / "vision")
    fusion.save(llm(), tokenizer("plain"), folder / "llm")
    with CorpusWriter(folder / "captions", "caption", ["en", "eu"]) as writer:
        writer.add_image("1", picture(), "png", 8, 8, "made here")
        for row in range(4):
            told = {"text": f"A red square, {row}."}
            writer.add_row(f"row-{row}", "1", {"en": told, "eu": told})
    return [
        *("train", ROOT / "recipes/emoji-eu.yaml", "--stage", "align", "--run", "english"),
        *(f"vision={folder / 'vision'}", f"backbones.english={folder / 'llm'}"),
        *(
            "grid.backbones=[english]",
            "cache_features=false",
            f"stages.align.corpus={folder / 'captions'}",
        ),
        *("stages.align.batch_size=2", "stages.align.save_every=1"),
    ]


def has_begun(folder: Path) -> bool:
    """Whether a training below a folder has made a step, or all of them."""
    with suppress(FileNotFoundError):  # it was renamed meanwhile
        return any(path.stat().st_size for path in folder.glob("*/metrics.jsonl"))
    return False


@pytest.mark.system
@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "processes"), [(signal.SIGINT, 1), (signal.SIGTERM, 2)], ids=str
)
def test_a_training_leaves_no_process_and_ends_the_same(
    tmp_path: Path,
    tiny: list[object],
    number: signal.Signals,
    processes: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONPATH", starting.paths())
    folder = tmp_path / "a/emoji-eu/align"
    lines = folder / "english.partial/metrics.jsonl"
    for epochs in (10, 100, 1000):  # more, where all steps were made before the signal came
        words = [*tiny, f"stages.align.epochs={epochs}", "--nproc", processes, "--studies"]
        started = Started(*words, tmp_path / "a")
        told = started.signal_once(lambda: has_begun(folder), number, all=processes == 1)
        if lines.exists():
            break
        shutil.rmtree(tmp_path / "a")
    started.assert_stopped(number, *told)
    assert 0 < len(lines.read_text().splitlines()) < 2 * epochs
    if processes > 1:  # to the bit it is tested where such trainings are
        return
    warm.let_workers_be_copies(monkeypatch)
    assert run(*words, tmp_path / "a") == run(*words, tmp_path / "b") == 0
    made = [tmp_path / name / "emoji-eu/align/english/checkpoint" for name in "ab"]
    ours, whole = ((folder / "model.safetensors").read_bytes() for folder in made)
    assert ours == whole


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return measured.llava(tmp_path_factory.mktemp("model") / "llava")


@pytest.fixture(scope="module")
def evaluated(model: Path) -> tuple[list[object], list[dict[str, Any]]]:
    """An evaluation, but for its folder, and the rows of one that nothing stopped."""
    folder = model.parent
    measured.five(folder / "data", ["en", "eu"])
    words: list[object] = ["evaluate", model, "--data", folder / "data", "--language", "en", "eu"]
    words += ["--benchmark", *(f"miniature/{name}" for name in measured.NAMES)]
    words += ["--batch-size", 1, "--output"]
    assert run(*words, folder / "whole") == 0
    return words, measured.rows_of(folder / "whole")


@pytest.mark.system
@pytest.mark.slow
def test_an_evaluation_goes_on_from_its_finished_parts(
    tmp_path: Path, evaluated: tuple[list[object], list[dict[str, Any]]]
) -> None:
    words, whole = evaluated
    started = Warm(*words, tmp_path / "out")
    started.stop_once(lambda: list(tmp_path.glob("out/**/*.parquet")), signal.SIGTERM, all=False)
    assert not (tmp_path / "out/results.json").exists()
    assert run(*words, tmp_path / "out") == 0
    assert measured.rows_of(tmp_path / "out") == whole


@pytest.mark.system
@pytest.mark.slow
def test_a_converter_and_what_it_starts_end_with_an_export(
    tmp_path: Path, model: Path, paused: Callable[..., Path]
) -> None:
    paused("convert_hf_to_gguf.py")
    words = ["export", model, "--to", "gguf", "--output", tmp_path / "out"]
    started = Warm(*words, PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    started.stop_once((tmp_path / "busy").exists, signal.SIGTERM, all=False)


@pytest.mark.system
@pytest.mark.slow
def test_npm_ends_with_a_fetch(tmp_path: Path, paused: Callable[..., Path]) -> None:
    paused("npm")
    variables = {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "XDG_CACHE_HOME": str(tmp_path),
    }
    started = Started("miniature", "fetch", **variables)
    started.stop_once((tmp_path / "busy").exists, signal.SIGTERM, all=False)
    assert not list(tmp_path.rglob("*.tgz"))


@pytest.mark.system
@pytest.mark.slow
def test_a_conversation_ends_at_its_prompt(model: Path) -> None:
    started = Warm("chat", model)
    started.stop_once(started.has_spoken, signal.SIGINT, all=True)


@pytest.mark.system
@pytest.mark.slow
def test_pages_of_a_talk_end_while_somebody_reads_along(model: Path) -> None:
    started, streams = Warm("chat", model, "--web", "--port", 0), []

    def follow() -> bool:
        """Whether somebody asks and reads along."""
        if not (link := re.search(r"http://\S+", started.process.said()[0])):
            return False
        with urllib.request.urlopen(link[0]) as page:
            own = page.url
        data = b"--x\r\nContent-Disposition: form-data; name=question\r\n\r\nwhat ?\r\n--x--\r\n"
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        urllib.request.urlopen(urllib.request.Request(f"{own}/begin", data, kind)).close()
        streams.append(urllib.request.urlopen(f"{own}/answers"))
        return True

    said = started.stop_once(follow, signal.SIGINT, all=True)
    assert "Cancel" not in said  # no connection is waited for
    streams[0].close()


@pytest.mark.system
@pytest.mark.slow
def test_a_comparison_of_many_resamples_is_left(tmp_path: Path) -> None:
    runs = [evaluation(tmp_path / name, skill) for name, skill in (("a", 0.2), ("b", 0.8))]
    started = Started("compare", *runs, "--bootstrap", 10_000_000, "--output", tmp_path / "out")
    started.stop_once(lambda: started.loaded("_stats"), signal.SIGINT, all=False)
    assert not (tmp_path / "out").exists()


def test_what_does_not_end_is_cut_off(tmp_path: Path, number: signal.Signals) -> None:
    started, seen = Stuck("train", tmp_path / "busy", 0.8), 0.0

    def busy() -> bool:
        nonlocal seen
        seen = time.monotonic()
        return (tmp_path / "busy").exists()

    started.stop_once(busy, number, all=False)
    assert (tmp_path / "heard").exists() and time.monotonic() - seen > 0.7


def test_a_second_ctrl_c_ends_what_does_not_heed_the_first(tmp_path: Path) -> None:
    started, sent = Stuck("train", tmp_path / "busy", 1000), False

    def heard() -> bool:
        """Whether the first one was heard, which is sent once it is at work."""
        nonlocal sent
        if (tmp_path / "busy").exists() and not sent:
            os.kill(started.process.pid, signal.SIGINT)
            sent = True
        return (tmp_path / "heard").exists()

    started.stop_once(heard, signal.SIGINT, all=True)


def test_what_is_said_is_of_commands_that_there_are() -> None:
    assert set(stopping.KEPT) <= set(COMMANDS)
    assert stopping.describe_kept(["data", "import", "table"]) == stopping.KEPT["data import"]
    assert (
        stopping.describe_kept(["data", "show", "corpus"])
        == stopping.describe_kept([])
        == stopping.ANEW
    )
