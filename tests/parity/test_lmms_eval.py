"""lmms-eval and we, on the same checkpoint and rows: the same answers, the same picks."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import measured
from ikusi import language
from ikusi.data.corpus import Corpus
from ikusi.evaluate.benchmark import Benchmark
from ikusi.evaluate.harness import files

pytest.importorskip("lmms_eval", reason="lmms-eval is not installed: make parity")

from parity.lmms import one_request_per_option, simple_evaluate

CODES = ["en", "eu"]
PACKS = {code: language.load(code) for code in CODES}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return measured.llava(tmp_path_factory.mktemp("models") / "llava")


@pytest.fixture(scope="module")
def benchmarks(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Benchmark, Corpus]]:
    return measured.five(tmp_path_factory.mktemp("data"), CODES)


@pytest.fixture(scope="module")
def ours(
    checkpoint: Path,
    benchmarks: list[tuple[Benchmark, Corpus]],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[tuple[str, str, str], dict[str, Any]]:
    folder = tmp_path_factory.mktemp("ours")
    measured.evaluate(checkpoint, benchmarks, CODES, PACKS, folder, bootstrap=10)
    rows = pq.read_table(folder / "rows.parquet").to_pylist()
    return {(row["benchmark"], row["language"], row["id"]): row for row in rows}


def theirs(
    model: Any, asked: Sequence[tuple[Benchmark, Corpus]], folder: Path, arguments: str = ""
) -> dict[tuple[str, str, str], dict[str, Any]]:
    """lmms-eval's samples; asserted on themselves, since its exit code says nothing."""
    names = files.write("lmms-eval", asked, CODES, folder)
    found = simple_evaluate(model, arguments, names, folder)
    samples = {}
    keys = [(bench.name, code) for bench, _ in asked for code in CODES]
    for (name, code), task in zip(keys, names, strict=True):
        for sample in found["samples"][task]:
            samples[name, code, sample["ikusi"]["id"]] = sample
    assert len(samples) == sum(len(corpus) for _, corpus in asked) * len(CODES)
    return samples


def test_its_llava_and_we_generate_the_same_text(
    checkpoint: Path,
    benchmarks: list[tuple[Benchmark, Corpus]],
    ours: dict[tuple[str, str, str], dict[str, Any]],
    tmp_path: Path,
) -> None:
    asked = [pair for pair in benchmarks if pair[0].scorer == "generate"]
    arguments = f"pretrained={checkpoint},device_map=cpu,dtype=float32"
    found = theirs("llava_hf", asked, tmp_path, arguments)
    for key, sample in found.items():
        assert sample["ikusi"]["said"] == ours[key]["prediction"].strip()
        metrics = json.loads(ours[key]["metrics"])
        assert {name: sample[name] for name in metrics} == metrics
    assert any(sample["ikusi"]["said"] for sample in found.values()), "no error was swallowed"


@pytest.mark.parametrize("kind", ["options", "generate"])
def test_through_our_adapter_its_picks_and_texts_are_ours(
    checkpoint: Path,
    benchmarks: list[tuple[Benchmark, Corpus]],
    ours: dict[tuple[str, str, str], dict[str, Any]],
    tmp_path: Path,
    kind: str,
) -> None:
    asked = [pair for pair in benchmarks if pair[0].scorer == kind]
    found = theirs("ikusi", asked, tmp_path, f"pretrained={checkpoint},dtype=float32")
    for key, sample in found.items():
        if kind == "options":
            assert sample["ikusi"]["pick"] == ours[key]["pick"]
            assert sample["ikusi"]["scores"] == pytest.approx(ours[key]["scores"], abs=1e-5)
            assert sample["accuracy"] == ours[key]["correct"]
        else:
            assert sample["ikusi"]["said"] == ours[key]["prediction"].strip()


def test_one_right_request_per_option_scores_as_we_do(
    checkpoint: Path,
    benchmarks: list[tuple[Benchmark, Corpus]],
    ours: dict[tuple[str, str, str], dict[str, Any]],
    tmp_path: Path,
) -> None:
    asked = [pair for pair in benchmarks if pair[0].scorer == "options" and not pair[0].text_only]
    model = one_request_per_option(str(checkpoint))
    for key, sample in theirs(model, asked, tmp_path).items():
        assert sample["ikusi"]["pick"] == ours[key]["pick"]
        assert sample["ikusi"]["scores"] == pytest.approx(ours[key]["scores"], abs=1e-4)
