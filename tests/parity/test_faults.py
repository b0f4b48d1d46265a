"""Faults of lmms-eval 0.7.3 that docs/peers.md names, shown on it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import measured

pytest.importorskip("lmms_eval", reason="lmms-eval is not installed: make parity")

from lmms_eval.api.instance import unwrap_generation_output
from lmms_eval.tasks.vqav2.utils import vqav2_process_results_val

from ikusi.evaluate.harness import files
from ikusi.evaluate.harness.task import read_losses


def judged(said: str, answers: list[str], ids: bool = True) -> tuple[float, list[Any]]:
    """Its verdict, and the answers as it leaves them."""
    listed: list[dict[str, Any]] = [{"answer": answer} for answer in answers]
    for number, one in enumerate(listed if ids else []):
        one["answer_id"] = number
    doc = {"question_id": 1, "answers": listed}
    score = float(vqav2_process_results_val(doc, [said])["exact_match"])
    return score, [one["answer"] for one in listed]


def test_a_pair_becomes_text_that_our_tasks_read() -> None:
    text = unwrap_generation_output((7.37, False))[0]
    assert text == "(7.37, False)"
    assert read_losses([text]) == [7.37]


def test_a_failed_answer_can_score() -> None:
    assert judged("", ["a"] * 10)[0] == 1.0


def test_english_rules_hold_in_every_language_and_overwrite_the_row() -> None:
    assert judged("bi", ["2"] * 10)[0] == 0.0
    assert judged("two", ["two"] * 10) == (1.0, ["2"] * 10)


def test_annotators_are_told_apart_by_what_they_said() -> None:
    assert judged("yes", ["yes"] * 10, ids=False)[0] == 0.0
    assert judged("red", ["red"] * 4 + ["blue"] * 6, ids=False)[0] == pytest.approx(0.6)


def test_its_llava_cannot_score_choices_as_it_stands_and_rows_share_one_hash(
    tmp_path: Path,
) -> None:
    from lmms_eval.models.simple.llava_hf import LlavaHf

    from parity.lmms import simple_evaluate

    checkpoint = measured.llava(tmp_path / "llava")
    pairs = measured.five(tmp_path / "data", ["en"])
    names = files.write("lmms-eval", pairs[1:2], ["en"], tmp_path / "tasks")
    stock = LlavaHf(str(checkpoint), device_map="cpu", dtype="float32", device="cpu")
    stock.is_simple = True
    with pytest.raises(ValueError, match="image"):
        simple_evaluate(stock, "", names, tmp_path / "tasks")
    arguments = f"pretrained={checkpoint},dtype=float32"
    found = simple_evaluate("ikusi", arguments, names, tmp_path / "tasks")["samples"][names[0]]
    assert len(found) == 4
    assert {one["doc_hash"][:12] for one in found} == {"74234e98afe7"}


def test_the_command_succeeds_where_nothing_was_measured(tmp_path: Path) -> None:
    pairs = measured.five(tmp_path / "data", ["en"])
    names = files.write("lmms-eval", pairs[1:2], ["en"], tmp_path / "tasks")
    asked = ["--model", "ikusi", "--model_args", f"pretrained={tmp_path / 'nowhere'}"]
    place = ["--include_path", str(tmp_path / "tasks"), "--output_path", str(tmp_path / "out")]
    command = [sys.executable, "-m", "lmms_eval", *asked, *place, "--tasks", names[0]]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert "nowhere" in done.stderr + done.stdout
    assert done.returncode == 0
    results = list((tmp_path / "out").rglob("*_results.json"))
    assert not [json.loads(file.read_text("utf-8")) for file in results]
