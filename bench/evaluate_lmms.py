"""Choices and answers by lmms-eval and by us: the same model, pictures, questions and scores.

    make parity   # once: sets up .venv-parity, which has lmms-eval
    .venv-parity/bin/python bench/evaluate_lmms.py [--pictures 16] [--turns 3] [--shape wide]

A LLaVA of random weights that sees a picture as 576 tokens, JPEGs of 640 x 480, a question about
each in English and in Basque: once with four options, once to be answered in 16 tokens. lmms-eval
runs its own LLaVA for answers, and for choices the same put right (tests/parity/lmms.py: as it
stands its scores are wrong), one request for each option, as it works. Both take turns in one
process, in fp32, after a turn that is not counted. Of lmms-eval only the time in its model is
counted, of ours the whole evaluation.
"""

import argparse
import io
import json
import platform
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import (
    AutoTokenizer,
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    CLIPVisionModel,
    LlamaConfig,
    LlamaForCausalLM,
)

from ikusi import artifact, language
from ikusi.answer.engines.here import open_local
from ikusi.data.corpus import Corpus, CorpusWriter
from ikusi.evaluate import benchmark, run
from ikusi.evaluate.benchmark import Benchmark
from ikusi.evaluate.harness import files
from ikusi.miniature.bases import shipped
from ikusi.model import fusion

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

CODES = ("en", "eu")
PACKS = {code: language.load(code) for code in CODES}
WORDS = {
    "en": ["a dog", "a red car", "the old house", "two birds", "a boat", "green trees", "a chair"],
    "eu": [
        "txakur bat",
        "auto gorria",
        "etxe zaharra",
        "bi txori",
        "ontzi bat",
        "zuhaitz",
        "aulki",
    ],
}
ASKED = {"en": "What is there on the left, near number {}?", "eu": "Zer dago ezkerrean, {} ondoan?"}
TOKENS = 16  # of an answer: lmms-eval's own limit for VQAv2


SHAPES = {
    "narrow": {"vision": 256, "hidden": 320, "intermediate": 896, "heads": 5, "kv": 5},
    "wide": {"vision": 384, "hidden": 512, "intermediate": 1408, "heads": 8, "kv": 4},
}
"""Widths of encoder and LLM: the wider, the more of the time goes to reading the picture."""


def model(folder: Path, shape: str) -> Path:
    """Write a LLaVA of 576 image tokens, small enough for a processor."""
    widths = SHAPES[shape]
    torch.manual_seed(0)
    vision = CLIPVisionModel(
        CLIPVisionConfig(
            hidden_size=widths["vision"],
            intermediate_size=4 * widths["vision"],
            num_hidden_layers=6,
            num_attention_heads=widths["vision"] // 64,
            image_size=336,
            patch_size=14,
        )
    )
    words = AutoTokenizer.from_pretrained(shipped.find_model("miniature/llama-en"))
    llm = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(words),
            hidden_size=widths["hidden"],
            intermediate_size=widths["intermediate"],
            num_hidden_layers=8,
            num_attention_heads=widths["heads"],
            num_key_value_heads=widths["kv"],
            initializer_range=0.1,
            bos_token_id=words.bos_token_id,
            eos_token_id=words.eos_token_id,
            pad_token_id=words.pad_token_id,
        )
    )
    processor = CLIPImageProcessorPil(size={"shortest_edge": 336}, crop_size=336)
    made, whole = fusion.assemble(vision, llm, words, seed=1, image_processor=processor)
    fusion.save(made, whole, folder)
    return folder


