"""A model whose numbers are none has no answers, whatever asks it."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from answer import stand_in
from answer.families import FAMILIES
from answer.test_engine_general import PICTURES, questions
from ikusi.answer.engine import Engine, OptionScore, Reply, pick
from ikusi.answer.engines.here import open_local
from ikusi.answer.engines.vllm import open_vllm
from ikusi.data.corpus import Corpus
from ikusi.errors import InputError
from ikusi.evaluate import run
from ikusi.evaluate.benchmark import Benchmark
from ikusi.evaluate.verdict import judge_choice
from measured import LANGUAGES, PACKS, rows_of

NAN = float("nan")
Pairs = Sequence[tuple[Benchmark, Corpus]]


def spoil(model: Any) -> None:
    """One number of the output layer, after the model was opened."""
    with torch.no_grad():
        model.get_output_embeddings().weight[3, 0] = NAN


def none_is_right(engine: Engine, benchmarks: Pairs, output: Path) -> None:
    with pytest.raises(InputError, match=r"expected an answer to at least 99 % of 4 rows"):
        run.evaluate(engine, benchmarks, LANGUAGES, PACKS, output, bootstrap=10)
    rows = rows_of(output)
    assert len(rows) == len(benchmarks) * len(LANGUAGES) * 4
    for row in rows:
        assert row["failure"] == "model: expected finite numbers, found nan"
        assert not row["correct"] and not row["prediction"] and row["pick"] is None


@pytest.mark.slow
def test_one_nan_in_the_weights_makes_every_row_a_failure(
    checkpoint: Path, benchmarks: Pairs, tmp_path: Path
) -> None:
    engine: Any = open_local(checkpoint)
    spoil(engine.model)
    none_is_right(engine, benchmarks, tmp_path)


@pytest.mark.slow
def test_and_where_answers_have_rows_of_their_own(
    checkpoint: Path, benchmarks: Pairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ikusi.answer.prefix import SharedPrefix

    monkeypatch.setattr(SharedPrefix, "plain", False)
    engine: Any = open_local(checkpoint)
    spoil(engine.model)
    none_is_right(engine, benchmarks[:2], tmp_path)


@pytest.mark.slow
def test_and_in_vllm(
    checkpoint: Path, benchmarks: Pairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vllm", stand_in)
    engine: Any = open_vllm(checkpoint, dtype="float32")
    spoil(engine.llm.model)
    none_is_right(engine, benchmarks, tmp_path)


@pytest.mark.slow
def test_and_of_any_other_model(tmp_path: Path) -> None:
    name, make = next(iter(FAMILIES.items()))
    engine: Any = open_local(make(tmp_path / name), batch_size=3)
    spoil(engine.model)
    replies = engine.answer(questions(), engine.prepare(PICTURES))
    for query, reply in zip(questions(), replies, strict=True):
        if query.options:
            assert all(score.total != score.total for score in reply.scores)
        else:
            assert reply.failure == "model: expected finite numbers, found nan"


@pytest.mark.parametrize("other", ["llava", "llm", "general"])
def test_a_nan_on_disk_is_told_when_the_model_is_opened(
    checkpoint: Path, backbone: Path, tmp_path: Path, other: str
) -> None:
    place = {"llava": checkpoint, "llm": backbone}.get(other) or FAMILIES["llava_next"](tmp_path)
    file = next(place.glob("*.safetensors"))
    before = file.read_bytes()
    weights = load_file(file)
    name = next(name for name in sorted(weights) if "mlp" in name)
    weights[name].flatten()[5] = -float("inf")
    try:
        save_file(weights, file, {"format": "pt"})
        with pytest.raises(InputError, match=r"expected finite weights, found -inf to .* in .*mlp"):
            open_local(place)
    finally:
        file.write_bytes(before)


def test_an_option_without_a_finite_score_is_neither_picked_nor_passed_over(
    benchmarks: Pairs,
) -> None:
    bench = next(bench for bench, _ in benchmarks if bench.scorer == "options")
    good, bad = OptionScore(-1.0, -1.0, -1.0, -1.0), OptionScore(NAN, NAN, NAN, NAN)
    row = {"choices": ["a", "b"], "answer": 0}
    for scores in ((good, bad), (bad, good)):
        outcome = judge_choice(bench, row, Reply("", scores))
        assert outcome["correct"] == 0.0 and set(outcome["metrics"].values()) == {0.0}
        assert outcome["failure"] == "model: expected finite numbers, found nan"
    assert judge_choice(bench, row, Reply("", (good, good)))["correct"] == 1.0
    with pytest.raises(ValueError, match="expected finite scores"):
        pick([-1.0, NAN])
