"""A translation model run in several ways on the same captions, in one run.

    python bench/translate_nmt.py [--captions 2048] [--threads 1] [--compute-type int8] [--times 3]

Ways: a loop of transformers' `generate` in batches of 32 (on fewer captions: it is slow); bare
CTranslate2 on captions that are already split into tokens and sorted by length; the same asked for
the scores that a job keeps, and for no unknown word; our engine under a `SentenceTranslator`; and a
whole job, from corpus to corpus, with every check. The model is a
MarianMT as OPUS-MT's are (6 + 6 layers, 512 wide, 32,000 pieces) with random weights. It never ends
by itself, and writes 16 tokens for every caption, greedily. Captions are 8 to 15 made-up words.
Each way is timed several times, in turns, and its fastest time counts.
"""

import argparse
import itertools
import json
import os
import platform
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ctranslate2
import sentencepiece
import torch
import transformers
from transformers import MarianConfig, MarianMTModel, MarianTokenizer

from ikusi.data import rows as row_types
from ikusi.data.corpus import Corpus, CorpusWriter
from ikusi.translate import nmt
from ikusi.translate.contract import Row, Verdict
from ikusi.translate.engines.ctranslate2 import CTranslate2
from ikusi.translate.gather import gather
from ikusi.translate.job import Job
from ikusi.translate.nmt import CTranslate2Engine
from ikusi.translate.sentences import SentenceTranslator
from ikusi.translate.settings import Checks, Translation

PIECES, WRITTEN, BATCH = 32_000, 16, 32
ALWAYS = Checks(
    language="flag", copied="flag", repetition="flag", options="flag", yes_no="flag"
)  # nothing is refused, so that every row goes through every check


def captions(count: int) -> list[str]:
    """Different captions of 8 to 15 words; some words are far more usual than others."""
    chance = random.Random(0)
    syllables = [first + last for first in "bdfgklmnprstvz" for last in ("a", "en", "i", "or", "u")]
    words = ["".join(chance.choices(syllables, k=chance.randint(1, 4))) for _ in range(40_000)]
    often = list(itertools.accumulate(place**-0.7 for place in range(1, len(words) + 1)))
    texts = (
        chance.choices(words, cum_weights=often, k=chance.randint(8, 15)) for _ in range(count)
    )
    return [" ".join(text).capitalize() + "." for text in texts]


