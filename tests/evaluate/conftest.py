"""Models and benchmarks for the tests of evaluations, made once for each file."""

from pathlib import Path

import pytest

import measured
from ikusi.data.corpus import Corpus
from ikusi.evaluate.benchmark import Benchmark


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return measured.llava(tmp_path_factory.mktemp("models") / "llava")


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return measured.llm(tmp_path_factory.mktemp("models") / "llm")


@pytest.fixture(scope="module")
def benchmarks(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Benchmark, Corpus]]:
    return measured.five(tmp_path_factory.mktemp("data"))
