"""Training a LLaVA by TRL's SFTTrainer and by us: the same model, rows, order and first losses.

    python -m venv .venv-trl   # once: an environment of its own, which has TRL
    .venv-trl/bin/python -m pip install -c constraints.txt -e . trl==1.16.0
    .venv-trl/bin/python bench/train_trl.py [--turns 2] [--samples 96] [--batch 16] [--text 40]

A LLaVA of 30 million weights, made up: the miniature's encoder (64 features a picture, frozen) and
words, an LLM of 8 layers, 384 wide, with 32,000 words; connector and LLM learn, with AdamW, in
fp32. Rows are a picture, a question and an answer whose lengths are skewed (log-normal) as those of
PixMo are; only the answer is learnt. TRL with its defaults, but for `use_cpu`,
fp32, this batch, rows in order and none cut; ours as a stage of a recipe. Each in a process of its
own, in turns. Counted is the processor time of all steps but the first, and the most memory held
beyond that before training.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from memory import peak_mib
from PIL import Image
from train_miniature import machine
from transformers import LlamaConfig, LlamaForCausalLM, TrainerCallback

from ikusi.data.corpus import Corpus, CorpusWriter
from ikusi.data.mixture import Mixture, MixturePart
from ikusi.miniature.bases import shipped
from ikusi.model import fusion
from ikusi.model.learning import set_trainable
from ikusi.recipe import Compute, Stage

RATE, SIDE = 1e-3, 96
WAYS = ("TRL", "Ikusi")
MARK = "benchmark:"
VOCABULARY = 32_000


def model() -> tuple[Any, Any]:
    """The LLaVA and its processor; the encoder is frozen."""
    encoder, words = (shipped.find_model(f"miniature/{name}") for name in ("encoder", "llama-en"))
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=384,
        intermediate_size=1024,
        num_hidden_layers=8,
        num_attention_heads=6,
        num_key_value_heads=6,
        tie_word_embeddings=True,
        eos_token_id=1,
        pad_token_id=0,
    )
    llm = LlamaForCausalLM(config)
    llava, processor = fusion.assemble(encoder, llm, words, feature_layer=-1)
    set_trainable(llava, ["connector", "llm"])
    return llava, processor


def write_rows(folder: Path, samples: int, middle: int) -> Corpus:
    """Pictures of noise, questions and answers of random words; half of the answers are longer than
    `middle` words."""
    generator = np.random.default_rng(0)
    words = [f"{place} {thing}" for place in ("red", "small", "old") for thing in ("dog", "car")]

    def say(count: int) -> str:
        return " ".join(generator.choice(words) for _ in range(max(1, count // 2)))

    with CorpusWriter(folder, "instruction", ["eu", "en"]) as writer:
        for number in range(samples):
            pixels = generator.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
            data = _encode(pixels)
            writer.add_image(str(number), data, "PNG", SIDE, SIDE, "made up")
            length = int(np.clip(generator.lognormal(np.log(middle), 0.7), 8, 8 * middle))
            turns = [
                {"role": "user", "content": say(12)},
                {"role": "assistant", "content": say(length)},
            ]
            texts = {code: {"turns": turns} for code in ("eu", "en")}
            writer.add_row(str(number), str(number), texts)
    return Corpus.open(folder)


def _encode(pixels: Any) -> bytes:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    return data.getvalue()


class Clock:
    """Processor time of all steps but the first, the first losses, and memory."""

    def __init__(self) -> None:
        self.before = peak_mib()
        self.ends: list[float] = []
        self.losses: list[float] = []

    def note(self, loss: float) -> None:
        """A step has ended."""
        self.ends.append(time.process_time())
        self.losses.append(loss)

    def show(self) -> None:
        """Print what was measured."""
        seconds = self.ends[-1] - self.ends[0]
        peak = peak_mib()
        print(MARK, json.dumps([seconds, peak - self.before, peak, self.losses]))


def train_ours(folder: Path, asked: argparse.Namespace) -> None:
    """Train as a stage of a recipe."""
    from ikusi.train.stages import train_stage

    llava, processor = model()
    mixture = Mixture([MixturePart(Corpus.open(folder), 0.0)], "eu", "en", seed=0)
    stage = Stage(
        corpus="given",
        trainable=["connector", "llm"],
        learning_rate=RATE,
        batch_size=asked.batch,
        epochs=1,
        warmup_ratio=0,
        precision="fp32",
        max_length=4096,
        save_every=10_000,
    )
    clock = Clock()
    train_stage(
        llava,
        processor,
        mixture,
        stage,
        output=folder.with_name("ours"),
        seed=0,
        compute=Compute(data_workers=0),
        progress=lambda made: clock.note(made.loss),
    )
    clock.show()


def train_theirs(folder: Path, asked: argparse.Namespace) -> None:
    """Train by TRL, with its defaults."""
    from datasets import Dataset
    from torch.utils.data import SequentialSampler
    from trl import SFTConfig, SFTTrainer

    llava, processor = model()
    corpus = Corpus.open(folder)
    mixture = Mixture([MixturePart(corpus, 0.0)], "eu", "en", seed=0)
    rows = []
    for index in mixture.order(0):
        sample = mixture[int(index)]
        assert sample.image_id is not None
        question, answer = (message["content"][-1]["text"] for message in sample.messages)
        rows.append(
            {
                "prompt": [{"role": "user", "content": question}],
                "completion": [{"role": "assistant", "content": answer}],
                "images": [corpus.image(sample.image_id)],
            }
        )

    class InOrder(SFTTrainer):
        def _get_train_sampler(self, train_dataset: Any = None) -> Any:
            return SequentialSampler(self.train_dataset)

    class Watch(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: Any, **others: Any) -> None:
            if "loss" in logs:
                clock.note(float(logs["loss"]))

    settings = SFTConfig(
        str(folder.with_name("theirs")),
        use_cpu=True,
        bf16=False,
        max_length=None,
        per_device_train_batch_size=asked.batch,
        num_train_epochs=1,
        learning_rate=RATE,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
    )
    trainer = InOrder(
        model=llava,
        args=settings,
        train_dataset=Dataset.from_list(rows),
        processing_class=processor,
        callbacks=[Watch()],
    )
    clock = Clock()
    trainer.train()
    clock.show()


def run_apart(way: str, folder: Path, words: list[str]) -> tuple[float, float, float, list[float]]:
    """Train in a process of its own: seconds, MiB more than before, MiB in all, losses."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, __file__, *words, "--child", way, "--folder", str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    line = next(line for line in done.stdout.splitlines() if line.startswith(MARK))
    seconds, more, peak, losses = json.loads(line.removeprefix(MARK))
    return seconds, more, peak, losses


