"""A few hundred spoiled inputs; `bench/fuzz_inputs.py` tries thousands."""

import random
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ikusi.errors import InputError

BENCH = Path(__file__).parents[1] / "bench"
CASES = {
    **dict.fromkeys(("recipes", "translation settings", "benchmarks", "prompts"), 10),
    "language packs": 4,
    **{f"corpora, {kind}": 40 for kind in ("caption", "instruction", "vqa", "choice", "open")},
    **dict.fromkeys(("evaluations", "evaluations that were cut", "models", "encoders"), 8),
    "translations": 5,
    **dict.fromkeys(("manifests", "features"), 20),
}


@pytest.fixture
def fuzz(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCH)
    import fuzz_inputs

    return fuzz_inputs


@pytest.fixture
def cases(fuzz: ModuleType) -> ModuleType:
    import fuzz_cases

    return fuzz_cases


def test_every_kind_of_input_is_tried(fuzz: ModuleType) -> None:
    assert set(fuzz.kinds()) == set(CASES)


@pytest.mark.slow
@pytest.mark.parametrize("kind", CASES)
def test_spoiled_inputs_are_refused_in_one_line_or_read_as_if_whole(
    fuzz: ModuleType, cases: ModuleType, tmp_path: Path, kind: str
) -> None:
    failures: list[str] = []
    found = cases.run({kind: fuzz.kinds()[kind]}, CASES[kind], 1, tmp_path, failures.append)
    assert found[kind].tried == CASES[kind]
    assert failures == []


def fails(error: Exception) -> Callable[[], Any]:
    def read() -> Any:
        raise error

    return read


def test_what_becomes_of_a_case_is_judged(cases: ModuleType) -> None:
    path = Path("corpus/en.parquet")

    def judged(read: Callable[[], Any], harm: str) -> str | None:
        problem: str | None = cases.judge(cases.Case("spoiled", path, read, harm), "whole")
        return problem and problem.split(":")[0]

    assert judged(lambda: "whole", "refuse") == "accepted"
    assert judged(lambda: "other", "either") == "accepted, and read otherwise"
    assert judged(lambda: "other", "same") == "accepted, and read otherwise"
    assert judged(fails(KeyError("x")), "any") == "a traceback"
    assert judged(fails(InputError("corpus/en.parquet: one\nand another")), "refuse") == (
        "an error of several lines"
    )
    assert judged(fails(InputError("something is wrong")), "refuse") == (
        "an error that does not name en.parquet"
    )
    assert judged(fails(InputError("corpus/en.parquet: row 3: wrong")), "same") == "refused"
    assert judged(fails(InputError("corpus/en.parquet: row 3: wrong")), "refuse") is None
    assert judged(lambda: "whole", "either") is None
    assert judged(lambda: "other", "any") is None


def test_a_seed_gives_the_same_cases(fuzz: ModuleType, tmp_path: Path) -> None:
    told = []
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        made = fuzz.kinds()["corpora, open"](tmp_path / str(number), random.Random("7"))
        told.append([next(made).done for _ in range(9)])
    assert told[0] == told[1]