def jpeg(lot: np.random.Generator) -> bytes:
    """A picture of soft shapes and noise, 640 x 480."""
    coarse = Image.fromarray(lot.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((640, 480), Image.Resampling.BICUBIC), dtype=np.int16)
    noisy = np.clip(smooth + lot.integers(-12, 13, smooth.shape), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(noisy).save(file, "JPEG", quality=90)
    return file.getvalue()


def corpus(folder: Path, bench: Benchmark, pictures: int, seed: int) -> Corpus:
    """Write a question about each picture, in both languages."""
    lot, words = np.random.default_rng(seed), random.Random(seed)
    with CorpusWriter(folder, bench.row_type, CODES) as writer:
        for number in range(pictures):
            writer.add_image(str(number), jpeg(lot), "JPEG", 640, 480, "made")
            drawn = words.sample(range(7), 4)
            texts = {}
            for code in CODES:
                things = [WORDS[code][d] for d in drawn]
                gold = {"choices": things, "answer": number % 4}
                row = gold if bench.row_type == "choice" else {"answers": things}
                texts[code] = {"question": ASKED[code].format(number), **row}
            writer.add_row(str(number), str(number), texts)
    return Corpus.open(folder)


class Timed:
    """Counts the seconds, on the clock and of the processor, that a function takes."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    def __call__(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call it."""
        wall, cpu = time.perf_counter(), time.process_time()
        result = function(*args, **kwargs)
        self.wall += time.perf_counter() - wall
        self.cpu += time.process_time() - cpu
        return result


def theirs(lm: Any, method: str, pair: tuple[Benchmark, Corpus], timed: Timed, place: Path) -> Any:
    """lmms-eval's samples of a benchmark; only what its model takes is counted."""
    from parity.lmms import simple_evaluate

    inner, kept = getattr(type(lm), method), lm._model
    setattr(lm, method, lambda requests: timed(inner, lm, requests))
    names = files.write("lmms-eval", [pair], CODES, place)
    samples = simple_evaluate(lm, "", names, place)["samples"]
    lm._model = kept  # which it lets go of at the end
    return {
        (code, one["ikusi"]["id"]): one["ikusi"]
        for code, name in zip(CODES, names, strict=True)
        for one in samples[name]
    }


def ours(engine: Any, pair: tuple[Benchmark, Corpus], timed: Timed, place: Path) -> Any:
    """Our rows of a benchmark."""
    import pyarrow.parquet as pq

    timed(run.evaluate, engine, [pair], CODES, PACKS, place, bootstrap=100)
    rows = pq.read_table(place / "rows.parquet").to_pylist()
    return {(row["language"], row["id"]): row for row in rows}


def compare_choices(place: Path, checkpoint: Path, pictures: int, turns: int) -> None:
    """Time choices, hold the scores to be equal, print."""
    from parity.lmms import one_request_per_option

    lm, engine = one_request_per_option(str(checkpoint)), open_local(checkpoint)
    bench = benchmark.load("aokvqa")
    worst, same, count = 0.0, 0, 0
    for turn in range(turns + 1):
        if turn <= 1:
            slow, fast = Timed(), Timed()  # the first turn warms both up
        pair = (bench, corpus(place / f"choices{turn}", bench, pictures, turn))
        left = theirs(lm, "loglikelihood", pair, slow, place / f"tasks{turn}")
        right = ours(engine, pair, fast, place / f"ours{turn}")
        for key, row in right.items():
            gaps = np.subtract(row["scores"], left[key]["scores"])
            worst, count = max(worst, float(np.abs(gaps).max())), count + 1
            same += row["pick"] == left[key]["pick"]
    what = f"choices ({same} of {count} picks equal, largest difference {worst:.1e} nats)"
    show(what, slow, fast, 2 * pictures * turns)


def compare_answers(place: Path, checkpoint: Path, pictures: int, turns: int) -> None:
    """Time answers, count the equal ones, print."""
    from lmms_eval.models.chat.llava_hf import LlavaHf

    lm = LlavaHf(str(checkpoint), device_map="cpu", dtype="float32", device="cpu")
    engine = open_local(checkpoint)
    bench = benchmark.load("vqav2").model_copy(update={"max_new_tokens": TOKENS})
    same = count = 0
    for turn in range(turns + 1):
        if turn <= 1:
            slow, fast = Timed(), Timed()  # the first turn warms both up
        pair = (bench, corpus(place / f"answers{turn}", bench, pictures, turn))
        left = theirs(lm, "generate_until", pair, slow, place / f"said{turn}")
        right = ours(engine, pair, fast, place / f"answered{turn}")
        same += sum(row["prediction"] == left[key]["said"] for key, row in right.items())
        count += len(right)
    what = f"answers ({same} of {count} texts equal)"
    show(what, slow, fast, 2 * pictures * turns)


def show(what: str, slow: Timed, fast: Timed, count: int) -> None:
    """Print both paces and their ratios."""
    print(f"\n{what}\n\n| way | ms a question | ms of processor time |\n|---|--:|--:|")
    for name, timed in (("lmms-eval", slow), ("ikusi", fast)):
        print(f"| {name} | {1000 * timed.wall / count:.0f} | {1000 * timed.cpu / count:.0f} |")
    print(
        f"\n{slow.wall / fast.wall:.2f} times as fast; {slow.cpu / fast.cpu:.2f} by processor time"
    )


def main() -> None:
    """Measure both and print tables."""
    form = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("--pictures", type=int, default=16, help="of each turn")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--shape", choices=SHAPES, default="narrow")
    parser.add_argument("--only", choices=("choices", "answers"))
    given = parser.parse_args()
    ways: Sequence[Any] = [compare_choices, compare_answers]
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        checkpoint = model(place / "llava", given.shape)
        for way in ways:
            if given.only is None or way.__name__.endswith(given.only):
                way(place, checkpoint, given.pictures, given.turns)
    threads = torch.get_num_threads()
    print(f"\n{platform.machine()}, {threads} threads, {json.dumps(artifact.list_versions())}")


if __name__ == "__main__":
    main()
