"""Options scored by going on from shared beginnings, beside a plain forward for each option.

    python bench/evaluate_families.py [--pictures 4] [--questions 4] [--turns 3] [--width 256]

For each family of models that see, one of random weights, as the tests make it but wider: some
questions with four options about each of some pictures. The plain way processes prompt and picture
for each option and reads all of it, several options at once, padded; it is what the engine did
before it went on from what prompts share. Both take turns in one process, in fp32, on one thread,
after a turn that is not counted; of several turns the quickest counts. Scores must be the same.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoConfig, AutoModelForImageTextToText

from ikusi.answer.engine import Query
from ikusi.answer.engines.general import General
from ikusi.answer.engines.here import open_local

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from model import seeing

OPTIONS = ("a red house", "two dogs and a cat", "yes", "a boat on the left")
SIDE = 480  # of a picture, in pixels
GEMMA = 64
"""Side of a picture as Gemma 3's encoder sees it, in pixels: 256 patches, and as many tokens."""

BATCH = 8


def widen(folder: Path, width: int, layers: int) -> None:
    """Write the model anew with a wider LLM of more layers."""
    config: Any = AutoConfig.from_pretrained(folder)
    text, own = config.get_text_config(), config.get_text_config().hidden_size
    text.hidden_size, text.intermediate_size = width, 3 * width
    text.num_hidden_layers = layers
    if getattr(text, "head_dim", None):
        text.head_dim = width // text.num_attention_heads
    if kinds := getattr(text, "layer_types", None):
        text.layer_types = [kinds[n % len(kinds)] for n in range(layers)]
    rope = getattr(text, "rope_parameters", None) or {}
    if "mrope_section" in rope:
        rope["mrope_section"] = [one * width // own for one in rope["mrope_section"]]
    for name in ("out_hidden_size", *(["hidden_size"] if config.model_type == "qwen2_vl" else [])):
        if hasattr(config.vision_config, name):
            setattr(config.vision_config, name, width)
    if config.model_type == "gemma3":
        config.vision_config.image_size, config.mm_tokens_per_image = GEMMA, (GEMMA // 4) ** 2
    torch.manual_seed(0)
    made: Any = AutoModelForImageTextToText.from_config(config)
    if hasattr(made.model, "multi_modal_projector"):
        torch.nn.init.normal_(made.model.multi_modal_projector.mm_input_projection_weight, std=0.1)
    made.generation_config.eos_token_id = config.get_text_config().eos_token_id
    made.save_pretrained(folder)


def show_more(folder: Path) -> None:
    """Let the processor leave pictures larger, so that each is some hundred tokens."""
    path = folder / "preprocessor_config.json"
    written = path.read_text(encoding="utf-8")
    written = written.replace('"longest_edge": 1024', '"longest_edge": 16384')
    written = written.replace('"longest_edge": 32', '"longest_edge": 96')
    path.write_text(written.replace(": 16", f": {GEMMA}"), encoding="utf-8")
    path = folder / "processor_config.json"
    written = path.read_text(encoding="utf-8")
    more = f'"image_seq_length": {(GEMMA // 4) ** 2}'
    path.write_text(written.replace('"image_seq_length": 4', more), encoding="utf-8")


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
    }.items():
        parser.add_argument(f"--{name}", type=int, default=usual)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print("| family | tokens of a prompt | plain | shared | times | furthest apart |")
    print("|---|--:|--:|--:|--:|--:|")
    for name, make in seeing.FAMILIES.items():
        with tempfile.TemporaryDirectory() as place:
            folder = make(Path(place) / name)
            widen(folder, asked.width, asked.layers)
            show_more(folder)
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
