"""Cost of an evaluation beside its model's: seconds for 15,000 questions, memory by their number.

    python bench/evaluate_overhead.py [--rows 2500 25000]

The paper's three close-ended benchmarks, about the same pictures, in two languages. Pictures are
small, and the model's place is taken by one that answers at once with numbers drawn from a seed:
what is timed, imports apart, is reading corpora, wording and tokenising prompts and options,
metrics, rows on disk, intervals and baselines. Every size runs in a process of its own, for its
peak of memory.
"""

import argparse
import io
import json
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas  # noqa: F401  # which pyarrow would import at its first array
from PIL import Image
from transformers import AutoTokenizer

from ikusi import artifact, language
from ikusi.answer.engine import OptionScore, Query, Reply, fingerprint
from ikusi.data.corpus import CorpusWriter
from ikusi.evaluate import benchmark, corpora, run
from ikusi.miniature.bases import shipped
from ikusi.model.forms import Forms
from ikusi.model.tokens import with_image_parts

NAMES = ("vqav2", "aokvqa", "pixmo_capqa")
LANGUAGES = ("en", "eu")
PACKS = {code: language.load(code) for code in LANGUAGES}
THINGS = {
    "en": [
        "dog",
        "cat",
        "horse",
        "car",
        "house",
        "tree",
        "boat",
        "bird",
        "table",
        "chair",
        "red",
        "blue",
        "two",
        "three",
    ],
    "eu": [
        "txakurra",
        "katua",
        "zaldia",
        "autoa",
        "etxea",
        "zuhaitza",
        "itsasontzia",
        "txoria",
        "mahaia",
        "aulkia",
        "gorria",
        "urdina",
        "bi",
        "hiru",
    ],
}
VOCABULARY = [*THINGS["en"], *THINGS["eu"]]
YES_NO = {code: [pack.yes, pack.no] for code, pack in PACKS.items()}
WORDING = {"en": "what is there near the {} on the left?", "eu": "zer dago ezkerreko {} ondoan?"}


class Instant:
    """An engine that takes no time but for its prompts: it answers by lot."""

    name = "instant"
    sees = scores_options = True
    batch_size = 64

    def __init__(self) -> None:
        words = AutoTokenizer.from_pretrained(shipped.find_model("miniature/llama-en"))
        words.chat_template = with_image_parts(words.chat_template, "<|image|>")
        self._forms = Forms(words, 576, words.convert_tokens_to_ids("<|image|>"))
        self._lot = random.Random(0)

    def identity(self) -> Any:
        """Nothing that changes."""
        return "instant"

    def prepare(self, pictures: Mapping[str, Image.Image]) -> Mapping[str, Image.Image]:
        """Pictures as they are."""
        return pictures

    def answer(self, queries: Sequence[Query], pictures: Mapping[str, Any]) -> list[Reply]:
        """Tokenise all prompts and options, then draw scores and words."""
        messages, rows = [q.messages for q in queries], [q.where for q in queries]
        prompts = self._forms.prompts(messages, rows)
        encoded = self._forms.continuations(messages, [q.options for q in queries], rows)
        replies = []
        for (ids, _), options in zip(prompts, encoded, strict=True):
            scores = tuple(self._score(len(option)) for option in options)
            text = "" if options else " ".join(self._lot.choices(VOCABULARY, k=8))
            replies.append(Reply(fingerprint(ids), scores, text))
        return replies

    def _score(self, tokens: int) -> OptionScore:
        total = -self._lot.random() * tokens
        return OptionScore(total, total, total / tokens, total / tokens)

    def close(self) -> None:
        """Nothing is held."""


def write(folder: Path, name: str, rows: int) -> None:
    """Write a parallel corpus of so many rows, each about a picture of its own."""
    lot, colours = random.Random(name), random.Random(0)
    with CorpusWriter(folder, benchmark.load(name).row_type, LANGUAGES) as writer:
        for number in range(rows):
            image_id = f"{name}-{number}"
            writer.add_image(image_id, picture(colours), "PNG", 16, 16, "made")
            things = range(len(THINGS["en"]))
            drawn = [*lot.sample(things, 4), *lot.choices(things, k=6)]  # four differ: options
            texts = {code: row(name, code, drawn, number) for code in LANGUAGES}
            writer.add_row(f"{name}-{number}", image_id, texts)


def picture(lot: random.Random) -> bytes:
    """A small picture of one colour."""
    file = io.BytesIO()
    Image.new("RGB", (16, 16), tuple(lot.randrange(256) for _ in range(3))).save(file, "PNG")
    return file.getvalue()


def row(name: str, code: str, drawn: Sequence[int], number: int) -> dict[str, Any]:
    """A row in the manner of a benchmark."""
    words = THINGS[code]
    question = WORDING[code].format(words[drawn[0]]) + f" ({number})"
    if name == "vqav2":
        return {"question": question, "answers": [words[d] for d in drawn]}
    choices = YES_NO[code] if name == "pixmo_capqa" else [words[d] for d in drawn[:4]]
    return {"question": question, "choices": choices, "answer": drawn[5] % len(choices)}


def measure(place: Path) -> dict[str, float]:
    """Evaluate the benchmarks in a folder once."""
    engine = Instant()
    artifact._forget_peak_memory()
    began = time.perf_counter()
    pairs = corpora.find([benchmark.load(name) for name in NAMES], LANGUAGES, place)
    run.evaluate(engine, pairs, LANGUAGES, PACKS, place / "measured")
    return {"seconds": time.perf_counter() - began, "MiB": artifact.measure_peak_memory() or 0.0}


def measured_apart(rows: int) -> dict[str, float]:
    """Write ``rows`` of each benchmark, and evaluate them in a process that has done nothing."""
    with tempfile.TemporaryDirectory() as place:
        for name in NAMES:
            write(Path(place) / name, name, rows)
        command = [sys.executable, __file__, "--child", place]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    figures: dict[str, float] = json.loads(output.splitlines()[-1])
    return figures


def main() -> None:
    """Measure every size and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[2500, 25000])
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(json.dumps(measure(given.child)))
        return
    print("| questions | seconds | questions/s | peak memory, MiB |\n|--:|--:|--:|--:|")
    for rows in given.rows:
        figures, count = measured_apart(rows), rows * len(NAMES) * len(LANGUAGES)
        seconds = figures["seconds"]
        print(f"| {count:,} | {seconds:.1f} | {count / seconds:,.0f} | {figures['MiB']:,.0f} |")
    print(f"\n{platform.processor() or platform.machine()}, {artifact.list_versions()}")


if __name__ == "__main__":
    main()
