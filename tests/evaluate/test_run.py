"""A whole evaluation of a tiny checkpoint: rows, figures, parity, resuming, refusals."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from ikusi.data.corpus import Corpus
from ikusi.errors import InputError
from ikusi.evaluate import benchmark
from ikusi.evaluate.ask import Asker
from ikusi.evaluate.benchmark import Benchmark
from ikusi.model import chat, fusion
from measured import COLOURS, LANGUAGES, NAMES, PACKS, evaluate, pack, rows_of


@pytest.mark.slow
def test_rows_and_figures_of_every_benchmark_and_language(
    checkpoint: Path, benchmarks: Sequence[tuple[Benchmark, Corpus]], tmp_path: Path
) -> None:
    calls: list[tuple[int, int]] = []
    found = evaluate(
        checkpoint,
        benchmarks,
        LANGUAGES,
        PACKS,
        tmp_path,
        bootstrap=50,
        batch_size=3,
        progress=lambda done, total: calls.append((done, total)),
    )
    rows = rows_of(tmp_path)
    assert len(rows) == 5 * 2 * 4 and calls[-1] == (40, 40)
    order = [(f"miniature/{name}", code) for name in NAMES for code in LANGUAGES]
    assert list(dict.fromkeys((row["benchmark"], row["language"]) for row in rows)) == order
    assert [row["position"] for row in rows[:4]] == [0, 1, 2, 3]
    assert json.loads((tmp_path / "results.json").read_text(encoding="utf-8")) == found
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".ikusi.json",
        "results.json",
        "rows.parquet",
        "run.json",
    ]
    vqa = found["miniature/vqa"]["en"]
    assert list(vqa) == ["all", "concept", "style"]
    assert vqa["all"]["n"] == 4 and vqa["style"]["n"] == 2 and vqa["all"]["pictures"] == 4
    assert vqa["all"]["majority"] == 1.0, "hot dog is a gold answer of every row"
    choice = found["miniature/aokvqa"]["cy"]["all"]
    assert choice["chance"] == 0.25 and choice["majority"] == 0.25
    assert found["miniature/capqa"]["en"]["all"]["chance"] == 0.5
    for name, code in order:
        mine = [r["correct"] for r in rows if (r["benchmark"], r["language"]) == (name, code)]
        figures = found[name][code]["all"]
        assert figures["score"] == pytest.approx(sum(mine) / 4)
        assert figures["low"] <= figures["score"] <= figures["high"]


@pytest.mark.slow
def test_rows_equal_plain_transformers_sample_by_sample(
    checkpoint: Path, benchmarks: Sequence[tuple[Benchmark, Corpus]], tmp_path: Path
) -> None:
    evaluate(checkpoint, benchmarks, ["en"], PACKS, tmp_path, bootstrap=10)
    model, processor = fusion.load(checkpoint, dtype=torch.float32)
    corpora = {bench.name: corpus for bench, corpus in benchmarks}
    for row in rows_of(tmp_path):
        image = row["image_id"] and corpora[row["benchmark"]].image(row["image_id"])
        if row["pick"] is None:
            assert row["prediction"] == plain_answer(model, processor, row, image)
        else:
            gold = json.loads(row["gold"])
            expected = [plain_score(model, processor, row, image, text) for text in gold["choices"]]
            assert row["scores"] == pytest.approx(expected, abs=1e-4)
            assert row["pick"] == max(range(len(expected)), key=expected.__getitem__)
            assert row["correct"] == float(row["pick"] == gold["answer"])


def turn(row: dict[str, Any]) -> dict[str, Any]:
    image = [{"type": "image"}] if row["image_id"] else []
    return {"role": "user", "content": [*image, {"type": "text", "text": row["question"]}]}


@torch.no_grad()
def plain_score(model: Any, processor: Any, row: dict[str, Any], image: Any, option: str) -> float:
    words, count = processor.tokenizer, fusion.count_image_tokens(model, processor)
    said = {"role": "assistant", "content": option}
    whole = chat.encode(words, [turn(row), said], count, model.config.image_token_id)
    inputs = {"input_ids": torch.tensor([whole.input_ids])}
    if image:
        pixels = processor.image_processor([image], return_tensors="pt")["pixel_values"]
        inputs["pixel_values"] = pixels
    logs = model(**inputs).logits[0].log_softmax(-1)
    learnt = [i for i, supervised in enumerate(whole.supervised) if supervised]
    return sum(float(logs[i - 1, whole.input_ids[i]]) for i in learnt)


@torch.no_grad()
def plain_answer(model: Any, processor: Any, row: dict[str, Any], image: Any) -> str:
    text = chat.render(processor.tokenizer, [turn(row)], add_generation_prompt=True)
    inputs = processor(images=[image], text=text, return_tensors="pt", add_special_tokens=False)
    limit = benchmark.load(row["benchmark"]).max_new_tokens
    said = model.generate(**inputs, max_new_tokens=limit, do_sample=False)[0]
    new = said[inputs["input_ids"].shape[1] :]
    return str(processor.tokenizer.decode(new, skip_special_tokens=True)).strip()


@pytest.mark.slow
def test_batch_size_changes_no_row(
    checkpoint: Path, benchmarks: Sequence[tuple[Benchmark, Corpus]], tmp_path: Path
) -> None:
    runs = []
    for size in (1, 8, 32):
        folder = tmp_path / str(size)
        evaluate(checkpoint, benchmarks, LANGUAGES, PACKS, folder, bootstrap=10, batch_size=size)
        runs.append(rows_of(folder))
    for other in runs[1:]:
        for first, second in zip(runs[0], other, strict=True):
            for name in first:
                if name.startswith("scores") and first[name]:
                    assert first[name] == pytest.approx(second[name], abs=1e-4)
                else:
                    assert first[name] == second[name]


class KilledError(Exception):
    pass


@pytest.mark.slow
def test_an_interrupted_run_goes_on_and_ends_the_same(
    checkpoint: Path,
    benchmarks: Sequence[tuple[Benchmark, Corpus]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings: dict[str, Any] = {"bootstrap": 10, "batch_size": 1}
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    evaluate(checkpoint, benchmarks, LANGUAGES, PACKS, whole, **settings)

    def kill(done: int, total: int) -> None:
        if done > total / 2:
            raise KilledError

    with pytest.raises(KilledError):
        evaluate(checkpoint, benchmarks, LANGUAGES, PACKS, cut, progress=kill, **settings)
    finished = sorted(cut.glob("parts/part-*.arrow"))
    assert finished and not (cut / "results.json").exists()

    answered: list[str] = []
    asked = Asker.query

    def spy(self: Asker, row: Any) -> Any:
        answered.append(row["id"])
        return asked(self, row)

    monkeypatch.setattr(Asker, "query", spy)
    evaluate(checkpoint, benchmarks, LANGUAGES, PACKS, cut, **settings)
    assert 0 < len(answered) < 20, "only what was missing is asked again"
    assert rows_of(cut) == rows_of(whole)
    assert (cut / "results.json").read_bytes() == (whole / "results.json").read_bytes()


@pytest.mark.slow
def test_parts_of_another_run_are_not_taken_up(
    checkpoint: Path, benchmarks: Sequence[tuple[Benchmark, Corpus]], tmp_path: Path
) -> None:
    def kill(done: int, total: int) -> None:
        raise KilledError

    with pytest.raises(KilledError):
        evaluate(checkpoint, benchmarks, ["en"], PACKS, tmp_path, batch_size=1, progress=kill)
    evaluate(checkpoint, benchmarks[:2], ["cy"], PACKS, tmp_path, bootstrap=10, batch_size=1)
    assert {row["language"] for row in rows_of(tmp_path)} == {"cy"}


@pytest.mark.slow
def test_a_picture_in_several_corpora_is_encoded_once(
    checkpoint: Path,
    benchmarks: Sequence[tuple[Benchmark, Corpus]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = []
    encode = fusion.compute_image_features

    def spy(model: Any, pixels: torch.Tensor) -> torch.Tensor:
        seen.append(len(pixels))
        return encode(model, pixels)

    monkeypatch.setattr(fusion, "compute_image_features", spy)
    evaluate(checkpoint, benchmarks, LANGUAGES, PACKS, tmp_path, bootstrap=10)
    assert seen == [len(COLOURS)]


def test_a_bare_backbone_takes_text_only_benchmarks(
    backbone: Path, benchmarks: Sequence[tuple[Benchmark, Corpus]], tmp_path: Path
) -> None:
    found = evaluate(backbone, benchmarks[-1:], LANGUAGES, PACKS, tmp_path, bootstrap=10)
    assert list(found) == ["miniature/bertaqa"]
    assert found["miniature/bertaqa"]["cy"]["knowledge"]["pictures"] == 0
    with pytest.raises(InputError, match="miniature/vqa: expected a model that sees pictures"):
        evaluate(backbone, benchmarks[:1], LANGUAGES, PACKS, tmp_path)


@pytest.mark.slow
def test_what_does_not_fit_is_refused_before_any_work(
    checkpoint: Path, benchmarks: Sequence[tuple[Benchmark, Corpus]], tmp_path: Path
) -> None:
    (vqa, vqa_rows), (choice, _) = benchmarks[:2]
    with pytest.raises(InputError, match="expected choice rows, found vqa"):
        evaluate(checkpoint, [(choice, vqa_rows)], LANGUAGES, PACKS, tmp_path)
    with pytest.raises(InputError, match="expected rows in eu, found en, cy"):
        evaluate(checkpoint, [(vqa, vqa_rows)], ["eu"], PACKS, tmp_path)
    with pytest.raises(InputError, match="cy: expected a language pack"):
        evaluate(checkpoint, [(vqa, vqa_rows)], LANGUAGES, {"en": pack("en")}, tmp_path)
    with pytest.raises(InputError, match="expected the folder of a model"):
        evaluate(tmp_path / "none", [(vqa, vqa_rows)], LANGUAGES, PACKS, tmp_path)
    assert not list(tmp_path.iterdir())
