"""A judge that is a real LLaVA behind llama.cpp's server: pictures, schemas, orders, cuts.

Its weights are drawn by chance, so what it says means nothing; but it is fixed, and hangs on the
picture.
"""

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ikusi import language
from ikusi.judge import record, run
from ikusi.judge.asking import Sampling
from ikusi.judge.games import WRONG_PICTURE
from ikusi.judgements import read as judgements_of
from ikusi.judgements.pairs import join_pairs
from ikusi.publish.export import export
from judgements import answered
from publish.test_gguf import LLAMA_CPP, llama_server, saved

CUT = "answer: expected it to end within 6 tokens, found it cut"
PROMPT = """
system: "Compare A and B."
request: "{question} A: {answer_a} B: {answer_b}"
reasons: false
criteria: {quality: "Which is better?"}
labels: {A: A, tie: tie, B: B}
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("llava")
    export(saved(folder), "gguf", folder / "gguf", LLAMA_CPP)
    with llama_server(folder / "gguf", context=2048) as url:
        yield url


@pytest.fixture
def about(tmp_path: Path) -> run.About:
    corpus = answered.corpus(tmp_path / "corpus", 3)
    one, two = (answered.run(tmp_path / name, rows=3) for name in ("latxa", "llama"))
    (tmp_path / "short.yaml").write_text(PROMPT)
    return run.About(
        join_pairs(one, two, "wildvision", "eu", corpus), "wildvision", language.load("eu")
    )


def name(url: str) -> str:
    with urllib.request.urlopen(f"{url}/v1/models") as response:
        return str(json.load(response)["data"][0]["id"])


def settings(url: str, folder: Path, **more: Any) -> run.Settings:
    given = {"controls": 2, "limit": 2, "concurrency": 2} | more
    sampling = given.pop("sampling", Sampling(max_tokens=300, tries=2))
    return run.Settings(url, name(url), str(folder / "short.yaml"), sampling=sampling, **given)


@pytest.mark.system
@pytest.mark.slow
def test_a_real_model_judges_what_it_sees_in_both_orders_within_the_schema(
    served: str, about: run.About, tmp_path: Path
) -> None:
    given = settings(served, tmp_path)
    counts = run.judge(about, given, tmp_path / "judged")
    games = {one.game: one for one in record.read(tmp_path / "judged")}
    assert counts.played == len(games) == 8 and all(one.schema_kept for one in games.values())
    assert not counts.verdicts["invalid"]
    assert len(list(judgements_of(tmp_path / "judged"))) == 4
    wrong = [key for key in games if key[0] == WRONG_PICTURE]
    assert len(wrong) == 2
    assert any(games[key].raw != games["", *key[1:]].raw for key in wrong)
    run.judge(about, given, tmp_path / "again")
    again = {one.game: one.raw for one in record.read(tmp_path / "again")}
    assert again == {key: one.raw for key, one in games.items()}


@pytest.mark.system
@pytest.mark.slow
def test_a_real_cut_is_no_verdict_and_a_stopped_run_goes_on(
    served: str, about: run.About, tmp_path: Path
) -> None:
    short = settings(served, tmp_path, sampling=Sampling(max_tokens=6, tries=1), controls=0)
    output = tmp_path / "judged"
    assert run.judge(about, replace(short, limit=1), output).verdicts == {"invalid": 2}
    rows = list(judgements_of(output))
    assert [row.note for row in rows] == [CUT] * 2
    assert all(row.raw and "verdict" not in row.raw for row in rows)
    counts = run.judge(about, short, output)
    assert (counts.known, counts.played) == (2, 2)