def checkpoint(folder: Path) -> None:
    """A MarianMT with its SentencePiece models."""
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(captions(100_000)),
        model_prefix=str(folder / "source"),
        vocab_size=PIECES,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    (folder / "source.spm").write_bytes((folder / "source.model").read_bytes())
    (folder / "target.spm").write_bytes((folder / "source.model").read_bytes())
    pieces = [line.split("\t")[0] for line in (folder / "source.vocab").open(encoding="utf-8")]
    known = ["</s>", "<unk>", *(piece for piece in pieces if piece[:1] + piece[-1:] != "<>")]
    vocabulary = {piece: place for place, piece in enumerate([*known, "<pad>"])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    settings = {"source_lang": "en", "target_lang": "eu", "tokenizer_class": "MarianTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    pad = vocabulary["<pad>"]
    torch.manual_seed(0)
    config = MarianConfig(
        vocab_size=len(vocabulary),
        d_model=512,
        encoder_layers=6,
        decoder_layers=6,
        encoder_attention_heads=8,
        decoder_attention_heads=8,
        encoder_ffn_dim=2048,
        decoder_ffn_dim=2048,
        max_position_embeddings=512,
        scale_embedding=True,
        pad_token_id=pad,
        eos_token_id=0,
        decoder_start_token_id=pad,
        num_beams=1,
    )
    model = MarianMTModel(config)
    with torch.no_grad():
        model.get_input_embeddings().weight[pad] = 0.0
        model.final_logits_bias[0, 0] = -1e4  # it never ends
    model.save_pretrained(folder)


def by_transformers(folder: Path, texts: Sequence[str]) -> Callable[[], int]:
    """The loop that most people write."""
    tokenizer = MarianTokenizer.from_pretrained(folder)
    model = MarianMTModel.from_pretrained(folder).eval()

    def run() -> int:
        translated: list[str] = []
        for start in range(0, len(texts), BATCH):
            batch = tokenizer(list(texts[start : start + BATCH]), padding=True, return_tensors="pt")
            with torch.inference_mode():
                written = model.generate(**batch, num_beams=1, max_new_tokens=WRITTEN)
            assert written.shape[1] == WRITTEN + 1, written.shape
            translated += tokenizer.batch_decode(written, skip_special_tokens=True)
        return len(translated)

    return run


def by_bare_ctranslate2(
    engine: CTranslate2Engine, texts: Sequence[str], **asked: Any
) -> Callable[[], int]:
    """CTranslate2 with nothing around it: the same model, tokens instead of texts."""
    pieces = sentencepiece.SentencePieceProcessor(
        model_file=str(Path(engine._settings.model) / "source.spm")
    )
    tokens = sorted(([*some, "</s>"] for some in pieces.encode(list(texts), out_type=str)), key=len)

    def run() -> int:
        results = engine._translator.translate_batch(
            tokens,
            beam_size=1,
            max_decoding_length=WRITTEN,
            batch_type="tokens",
            max_batch_size=engine._settings.batch_tokens,
            **asked,
        )
        assert {len(result.hypotheses[0]) for result in results} == {WRITTEN}
        return len(results)

    return run


def by_translator(engine: CTranslate2Engine, texts: Sequence[str]) -> Callable[[], int]:
    """Rows through a `SentenceTranslator`."""
    rows = [
        Row(place, str(place), row_types.load("caption"), [text])
        for place, text in enumerate(texts)
    ]

    def run() -> int:
        translator = SentenceTranslator(engine, "en")  # a new one, that remembers nothing
        return len(list(translator.translate(rows, lambda row, texts: Verdict())))

    return run


def by_job(engine: CTranslate2Engine, texts: Sequence[str], folder: Path) -> Callable[[], int]:
    """From corpus to corpus."""
    with CorpusWriter(folder / "corpus", "caption", ["en"]) as writer:
        for place, text in enumerate(texts):
            writer.add_row(str(place), None, {"en": {"text": text}})
    settings = Translation(name="bench", language="eu", engine=engine._settings, checks=ALWAYS)
    corpus = Corpus.open(folder / "corpus")

    def run() -> int:
        with tempfile.TemporaryDirectory() as aside:
            job = Job(settings, corpus, Path(aside, "work"), SentenceTranslator(engine, "en"))
            job.run()
            return int(gather(job, Path(aside, "out"))["rows"])

    return run


def timed(run: Callable[[], int]) -> dict[str, float]:
    """Captions a second, by the clock and by processor time."""
    started, processor = time.perf_counter(), time.process_time()
    count = run()
    return {
        "clock": count / (time.perf_counter() - started),
        "processor": count / (time.process_time() - processor),
    }


def measured(asked: argparse.Namespace, folder: Path) -> dict[str, dict[str, float]]:
    """The fastest of each way's times."""
    model = folder / "model"
    model.mkdir()
    checkpoint(model)
    texts = captions(asked.captions)
    settings = CTranslate2(kind="ctranslate2", model=str(model), compute_type=asked.compute_type)
    engine = CTranslate2Engine(settings)
    ways = {
        f"transformers, batches of {BATCH}": by_transformers(model, texts[: asked.captions // 16]),
        "bare CTranslate2": by_bare_ctranslate2(engine, texts),
        "bare CTranslate2 with scores": by_bare_ctranslate2(
            engine, texts, return_scores=True, disable_unk=True
        ),
        "engine and translator": by_translator(engine, texts),
        "job": by_job(engine, texts, folder),
    }
    fastest: dict[str, dict[str, float]] = {name: {} for name in ways}
    for _ in range(asked.times):
        for name, run in ways.items():
            for kind, rate in timed(run).items():
                fastest[name][kind] = max(rate, fastest[name].get(kind, 0.0))
    shutil.rmtree(engine.folder)
    return fastest


def main() -> None:
    """Measure all ways and print them side by side."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--captions", type=int, default=2048)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--compute-type", choices=["int8", "float32"], default="int8")
    parser.add_argument("--times", type=int, default=3)
    asked = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: asked.threads])
    torch.set_num_threads(asked.threads)
    nmt.LONGEST = WRITTEN
    with tempfile.TemporaryDirectory() as folder:
        fastest = measured(asked, Path(folder))
    first, bare, *_ = fastest.values()
    print("| way | captions/s | of transformers | of bare CTranslate2 | captions/s of processor |")
    print("|---|--:|--:|--:|--:|")
    for name, kept in fastest.items():
        rates = {kind: kept["clock"] / base["clock"] for kind, base in (("a", first), ("b", bare))}
        print(
            f"| {name} | {kept['clock']:.1f} | {rates['a']:.1f} x | {rates['b']:.0%} | "
            f"{kept['processor']:.1f} |"
        )
    print(f"{asked.compute_type}, {asked.threads} thread(s), {asked.captions} captions; ", end="")
    versions: dict[str, Any] = {"ctranslate2": ctranslate2, "transformers": transformers}
    print(", ".join(f"{name} {module.__version__}" for name, module in versions.items()), end=", ")
    print(f"torch {torch.__version__}, {platform.machine()}")


if __name__ == "__main__":
    main()
