"""Our side of vLLM, held by a stand-in for it: what is handed over, what is read of its outputs."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from answer import stand_in
from ikusi.answer.engines.vllm import open_vllm
from ikusi.data.corpus import Corpus
from ikusi.errors import InputError
from ikusi.evaluate import run
from ikusi.evaluate.benchmark import Benchmark
from measured import LANGUAGES, PACKS, evaluate, rows_of

Pairs = Sequence[tuple[Benchmark, Corpus]]


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", stand_in)


def few_shots(benchmarks: Pairs) -> Pairs:
    """The benchmarks, and two of them after two examples."""
    shown = [
        (bench.model_copy(update={"name": f"{bench.name}-shown", "few_shots": 2}), corpus)
        for bench, corpus in benchmarks[:2]
    ]
    return [*benchmarks, *shown]


def same_rows(one: Path, other: Path) -> None:
    for first, second in zip(rows_of(one), rows_of(other), strict=True):
        for name, value in first.items():
            if name.startswith("scores") and value is not None:
                assert second[name] == pytest.approx(value, abs=1e-4)
            else:
                assert second[name] == value, name


@pytest.mark.slow
@pytest.mark.usefixtures("vllm")
def test_scores_and_answers_are_those_of_the_same_model_here(
    checkpoint: Path, benchmarks: Pairs, tmp_path: Path
) -> None:
    pairs = few_shots(benchmarks)
    engine = open_vllm(checkpoint, dtype="float32", pictures=3)
    run.evaluate(engine, pairs, LANGUAGES, PACKS, tmp_path / "vllm", bootstrap=10)
    evaluate(checkpoint, pairs, LANGUAGES, PACKS, tmp_path / "here", bootstrap=10)
    same_rows(tmp_path / "here", tmp_path / "vllm")
    opened = {"dtype": "float32", "enable_prefix_caching": True, "seed": 0}
    opened["trust_remote_code"] = False
    connector = {"projector_hidden_act": "torch.nn.modules.linear.Identity"}
    told = {"limit_mm_per_prompt": {"image": 3}, "hf_overrides": connector}
    assert stand_in.LLM.opened == {**opened, **told}


@pytest.mark.slow
@pytest.mark.usefixtures("vllm")
def test_a_bare_backbone_is_scored_as_here_in_chats_and_completions(
    backbone: Path, benchmarks: Pairs, tmp_path: Path
) -> None:
    bench, corpus = benchmarks[-1]
    settings: dict[str, Any] = {"name": "continued", "format": "completion", "few_shots": 1}
    pairs = [(bench, corpus), (bench.model_copy(update=settings), corpus)]
    engine = open_vllm(backbone, dtype="float32")
    run.evaluate(engine, pairs, LANGUAGES, PACKS, tmp_path / "vllm", bootstrap=10)
    evaluate(backbone, pairs, LANGUAGES, PACKS, tmp_path / "here", bootstrap=10)
    same_rows(tmp_path / "here", tmp_path / "vllm")
    with pytest.raises(InputError, match="expected a model that sees pictures"):
        run.evaluate(engine, benchmarks, LANGUAGES, PACKS, tmp_path / "none")


@pytest.mark.slow
@pytest.mark.usefixtures("vllm")
def test_more_pictures_than_vllm_was_opened_for_are_refused(
    checkpoint: Path, benchmarks: Pairs, tmp_path: Path
) -> None:
    engine = open_vllm(checkpoint, dtype="float32", pictures=1)
    with pytest.raises(InputError, match=r"row .*: expected at most 1 pictures.* found 3"):
        run.evaluate(engine, few_shots(benchmarks)[-1:], LANGUAGES, PACKS, tmp_path)


@pytest.mark.slow
@pytest.mark.usefixtures("vllm")
def test_log_probabilities_of_other_tokens_are_refused(
    checkpoint: Path, benchmarks: Pairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = stand_in.LLM._one

    def cut(self: Any, prompt: Any, sampling: Any) -> Any:
        output = whole(self, prompt, sampling)
        output.prompt_token_ids = output.prompt_token_ids[:-1]
        return output

    monkeypatch.setattr(stand_in.LLM, "_one", cut)
    engine = open_vllm(checkpoint, dtype="float32")
    with pytest.raises(InputError, match="expected vLLM to score all"):
        run.evaluate(engine, benchmarks[1:2], LANGUAGES, PACKS, tmp_path)


def test_a_missing_vllm_is_told_in_one_line(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(
        InputError, match=r"vllm: expected the package.*pip install 'ikusi\[vllm\]'"
    ):
        open_vllm(checkpoint)
