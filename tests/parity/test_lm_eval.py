"""Trivia scored by lm-evaluation-harness and by us: equal log-probabilities, option by option."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

from ikusi import language
from ikusi.answer.engines.here import open_local
from ikusi.answer.engines.local import Local
from ikusi.data.corpus import Corpus, CorpusWriter
from ikusi.evaluate import benchmark, run
from ikusi.evaluate.benchmark import Benchmark
from ikusi.evaluate.harness import files
from ikusi.miniature.bases import shipped

lm_eval = pytest.importorskip("lm_eval", reason="lm-eval is not installed: make parity")

PLACES = ["Bilbo", "Donostia", "Gasteiz", "Iruñea", "Baiona", "Irun", "Getxo", "Zarautz", "Tolosa"]
CODES = ["eu", "en"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("data") / "bertaqa"
    with CorpusWriter(folder, "choice", CODES) as writer:
        for number, place in enumerate(PLACES * 3):
            choices = [PLACES[(number + 2 * step) % len(PLACES)] for step in range(3)]
            texts = {
                code: {"question": f"{ask} {place} ({number})?", "choices": choices}
                | {"answer": number % 3}
                for code, ask in (("eu", "Zein da hiri hau:"), ("en", "Which town is this:"))
            }
            writer.add_row(str(number), None, texts, "local" if number % 2 else "global")
    return Corpus.open(folder)


@pytest.mark.parametrize("form", ["chat", "completion"])
def test_every_option_has_the_log_probability_that_lm_eval_gives_it(
    corpus: Corpus, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = _as(form, tmp_path, monkeypatch)
    engine = open_local(shipped.find_model("miniature/llama-en"), dtype="float32")
    packs = {code: language.load(code) for code in CODES}
    run.evaluate(engine, [(bench, corpus)], CODES, packs, tmp_path / "ours")
    ours = pq.read_table(tmp_path / "ours" / "rows.parquet").to_pylist()
    theirs = _theirs(engine, bench, corpus, form, tmp_path / "tasks")
    assert len(ours) == sum(map(len, theirs.values())) == 2 * len(corpus)
    for row in ours:
        sample = theirs[row["language"]][row["id"]]
        expected = [float(pair[0][0]) for pair in sample["resps"]]
        assert row["scores_without_end"] == pytest.approx(expected, abs=1e-5)
        assert row["correct"] == sample["accuracy"]


def _as(form: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Benchmark:
    """BertaQA as a chat, or as a benchmark of one's own that goes on from plain text."""
    if form == "chat":
        return benchmark.load("bertaqa")
    from ikusi import packaged

    text = (packaged.BENCHMARKS / "bertaqa.yaml").read_text(encoding="utf-8")
    own = folder / "benchmarks" / "plain.yaml"
    own.parent.mkdir()
    own.write_text(text.replace("name: bertaqa", "name: plain") + "format: completion\n", "utf-8")
    monkeypatch.chdir(folder)
    return benchmark.load("plain")


def _theirs(
    engine: Any, bench: Benchmark, corpus: Corpus, form: str, folder: Path
) -> dict[str, dict[str, Any]]:
    """lm-eval's samples, by language and row, on the same weights in the same process."""
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    assert isinstance(engine, Local)
    names = files.write("lm-eval", [(bench, corpus)], CODES, folder)
    manager = TaskManager(include_path=str(folder), include_defaults=False)
    chat = form == "chat"
    with torch.no_grad():
        found = lm_eval.simple_evaluate(
            model=HFLM(pretrained=engine.model, tokenizer=engine.tokenizer, backend="causal"),
            tasks=names,
            task_manager=manager,
            apply_chat_template=chat,
            fewshot_as_multiturn=chat,
            log_samples=True,
            bootstrap_iters=0,
        )
    samples = {code: found["samples"][name] for code, name in zip(CODES, names, strict=True)}
    return {code: {one["doc"]["id"]: one for one in rows} for code, rows in samples.items()}
