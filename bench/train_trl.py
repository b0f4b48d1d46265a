"""Training models that see by TRL's SFTTrainer and by us: the same model, rows, order and losses.

    python -m venv .venv-trl   # once: an environment of its own, which has TRL
    .venv-trl/bin/python -m pip install -c constraints.txt -e . trl==1.16.0
    .venv-trl/bin/python bench/train_trl.py [--family qwen2_5_vl] [--size tiny] [--turns 1]

A model of each family, of random weights: as the tests make it ("tiny"), and one of some 50 million
weights with 32,000 words ("50m"). Connector and LLM learn, with AdamW, in fp32. Rows are a picture,
a question and an answer whose lengths are skewed (log-normal) as those of PixMo are; only the
answer is learnt. TRL is given the same tokens, and neither packs nor leaves padding out where
there are pictures (it refuses both); its loss needs no whole logits. It runs once as it is
("TRL", activations computed twice), and once with them kept ("TRL, kept"), which is faster and
takes more memory; ours is a stage of a recipe. `--grouped`: rows of like length stand side by
side, for all, which spares TRL most of its padding. Each in a process of its own, in turns.
Counted is the processor time of all steps but the first, and the most memory held beyond that
before training, when all rows and pictures have been read once. The script ends with 1 where first
losses differ by more than `--apart`.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from memory import peak_mib
from PIL import Image
from seers import FAMILIES, Size, make
from train_miniature import machine
from transformers import ProcessorMixin, TrainerCallback

from ikusi.data.corpus import Corpus, CorpusWriter
from ikusi.data.mixture import Mixture, MixturePart
from ikusi.model.learning import set_trainable
from ikusi.model.opening import open_seeing
from ikusi.recipe import Compute, Stage
from ikusi.recipe.training import Part
from ikusi.train.steps import Encoder

RATE, SIDE, LONGEST = 1e-3, 96, 4096
PARTS: list[Part] = ["connector", "llm"]
SIZES = {"tiny": None, "50m": Size(384, 2, weights=50e6, vocabulary=32_000, eyes=192)}
OURS, THEIRS = "Ikusi", ("TRL", "TRL, kept")
MARK = "benchmark:"


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


class Ordered(Mixture):
    """The rows in their own order, or with those of like length side by side."""

    grouped = False

    def order(self, epoch: int) -> Any:
        """The same in every pass."""
        places = list(range(len(self)))
        if self.grouped:
            places.sort(key=lambda place: len(str(self[place].messages)))
        return places


def read_rows(folder: Path, grouped: bool) -> Ordered:
    """The rows that were written, as both train on them."""
    mixture = Ordered([MixturePart(Corpus.open(folder), 0.0)], "eu", "en", seed=0)
    mixture.grouped = grouped
    return mixture


def show_all(rows: Ordered) -> None:
    """Read each row and its picture once."""
    for index in rows.order(0):
        sample = rows[int(index)]
        assert sample.image_id is not None
        sample.corpus.image(sample.image_id)


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


def train_ours(model: Any, processor: Any, rows: Ordered, output: Path, batch: int) -> None:
    """Train as a stage of a recipe."""
    from ikusi.train.stages import train_stage

    stage = Stage(
        corpus="given",
        trainable=PARTS,
        learning_rate=RATE,
        batch_size=batch,
        epochs=1,
        warmup_ratio=0,
        precision="fp32",
        max_length=LONGEST,
        save_every=10_000,
    )
    clock = Clock()
    train_stage(
        model,
        processor,
        rows,
        stage,
        output=output,
        seed=0,
        compute=Compute(data_workers=0),
        progress=lambda made: clock.note(made.loss),
    )
    clock.show()


def train_theirs(
    model: Any, processor: Any, rows: Ordered, output: Path, batch: int, again: bool
) -> None:
    """Train by TRL. `again`: activations are computed twice, as is its default."""
    from datasets import Dataset
    from torch.utils.data import SequentialSampler
    from trl import SFTConfig, SFTTrainer
    from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

    if not isinstance(processor, ProcessorMixin):
        sys.exit("TRL: expected a processor of transformers, which also reads text alone")
    encoder = Encoder(rows, model, processor, LONGEST)
    order = rows.order(0).tolist()
    samples = dict(zip(order, encoder.encode(order), strict=True))

    class SameTokens(DataCollatorForVisionLanguageModeling):
        """The tokens of a row that Ikusi learns: its end of a turn, but nothing after it."""

        def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
            wanted = [samples[example.pop("number")] for example in examples]
            batch: dict[str, Any] = super().torch_call(examples)
            for row, sample in enumerate(wanted):
                ids = batch["input_ids"][row][batch["attention_mask"][row].bool()].tolist()
                if ids != sample.input_ids.tolist():
                    sys.exit(f"row {sample.id}: expected the tokens of Ikusi, found {ids}")
                learnt = torch.tensor(sample.supervised).long()
                kept = batch["labels"][row, learnt]
                if (kept < 0).any():
                    sys.exit(f"row {sample.id}: expected TRL to learn all that Ikusi learns")
                batch["labels"][row] = -100
                batch["labels"][row, learnt] = kept
            return batch

    class InOrder(SFTTrainer):
        def _get_train_sampler(self, train_dataset: Any = None) -> Any:
            return SequentialSampler(self.train_dataset)

    class Watch(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: Any, **others: Any) -> None:
            if "loss" in logs:
                clock.note(float(logs["loss"]))

    settings = SFTConfig(
        str(output),
        use_cpu=True,
        bf16=False,
        max_length=None,
        per_device_train_batch_size=batch,
        num_train_epochs=1,
        learning_rate=RATE,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        gradient_checkpointing=again,
    )
    trainer = InOrder(
        model=model,
        args=settings,
        train_dataset=Dataset.from_list([_describe(rows, index) for index in samples]),
        processing_class=processor,
        data_collator=SameTokens(processor, completion_only_loss=True),
        callbacks=[Watch()],
    )
    clock = Clock()
    trainer.train()
    clock.show()


def _describe(rows: Ordered, index: int) -> dict[str, Any]:
    """A row as TRL takes it."""
    sample = rows[index]
    assert sample.image_id is not None
    question, answer = (message["content"][-1]["text"] for message in sample.messages)
    return {
        "number": index,
        "prompt": [{"role": "user", "content": question}],
        "completion": [{"role": "assistant", "content": answer}],
        "images": [sample.corpus.image(sample.image_id)],
    }


@dataclass(frozen=True)
class Taken:
    """Cost of a training: processor seconds, MiB more than before and in all; and its losses."""

    seconds: float
    more: float
    peak: float
    losses: list[float]


def run_apart(way: str, folder: Path, asked: argparse.Namespace) -> Taken | str:
    """Train in a process of its own; the last line of why not where it ends."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    words = ["--batch", str(asked.batch), *(["--grouped"] if asked.grouped else [])]
    command = [sys.executable, __file__, *words, "--child", way, "--folder", str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        return done.stderr.strip().splitlines()[-1]
    line = next(line for line in done.stdout.splitlines() if line.startswith(MARK))
    return Taken(*json.loads(line.removeprefix(MARK)))


def run_child(asked: argparse.Namespace) -> None:
    """Train one model in one way, in a process of its own."""
    torch.set_num_threads(1)
    model, processor = open_seeing(asked.folder / "model")
    set_trainable(model, PARTS, processor)
    rows = read_rows(asked.folder / "rows", asked.grouped)
    show_all(rows)  # TRL is given them read: so that reading them is in neither's memory
    if asked.child == OURS:
        train_ours(model, processor, rows, asked.folder / "ours", asked.batch)
    else:
        again = asked.child == THEIRS[0]
        train_theirs(model, processor, rows, asked.folder / "theirs", asked.batch, again)


def compare(name: str, size: str, asked: argparse.Namespace) -> bool:
    """Train one model by all in turns, and print what each took and the ratios; whether first
    losses agree."""
    took: dict[str, list[Taken]] = {}
    failed = {}
    for _ in range(asked.turns):
        for way in (OURS, *THEIRS):
            with tempfile.TemporaryDirectory() as place:
                make(name, Path(place) / "model", SIZES[size])
                write_rows(Path(place) / "rows", asked.samples, asked.text)
                taken = run_apart(way, Path(place), asked)
            if isinstance(taken, str):
                failed[way] = taken
            else:
                took.setdefault(way, []).append(taken)
    timed = asked.samples - asked.batch
    for way, every in took.items():
        rate = timed / min(one.seconds for one in every)
        more, peak = (min(getattr(one, key) for one in every) for key in ("more", "peak"))
        losses = " ".join(f"{loss:.6f}" for loss in every[0].losses[:2])
        print(f"| {name} | {size} | {way} | {rate:.2f} | {more:,.0f} | {peak:,.0f} | {losses} |")
    for way, reason in failed.items():
        print(f"| {name} | {size} | {way} | none: {reason} |")
    sys.stdout.flush()
    if OURS not in took:
        return False
    equal = [agree(took, way, asked.apart) for way in THEIRS if way in took]
    return all(equal)


def agree(took: dict[str, list[Taken]], way: str, apart: float) -> bool:
    """Whether first losses do; prints how many times as fast and how lean ours is."""
    ours, theirs = (
        [min(getattr(one, key) for one in took[name]) for key in ("seconds", "more", "peak")]
        for name in (OURS, way)
    )
    far = abs(took[OURS][0].losses[0] - took[way][0].losses[0])
    print(
        f"against {way}: {theirs[0] / ours[0]:.2f} x as fast, {ours[1] / theirs[1]:.0%} of the "
        f"memory ({ours[2] / theirs[2]:.0%} of the whole process), first losses {far:.0e} apart",
        flush=True,
    )
    return far <= apart


def list_asked(words: Sequence[str], known: Sequence[str]) -> list[str]:
    """Names that were asked for, in the order of those known; all where none was."""
    return [one for one in known if not words or one in words]


def main() -> None:
    """Train by each in turns, and print what each took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--family", nargs="*", default=[], choices=list(FAMILIES))
    parser.add_argument("--size", nargs="*", default=[], choices=list(SIZES))
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--samples", type=int, default=24)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--text", type=int, default=40, help="words of an answer, the median")
    parser.add_argument("--grouped", action="store_true", help="rows of like length side by side")
    parser.add_argument("--apart", type=float, default=1e-4, help="first losses, at most, in nats")
    parser.add_argument("--child", choices=(OURS, *THEIRS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        run_child(asked)
        return
    print("| family | size | way | samples/s | MiB more | MiB in all | first losses |")
    print("|---|---|---|--:|--:|--:|---|")
    equal = [
        compare(name, size, asked)
        for name in list_asked(asked.family, list(FAMILIES))
        for size in list_asked(asked.size, list(SIZES))
    ]
    print(f"{machine()}, TRL {version('trl')}, one thread")
    if not all(equal):
        sys.exit(f"expected first losses within {asked.apart:.0e} of each other, found others")


if __name__ == "__main__":
    main()
