import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from ikusi import claim, study
from ikusi.errors import InputError
from ikusi.recipe.folder import StudyFolder
from ikusi.study import graph, progress
from ikusi.study.graph import Step
from ikusi.study.launch import hardware
from ikusi.study.remaining import Plan, Planned


def adding(toy: str, name: str, number: int, *inputs: str) -> Step:
    settings = {"number": number, "inputs": list(inputs)}
    return Step(name, f"{toy}:add", inputs, settings)


def grid(toy: str, numbers: dict[str, int]) -> list[Step]:
    """data -> two alignments -> a run and an evaluation for each number."""
    steps = [adding(toy, "data", 1)]
    steps += [adding(toy, f"align/{name}", 10, "data") for name in ("a", "b")]
    for name, number in numbers.items():
        steps.append(adding(toy, f"instruct/{name}", number, "data", f"align/{name[0]}"))
        steps.append(adding(toy, f"evaluate/{name}", 0, "data", f"instruct/{name}"))
    return steps


def diary(folder: Path) -> list[str]:
    path = folder / "diary"
    return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []


def total(folder: Path, name: str) -> int:
    value: int = json.loads((folder / name / "total.json").read_text())
    return value


@pytest.mark.slow
def test_steps_run_after_what_they_need_and_once(toy: str, tmp_path: Path) -> None:
    steps = grid(toy, {"a-000": 100, "b-020": 200})
    outcome = study.run_steps(steps, tmp_path / "s", 2)
    assert set(outcome.names("done")) == {step.name for step in steps}
    assert total(tmp_path / "s", "instruct/b-020") == 200 + 1 + 11
    assert len(diary(tmp_path / "s")) == len(steps)
    again = study.run_steps(steps, tmp_path / "s", 2)
    assert len(again.names("current")) == len(steps)
    assert again.describe().startswith(f"nothing to do: all {len(steps)} steps are current")
    assert len(diary(tmp_path / "s")) == len(steps)


