"""Captions by a sentence-level model: the whole job against transformers and bare CTranslate2.

    python bench/translate_nmt.py [--captions 2000] [--beam 1]

The model has the size of a real MarianMT (6 + 6 layers, 512 wide, 32,000 pieces) and random
weights, and every translation is made 16 tokens long, so that no way is lucky with shorter ones. In
one run: transformers' `generate` on batches of 32 (on an eighth of the captions: it is that slow),
CTranslate2 fed captions that are encoded and sorted by length already, and a whole job of ours from
corpus to corpus. All in 8-bit weights but transformers; one thread a core.
"""

import argparse
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import ctranslate2
import torch
import transformers
from transformers import MarianMTModel, MarianTokenizer
from translate_job import WORDS

from ikusi import language
from ikusi.data.corpus import Corpus, CorpusWriter
from ikusi.translate.gather import gather
from ikusi.translate.job import Job
from ikusi.translate.nmt import CTranslate2Engine
from ikusi.translate.sentences import SentenceTranslator
from ikusi.translate.settings import Checks, Command, CTranslate2, Translation

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from translate import marian

PIECES, LENGTH = 32_000, 16


def checkpoint(folder: Path) -> Path:
    """A random MarianMT of realistic size with a tokenizer of the test's grammar."""
    marian.tokenizer_files(folder)
    tokenizer = MarianTokenizer.from_pretrained(folder)
    torch.manual_seed(0)
    sizes = {
        "d_model": 512, "encoder_layers": 6, "decoder_layers": 6, "encoder_attention_heads": 8,
        "decoder_attention_heads": 8, "encoder_ffn_dim": 2048, "decoder_ffn_dim": 2048,
        "max_position_embeddings": 512,
    }  # fmt: skip
    pad = tokenizer.pad_token_id
    # The vocabulary is filled up, so that the output layer costs what a real one costs.
    vocabulary = {**tokenizer.get_vocab()}
    del vocabulary["<pad>"]
    for number in range(PIECES - 1 - len(vocabulary)):
        vocabulary[f"filler{number}"] = len(vocabulary)
    vocabulary["<pad>"] = pad = len(vocabulary)
    marian.write_vocabulary(folder, vocabulary)
    model = MarianMTModel(marian.config(PIECES, pad, **sizes))
    with torch.no_grad():
        model.get_input_embeddings().weight[pad] = 0.0
    model.save_pretrained(folder)
    return folder


def captions(count: int) -> list[str]:
    """Captions of 8 to 15 words, all different."""
    chance, parts = random.Random(0), list(WORDS)
    return [
        f"{' '.join(chance.choice(parts) for _ in range(chance.randint(3, 5)))} {number}."
        for number in range(count)
    ]


def by_transformers(folder: Path, texts: Sequence[str], beam: int) -> float:
    """Captions a second of a batched `generate` loop."""
    tokenizer = MarianTokenizer.from_pretrained(folder)
    model = MarianMTModel.from_pretrained(folder).eval()
    started = time.perf_counter()
    for start in range(0, len(texts), 32):
        batch = tokenizer(list(texts[start : start + 32]), return_tensors="pt", padding=True)
        with torch.inference_mode():
            model.generate(
                **batch, num_beams=beam, do_sample=False, min_new_tokens=LENGTH,
                max_new_tokens=LENGTH, max_length=None,
            )  # fmt: skip
    return len(texts) / (time.perf_counter() - started)


def bare(engine: CTranslate2Engine, texts: Sequence[str], beam: int) -> float:
    """Captions a second of CTranslate2 alone, on what is encoded and sorted before."""
    encoded = sorted(([*tokens, "</s>"] for tokens in engine._encode(texts)), key=len)
    started = time.perf_counter()
    engine._translator.translate_batch(
        encoded, beam_size=beam, patience=2, batch_type="tokens", max_batch_size=2048,
        min_decoding_length=LENGTH, max_decoding_length=LENGTH, disable_unk=True,
    )  # fmt: skip
    return len(texts) / (time.perf_counter() - started)


class Fixed(CTranslate2Engine):
    """Our engine, held to the same length."""

    def __init__(self, settings: CTranslate2) -> None:
        super().__init__(settings)
        translator, made = self._translator, self._translator.translate_batch

        class Held:
            def translate_batch(self, source: Any, **options: Any) -> Any:
                options |= {"min_decoding_length": LENGTH, "max_decoding_length": LENGTH}
                return made(source, **options)

            unload_model = translator.unload_model

        self._translator = Held()


def whole_job(engine: CTranslate2Engine, texts: Sequence[str], folder: Path) -> float:
    """Captions a second of a job, from corpus to corpus, with all checks as they are by default."""
    with CorpusWriter(folder / "corpus", "caption", ["en"]) as writer:
        for number, text in enumerate(texts):
            writer.add_row(f"row-{number}", None, {"en": {"text": text}})
    # Random weights say nothing in any language: faults are flagged, so that rows go all the way.
    flags: dict[str, Any] = {"language": "flag", "repetition": "flag", "copied": "flag"}
    made = Translation(
        name="bench", language="eu", engine=Command(kind="command", command=["none"]),
        checks=Checks(**flags),
    )  # fmt: skip
    started = time.perf_counter()
    translator = SentenceTranslator(engine, language.load("en").code)
    job = Job(made, Corpus.open(folder / "corpus"), folder / "work", translator)
    job.run()
    counts = gather(job, folder / "out")
    seconds = time.perf_counter() - started
    assert counts["rows_in"] == len(texts), counts
    return len(texts) / seconds


def main() -> None:
    """Print the table of docs/benchmarks.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--captions", type=int, default=2000)
    parser.add_argument("--beam", type=int, default=1)
    asked = parser.parse_args()
    torch.set_num_threads(os.cpu_count() or 1)
    texts = captions(asked.captions)
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "model").mkdir()
        folder = checkpoint(Path(name) / "model")
        settings = CTranslate2(
            kind="ctranslate2", model=str(folder), compute_type="int8", beam_size=asked.beam
        )
        engine, fixed = CTranslate2Engine(settings), Fixed(settings)
        bare(engine, texts[:200], asked.beam)  # to warm up
        found = {"transformers, batches of 32": by_transformers(folder, texts[::8], asked.beam)}
        found["CTranslate2 alone, sorted"] = bare(engine, texts, asked.beam)
        found["the whole job"] = whole_job(fixed, texts, Path(name))
    job, slow, fast = found["the whole job"], *list(found.values())[:2]
    print("| | captions/s |\n|---|--:|")
    for way, pace in found.items():
        print(f"| {way} | {pace:,.1f} |")
    print(f"\nThe job: {job / slow:.1f} times transformers, {job / fast:.0%} of CTranslate2 alone")
    print(f"beam {asked.beam}, {asked.captions} captions, {os.cpu_count()} cores")
    versions = f"ctranslate2 {ctranslate2.__version__}, transformers {transformers.__version__}"
    print(f"{versions}, torch {torch.__version__}, {platform.platform()}")


if __name__ == "__main__":
    main()
