"""A tiny checkpoint, a backbone and five small benchmarks to measure them on."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
from PIL import Image
from transformers import CLIPImageProcessorPil, LlamaForCausalLM

import tiny_llava as tiny
from ikusi import language
from ikusi.answer.engines.here import open_local
from ikusi.data.corpus import Corpus, CorpusWriter
from ikusi.evaluate import benchmark, run
from ikusi.evaluate.benchmark import Benchmark
from ikusi.language import LanguagePack
from ikusi.model import fusion

LANGUAGES = ["en", "cy"]
NAMES = ["vqa", "aokvqa", "capqa", "wildvision", "bertaqa"]
COLOURS = {"red": (200, 30, 30), "blue": (30, 30, 200), "dog": (120, 80, 40), "cat": (90, 90, 90)}


def pack(code: str) -> LanguagePack:
    words: dict[str, Any] = {"numbers": ["no", "a", "two", "three"], "articles": ["the"]}
    return language.load("en").model_copy(update={"code": code, "contractions": {}, **words})


PACKS = {code: pack(code) for code in LANGUAGES}


def llava(folder: Path) -> Path:
    """Write a tiny LLaVA."""
    words = tiny.tokenizer()
    model = tiny.model(words)
    llm = LlamaForCausalLM(model.config.text_config)
    llm.model, llm.lm_head = model.model.language_model, model.lm_head
    processor = CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size=16)
    tower = model.model.vision_tower
    fused, whole = fusion.assemble(tower, llm, words, seed=1, image_processor=processor)
    fusion.save(fused, whole, folder)
    return folder


def llm(folder: Path) -> Path:
    """Write a tiny LLM."""
    words = tiny.tokenizer()
    torch.manual_seed(3)
    fusion.save(LlamaForCausalLM(tiny.model(words).config.text_config), words, folder)
    return folder


def png(colour: tuple[int, int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), colour).save(buffer, "PNG")
    return buffer.getvalue()


def texts(name: str, drawn: str, number: int) -> dict[str, Any]:
    if name == "vqa":
        return {"question": "what is on the left ?", "answers": [drawn, "hot dog"]}
    if name == "wildvision":
        return {"question": "what is on the left and right ?", "answers": [drawn, "house"]}
    if name == "capqa":
        return {"question": f"is the {drawn} red ?", "choices": ["yes", "no"], "answer": number % 2}
    choices = ["dog", "hot dog", "red house", "two"]
    return {"question": f"what is {drawn} ?", "choices": choices, "answer": number % 4}


def five(folder: Path, languages: Sequence[str] = LANGUAGES) -> list[tuple[Benchmark, Corpus]]:
    """Write the corpora of the miniature's benchmarks, four rows each."""
    found = []
    for name in NAMES:
        bench = benchmark.load(f"miniature/{name}")
        with CorpusWriter(folder / name, bench.row_type, languages) as writer:
            for number, (drawn, colour) in enumerate(COLOURS.items()):
                image_id = None if bench.text_only else f"{name}-{drawn}"
                if image_id:
                    writer.add_image(image_id, png(colour), "PNG", 16, 16, "test")
                row = {code: texts(name, drawn, number) for code in languages}
                group = "knowledge" if bench.text_only else ("style" if number < 2 else "concept")
                writer.add_row(f"{name}-{number}", image_id, row, group, "what")
        found.append((bench, Corpus.open(folder / name)))
    return found


def evaluate(
    checkpoint: Path,
    benchmarks: Sequence[tuple[Benchmark, Corpus]],
    languages: Sequence[str],
    packs: Mapping[str, LanguagePack],
    output: Path,
    *,
    batch_size: int = 64,
    **settings: Any,
) -> dict[str, Any]:
    engine = open_local(checkpoint, batch_size=batch_size)
    return run.evaluate(engine, benchmarks, languages, packs, output, **settings)


def rows_of(folder: Path) -> list[dict[str, Any]]:
    """Rows without their times."""
    rows: list[dict[str, Any]] = pq.read_table(folder / "rows.parquet").to_pylist()
    for row in rows:
        assert row.pop("seconds") > 0
    return rows