def main() -> None:
    """Train by both in turns, and print what each took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--samples", type=int, default=96)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--text", type=int, default=40, help="words of an answer, the median")
    parser.add_argument("--child", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        torch.set_num_threads(1)
        (train_theirs if asked.child == "TRL" else train_ours)(asked.folder, asked)
        return
    words = ["--samples", str(asked.samples), "--batch", str(asked.batch)]
    print(f"{'':8} seconds  MiB more  MiB in all  first loss   last loss")
    for _ in range(asked.turns):
        taken = {}
        for way in WAYS:
            with tempfile.TemporaryDirectory() as name:
                write_rows(Path(name) / "rows", asked.samples, asked.text)
                taken[way] = run_apart(way, Path(name) / "rows", words)
            seconds, more, peak, losses = taken[way]
            ends = f"{losses[0]:11.6f} {losses[-1]:11.6f}"
            print(f"{way:8} {seconds:7.1f} {more:9,.0f} {peak:11,.0f} {ends}", flush=True)
        (theirs, more, peak, first), (ours, our_more, our_peak, our_first) = taken.values()
        print(
            f"Ikusi is {theirs / ours:.2f} x as fast with {our_more / more:.0%} of the memory "
            f"({our_peak / peak:.0%} of the whole process); first losses differ by "
            f"{abs(first[0] - our_first[0]):.1e}"
        )
    print(f"{machine()}, TRL {version('trl')}, one thread")


if __name__ == "__main__":
    main()