@pytest.mark.slow
def test_a_study_that_is_foretold_knows_its_time_to_go_from_the_start(
    toy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    steps, asked = grid(toy, {"a-000": 1}), list[str]()

    def estimate_steps() -> Plan:
        asked.append("once")
        return {step.name: Planned(1000.0, True) for step in steps}

    for _ in range(2):
        study.run_steps(steps, tmp_path / "s", 1, estimate_steps=estimate_steps)
    first = next(line for line in "".join(capfd.readouterr()).splitlines() if " to go" in line)
    assert "0 of 5 steps" in first and "about 1:2" in first  # an hour and twenty minutes
    assert asked == ["once"]  # nothing is planned of a study with nothing to do


@pytest.mark.slow
def test_results_are_the_same_for_any_number_of_workers(toy: str, tmp_path: Path) -> None:
    for workers in (1, 3):
        study.run_steps(grid(toy, {"a-000": 100, "b-020": 200}), tmp_path / str(workers), workers)
    one, three = (tmp_path / name / "results.json" for name in ("1", "3"))
    assert one.read_bytes() == three.read_bytes()
    assert list(json.loads(one.read_text())) == ["a-000", "b-020"]


@pytest.mark.slow
def test_workers_are_kept_for_the_next_step(toy: str, tmp_path: Path) -> None:
    study.run_steps(grid(toy, {"a-000": 1, "b-020": 2}), tmp_path / "s", 1)
    processes = {line.split()[1] for line in (tmp_path / "s/diary").read_text().splitlines()}
    assert len(processes) == 1
    assert str(os.getpid()) not in processes


@pytest.mark.slow
def test_a_changed_setting_redoes_only_what_depends_on_it(toy: str, tmp_path: Path) -> None:
    study.run_steps(grid(toy, {"a-000": 100, "b-020": 200}), tmp_path / "s", 1)
    (tmp_path / "s/diary").unlink()
    study.run_steps(grid(toy, {"a-000": 100, "b-020": 201}), tmp_path / "s", 1)
    assert diary(tmp_path / "s") == ["b-020", "b-020"]
    assert total(tmp_path / "s", "evaluate/b-020") == 201 + 11 + 1 + 1


@pytest.mark.slow
def test_a_deleted_folder_is_made_again_with_what_needs_it(toy: str, tmp_path: Path) -> None:
    steps = grid(toy, {"a-000": 100, "b-020": 200})
    study.run_steps(steps, tmp_path / "s", 1)
    (tmp_path / "s/instruct/a-000/manifest.json").unlink()
    states = graph.read_states(steps, StudyFolder(tmp_path / "s"))
    waiting = [name for name, state in states.items() if state.status == "waiting"]
    assert waiting == ["instruct/a-000", "evaluate/a-000"]


@pytest.mark.slow
def test_a_failure_takes_down_only_what_needs_it(
    toy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = [
        *grid(toy, {"a-000": 100}),
        Step("instruct/b-020", f"{toy}:fail", ("align/b",)),
        adding(toy, "evaluate/b-020", 0, "instruct/b-020"),
    ]
    outcome = study.run_steps(steps, tmp_path / "s", 1)
    assert outcome.names("failed") == ["instruct/b-020"]
    assert outcome.names("skipped") == ["evaluate/b-020"]
    assert total(tmp_path / "s", "evaluate/a-000")
    assert outcome.exit_code == 1
    line = next(line for line in capsys.readouterr().out.splitlines() if "failed" in line)
    log = tmp_path / "s/logs/instruct/b-020.log"
    assert line.endswith(f"RuntimeError: the sky fell in two lines (log: {log})")
    assert "Traceback" in log.read_text()
    assert "adding 100" in (tmp_path / "s/logs/instruct/a-000.log").read_text()


@pytest.mark.slow
def test_bad_input_has_its_own_exit_code(toy: str, tmp_path: Path) -> None:
    outcome = study.run_steps([Step("data", f"{toy}:refuse")], tmp_path / "s", 1)
    assert outcome.exit_code == 3
    assert outcome.states["data"].message == "recipe.yaml:3: ratio: expected 0 to 1, found 7"


@pytest.mark.slow
def test_a_worker_that_dies_costs_its_own_step_only(toy: str, tmp_path: Path) -> None:
    steps = [Step("align/a", f"{toy}:vanish"), adding(toy, "align/b", 1)]
    outcome = study.run_steps(steps, tmp_path / "s", 1)
    assert outcome.names("done") == ["align/b"]
    assert outcome.states["align/a"].message == "its process ended with code 9"


@pytest.mark.slow
def test_only_runs_the_named_steps_and_what_they_need(toy: str, tmp_path: Path) -> None:
    steps = grid(toy, {"a-000": 100, "b-020": 200})
    study.run_steps(steps, tmp_path / "s", 1, only=["instruct/a-*"])
    assert diary(tmp_path / "s") == ["data", "a", "a-000"]
    with pytest.raises(InputError, match=r"instruct/b-021 \(did you mean instruct/b-020\?\)"):
        study.run_steps(steps, tmp_path / "s", 1, only=["instruct/b-021"])


@pytest.mark.slow
def test_a_step_that_cannot_resume_starts_from_an_empty_folder(toy: str, tmp_path: Path) -> None:
    (tmp_path / "s/align/a.partial").mkdir(parents=True)
    claim.mark(tmp_path / "s", "study")
    claim.mark(tmp_path / "s/align/a.partial", "align", fingerprint="earlier", attempts=1)
    (tmp_path / "s/align/a.partial/count").write_text("7")
    step = Step("align/a", f"{toy}:count", (), {"until": 2, "seconds": 0})
    study.run_steps([step], tmp_path / "s", 1)
    assert (tmp_path / "s/align/a/ticks").read_text().split() == ["1", "2"]


def test_workers_share_the_accelerators_they_are_allotted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("nvidia1", "nvidia0", "nvidiactl", "nvidia-caps"):
        (tmp_path / name).touch()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert hardware.list_accelerators(tmp_path) == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert hardware.list_accelerators(tmp_path) == ["3", "5"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert hardware.list_accelerators(tmp_path) == []


def test_a_graph_with_a_fault_is_told(toy: str) -> None:
    with pytest.raises(ValueError, match="which is no step"):
        graph.order_steps([adding(toy, "a", 1, "b")])
    with pytest.raises(ValueError, match="a -> b -> a"):
        graph.order_steps([adding(toy, "a", 1, "b"), adding(toy, "b", 1, "a")])
    with pytest.raises(ValueError, match="two steps"):
        graph.order_steps([adding(toy, "a", 1), adding(toy, "a", 1)])


COUNTING = """
import sys
from pathlib import Path
from ikusi import study
from ikusi.study.graph import Step

if __name__ == "__main__":
    step = Step("align/a", "toy_steps:count", (), {"until": 12, "seconds": 0.1}, resumes=True)
    try:
        study.run_steps([step], Path(sys.argv[1]), 1)
    except KeyboardInterrupt:
        sys.exit(130)
"""


def start_counting(toy: str, tmp_path: Path) -> "subprocess.Popen[bytes]":
    """A study in a process of its own, killed later; returns once its step is under way."""
    script = tmp_path / "modules/counting.py"
    script.write_text(COUNTING)
    study.run_steps([], tmp_path / "s", 1)
    process = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "s")],
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(script.parent), *sys.path])},
        start_new_session=True,
        # A shell's background jobs ignore Ctrl-C, and what they start inherits that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    under_way = tmp_path / "s/align/a.partial/count"
    wait_for(lambda: under_way.exists() or process.poll() is not None)
    assert process.poll() is None
    return process


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_study_leaves_no_worker_and_goes_on_where_it_was(
    toy: str, tmp_path: Path, kill: signal.Signals
) -> None:
    process = start_counting(toy, tmp_path)
    process_of_step = int((tmp_path / "s/pid").read_text())
    os.kill(process.pid, kill)
    assert process.wait(10) == (130 if kill == signal.SIGINT else -kill)
    wait_for(lambda: not alive(process_of_step), 5)
    reached = int((tmp_path / "s/align/a.partial/count").read_text())
    assert reached < 12

    step = Step("align/a", f"{toy}:count", (), {"until": 12, "seconds": 0.1}, resumes=True)
    outcome = study.run_steps([step], tmp_path / "s", 1)
    assert outcome.names("done") == ["align/a"]
    ticks = (tmp_path / "s/align/a/ticks").read_text().split()
    assert ticks == [str(number) for number in range(1, 13)]
    assert reached > 0


@pytest.mark.slow
def test_two_runs_on_one_folder_refuse(toy: str, tmp_path: Path) -> None:
    process = start_counting(toy, tmp_path)
    try:
        with pytest.raises(
            InputError, match=f"no other run on this folder, found process {process.pid}"
        ):
            study.run_steps([adding(toy, "data", 1)], tmp_path / "s", 1)
    finally:
        process.kill()
        process.wait()
    study.run_steps([adding(toy, "data", 1)], tmp_path / "s", 1)
    assert total(tmp_path / "s", "data") == 1
