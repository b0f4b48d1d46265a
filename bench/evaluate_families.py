"""Options scored by going on from shared beginnings, beside a plain forward for each option.

    python bench/evaluate_families.py [--pictures 4] [--questions 4] [--turns 3] [--width 256]

For each family of models that see, one of random weights, as the tests make it but wider, and with
pictures `--sides` times as high and wide: some questions with four options about each of some
pictures. The plain way processes prompt and picture for each option and reads all of it, several
options at once, padded; it is what the engine did before it went on from what prompts share. Both
take turns in one process, in fp32, on one thread, after a turn that is not counted; of several
turns the quickest counts. Scores must be the same.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from seers import FAMILIES, Size, make
from torch.nn.utils.rnn import pad_sequence

from ikusi.answer.engine import Query
from ikusi.answer.engines.general import General
from ikusi.answer.engines.here import open_local

OPTIONS = ("a red house", "two dogs and a cat", "yes", "a boat on the left")
SIDE = 480  # of a picture, in pixels
OTHERS = ("llava", "paligemma")
"""LLaVA has an engine of its own (`evaluate_lmms.py`), and PaliGemma's prompts are read whole."""

KNOWN = [one for one in FAMILIES if one not in OTHERS]

BATCH = 8


@torch.inference_mode()
def score_plainly(engine: General, queries: Sequence[Query], pictures: Any) -> list[float]:
    """The total of each option, its prompt and picture processed and read with it."""
    flat = [(query, ids) for query in queries for ids in engine._continuations(query)]
    totals: list[float] = []
    for start in range(0, len(flat), BATCH):
        part = flat[start : start + BATCH]
        asked = [query for query, _ in part]
        inputs = engine._inputs([engine._prompt(query) for query in asked], asked, pictures)
        ids, masks = inputs["input_ids"], inputs["attention_mask"].bool()
        sizes, laid = masks.sum(dim=1).tolist(), dict(inputs)
        for name, value in inputs.items():
            if value.shape[:2] == ids.shape:
                rows = [
                    torch.cat(
                        [
                            own[mask],
                            own.new_tensor(option)
                            if name == "input_ids"
                            else own[-1:].expand(len(option)),
                        ]
                    )
                    for own, mask, (_, option) in zip(value, masks, part, strict=True)
                ]
                laid[name] = pad_sequence(rows, batch_first=True)
        first = min(sizes) - 1
        keep = laid["input_ids"].shape[1] - first
        logits = engine.model(**laid, logits_to_keep=keep, use_cache=False).logits
        for row, (size, (_, option)) in enumerate(zip(sizes, part, strict=True)):
            begin = size - 1 - first
            logs = logits[row, begin : begin + len(option)].log_softmax(-1)
            totals.append(float(logs.gather(1, torch.tensor(option)[:, None]).sum()))
    return totals


def score_shared(engine: General, queries: Sequence[Query], pictures: Any) -> list[float]:
    """The same by the engine."""
    replies = engine.answer(queries, engine.prepare(pictures))
    return [score.total for reply in replies for score in reply.scores]


def measure(score: Callable[[], list[float]]) -> tuple[float, list[float]]:
    """Processor seconds, and the totals."""
    began = time.process_time()
    totals = score()
    return time.process_time() - began, totals


def main() -> None:
    """Print a line for each family."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, usual in {
        "pictures": 4,
        "questions": 4,
        "turns": 3,
        "width": 256,
        "layers": 4,
        "sides": 4,
    }.items():
        parser.add_argument(f"--{name}", type=int, default=usual)
    parser.add_argument("--family", nargs="*", choices=KNOWN)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print("| family | tokens of a prompt | plain | shared | times | furthest apart |")
    print("|---|--:|--:|--:|--:|--:|")
    for name in asked.family or KNOWN:
        with tempfile.TemporaryDirectory() as place:
            folder = make(name, Path(place) / name, Size(asked.width, asked.sides, asked.layers))
            engine: Any = open_local(folder, batch_size=BATCH)
            images = {
                f"{n}": Image.effect_noise((SIDE, SIDE), 60 + n).convert("RGB")
                for n in range(asked.pictures)
            }
            queries = [
                Query(
                    f"{key} {n}", (_ask(key, f"what is there, number {n} from the left?"),), OPTIONS
                )
                for key in images
                for n in range(asked.questions)
            ]
            ways = {
                "plain": partial(score_plainly, engine, queries, images),
                "shared": partial(score_shared, engine, queries, images),
            }
            best: dict[str, float] = {}
            totals: dict[str, list[float]] = {}
            for turn in range(asked.turns + 1):
                for way, score in ways.items():
                    seconds, totals[way] = measure(score)
                    if turn:
                        best[way] = min(seconds, best.get(way, seconds))
            pairs = zip(totals["plain"], totals["shared"], strict=True)
            apart = max(abs(one - other) for one, other in pairs)
            length = engine._inputs([engine._prompt(queries[0])], queries[:1], images)
            print(
                f"| {name} | {length['input_ids'].shape[1]} | {best['plain']:.2f} s "
                f"| {best['shared']:.2f} s | {best['plain'] / best['shared']:.1f} | {apart:.0e} |"
            )


def _ask(key: str, text: str) -> dict[str, Any]:
    return {
        "role": "user",
        "content": [{"type": "image", "key": key}, {"type": "text", "text": text}],
    }


if __name__ == "__main__":
    main()
