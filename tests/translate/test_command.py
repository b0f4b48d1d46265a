"""Command-line translators: real ones."""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from ikusi import processes
from ikusi.errors import InputError
from ikusi.translate.command import CommandEngine
from ikusi.translate.engines.command import Command
from translate.apertium import needs


def engine(*command: str, blank_lines: bool = False) -> CommandEngine:
    return CommandEngine(Command(kind="command", command=list(command), blank_lines=blank_lines))


def said(found: CommandEngine, *sentences: str) -> list[str]:
    return [sentence.text for sentence in found.translate(sentences)]


def test_any_program_that_reads_and_writes_lines_is_an_engine() -> None:
    assert said(engine("tr", "a-z", "A-Z"), "a cat", "é 12") == ["A CAT", "é 12"]


def test_a_line_break_inside_a_sentence_does_not_shift_the_others() -> None:
    assert said(engine("cat"), "a\nb", "c") == ["a b", "c"]


def test_lost_lines_are_noticed() -> None:
    with pytest.raises(RuntimeError, match="expected 3 lines, found 2"):
        engine("head", "-2").translate(["a", "b", "c"])


def test_a_program_that_is_not_there_is_told_in_one_line() -> None:
    with pytest.raises(InputError, match="no-such-program: expected a program, found none"):
        engine("no-such-program")


def test_a_program_that_fails_is_told_with_its_own_words() -> None:
    code = "import sys; sys.exit('no mode en-xx')"
    with pytest.raises(InputError, match="found exit code 1: no mode en-xx"):
        engine(sys.executable, "-c", code)


@pytest.mark.slow
@needs("en-gl")
def test_apertium_translates_english_to_galician() -> None:
    galician = engine("apertium", "-u", "en-gl", blank_lines=True)
    assert said(galician, "Two children are playing on the beach.", "What color is the car?") == [
        "Dous nenos están xogando na praia.",
        "Que cor é o coche?",
    ]


@pytest.mark.slow
@needs("en-gl")
def test_neighbours_do_not_change_what_apertium_says() -> None:
    galician = engine("apertium", "-u", "en-gl", blank_lines=True)
    sentences = ["A man with", "the old dog", "is it", "Red", "No. 3 (three)", "a [b] {c} <d> ^e$"]
    assert said(galician, *sentences) == [said(galician, one)[0] for one in sentences]


@needs("en-gl")
def test_a_pair_that_is_not_installed_is_told_in_one_line() -> None:
    with pytest.raises(InputError, match=r"apertium en-xx: expected it to end well") as error:
        engine("apertium", "en-xx")
    assert "\n" not in str(error.value)


def test_a_program_that_writes_without_end_is_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processes, "SPARE", 1000)
    with pytest.raises(InputError, match=r"yes: expected at most 1,[0-9]+ bytes, found more"):
        engine("yes")


def test_a_program_that_does_not_end_is_stopped_with_what_it_has_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "SECONDS_TO_LEAVE", 0.2)
    script = tmp_path / "never"
    script.write_text(f"#!/bin/sh\nsleep 600 & echo $! > {tmp_path}/child\nwait\n")
    script.chmod(0o755)
    began = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired):
        processes.run([str(script)], seconds=0.5)
    assert time.monotonic() - began < 10
    assert _has_ended(int((tmp_path / "child").read_text()))


def _has_ended(process: int) -> bool:
    for _ in range(100):
        try:
            state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_a_program_that_leaves_a_child_behind_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processes, "SECONDS_TO_LEAVE", 0.2)
    done = processes.run(["sh", "-c", "sleep 600 & echo a cat"], seconds=20)
    assert done.stdout == "a cat\n"


def test_no_room_for_what_a_program_reads_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of others in the folder for temporary files are not counted."""
    (tmp_path / "of others").write_text("a dog " * 1000)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(InputError, match="expected to write a larger file, found a l") as told:
            processes.run(["cat"], text="a cat " * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert str(tmp_path) in str(told.value) and "had been written" not in str(told.value)


def test_a_machine_without_a_folder_for_temporary_files_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(tmp_path / "none")])
    with pytest.raises(InputError, match="TMPDIR: expected a folder with room"):
        processes.run(["cat"])


def test_what_a_command_reads_is_part_of_what_its_translations_depend_on(tmp_path: Path) -> None:
    script = tmp_path / "mine.sh"
    script.write_text("cat")
    before = engine("sh", str(script)).settings()
    script.write_text("tr a b")
    assert engine("sh", str(script)).settings() != before
