"""Studies that never ran: folders as a study leaves them, with scores chosen by the test.

Everything is written by the writers that a real study uses.
"""

import io
import json
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageDraw

from ikusi import artifact, language, recipe
from ikusi.data.corpus import CorpusWriter
from ikusi.evaluate import benchmark, results
from ikusi.evaluate.benchmark import Benchmark
from ikusi.evaluate.metrics import Normaliser, score_text
from ikusi.evaluate.rows import SCHEMA
from ikusi.recipe import Merged, Recipe, Run

RECIPES = Path(__file__).parents[2] / "recipes"
UNSEEN = ("drawing", "style", "concept")
CHOICES = ("cat", "dog", "bird", "boat")
THINGS = ("cat", "dog", "bird", "boat", "tree")

TEXT_GROUPS = {"bertaqa": ("local", "global")}

Skill = Callable[[Run | None, str, str], float]
"""Share of right answers by run (None: a bare backbone), benchmark and language code."""

Strength = Callable[[Merged, str, str], float]
"""The same of a merged model."""

Took = Callable[[str], tuple[int, float]]
"""Rows in the target language and floating-point operations, by a step of training."""


def even(run: Run | None, bench: str, code: str) -> float:
    """Everyone gets four in five right, everywhere."""
    return 0.8


class Folder:
    """A study's folder in the making."""

    def __init__(
        self, path: Path, overrides: Sequence[str] = (), name: str = "emoji-eu", pictures: int = 80
    ) -> None:
        self.path, self.pictures = path, pictures
        self.faithful: float | None = None  # share of answers in the target language asked in
        changes = ["bootstrap=100", *overrides]
        self.recipe: Recipe = recipe.load(RECIPES / f"{name}.yaml", changes)
        path.mkdir(parents=True, exist_ok=True)
        artifact.write_text(path / "recipe.yaml", recipe.show(self.recipe))
        codes = (self.recipe.language, self.recipe.source_language)
        self.packs = {code: language.load(code) for code in codes}
        self.normalisers = {code: Normaliser(pack) for code, pack in self.packs.items()}

    def measure(
        self,
        skill: Skill,
        only: Sequence[str] | None = None,
        noise: float = 0.0,
        merged: Strength | None = None,
    ) -> None:
        """Write the evaluation of every run (or some) and of the bare backbones.

        ``noise``: share of questions on which each run is lucky or not on its own account.
        ``merged``: how good merged models are; without it they are not measured.
        """
        for made in self.recipe.list_merged() if merged else []:
            self._evaluate(made.name, made, list(self.recipe.benchmarks), merged, noise)
        for run in self.recipe.runs():
            if only is None or run.name in only:
                self._evaluate(run.name, run, list(self.recipe.benchmarks), skill, noise)
        text = [name for name in self.recipe.benchmarks if benchmark.load(name).text_only]
        for backbone in self.recipe.grid.backbones if text and only is None else []:
            self._evaluate(f"{backbone}-backbone", None, text, skill, noise)

    def _evaluate(
        self, name: str, run: Any, benchmarks: list[str], skill: Any, noise: float
    ) -> None:
        tables: list[pa.Table] = []
        found: dict[str, dict[str, Any]] = {}
        for bench in benchmarks:
            found[bench] = {}
            for code in self.packs:
                share = skill(run, bench, code)
                table = self._rows(benchmark.load(bench), code, share, name, noise)
                found[bench][code] = results.summarise(
                    table, benchmark.load(bench), self.normalisers[code], self.recipe.bootstrap, 0
                )
                tables.append(table)
        with self.step(f"evaluate/{name}") as staging:
            pq.write_table(pa.concat_tables(tables), staging / "rows.parquet")
            artifact.write_json(staging / "results.json", found)

    def _rows(self, bench: Benchmark, code: str, share: float, name: str, noise: float) -> pa.Table:
        fate = np.random.default_rng(zlib.crc32(bench.name.encode())).random(self.pictures * 3)
        own = np.random.default_rng(zlib.crc32(f"{name} {bench.name} {code}".encode()))
        luck = own.random(len(fate))
        fate = np.where(own.random(len(fate)) < noise, luck, fate)
        rows = [self._row(bench, code, i, bool(fate[i] < share)) for i in range(len(fate))]
        return pa.Table.from_pylist(rows, SCHEMA)

    def _row(self, bench: Benchmark, code: str, number: int, right: bool) -> dict[str, Any]:
        groups = TEXT_GROUPS.get(bench.name, ("knowledge",)) if bench.text_only else UNSEEN
        group = groups[number % len(groups)]
        row = dict.fromkeys(SCHEMA.names) | {
            "benchmark": bench.name,
            "language": code,
            "position": number,
            "id": f"{group}-{number:05d}",
            "image_id": None if bench.text_only else f"{group}-{number:05d}",
            "group": group,
            "task": "what",
            "question": self._question(code, number),
            "prompt_hash": "0",
        }
        return row | (self._choice if bench.scorer == "options" else self._text)(
            bench, code, number, right
        )

    def _question(self, code: str, number: int) -> str:
        return f"{self.packs[code].name}: what is this <{number}>?"

    def _choice(self, bench: Benchmark, code: str, number: int, right: bool) -> dict[str, Any]:
        answer = number % len(CHOICES)
        pick = answer if right else (answer + 1) % len(CHOICES)
        return {
            "gold": json.dumps({"answer": answer, "choices": CHOICES}),
            "prediction": CHOICES[pick],
            "pick": pick,
            "tied": False,
            "scores": [-1.0] * len(CHOICES),
            "correct": float(right),
            "metrics": json.dumps({"accuracy": float(right)}),
        }

    def _text(self, bench: Benchmark, code: str, number: int, right: bool) -> dict[str, Any]:
        gold = [THINGS[number % len(THINGS)]]
        said = gold[0] if right else "I <do not> know & cannot say"
        metrics = score_text(said, gold, self.normalisers[code])
        own = self.faithful is None or number < self.faithful * self.pictures * 3
        spoken = code if own else self.recipe.source_language
        return {
            "said_language": None if self.faithful is None else spoken,
            "gold": json.dumps(gold),
            "prediction": said,
            "hit_limit": False,
            "correct": metrics[bench.primary],
            "metrics": json.dumps(metrics),
        }

    def step(self, name: str, inputs: dict[str, str] | None = None) -> Any:
        """A step's folder, whole with its manifest when the block ends."""
        return artifact.write_folder(
            self.path / name, fingerprint=artifact.fingerprint(name), inputs=inputs
        )

    def record(self, took: Took) -> None:
        """Write what both stages of every run took, and nothing else of them."""
        aligned = [f"align/{one.name}" for one in self.recipe.alignments()]
        for name in [*aligned, *(f"instruct/{run.name}" for run in self.recipe.runs())]:
            rows, operations = took(name)
            lines = [{"step": i, "loss": 1.0, "operations": operations / 2} for i in (1, 2)]
            with self.step(name) as staging:
                text = "".join(json.dumps(line) + "\n" for line in lines)
                artifact.write_text(staging / "metrics.jsonl", text)
                counts = {"languages": {self.recipe.language: rows}}
                artifact.write_json(staging / "summary.json", {"counts": counts})

    def train(self) -> None:
        """Write metrics and summaries of both stages of every run."""
        rng = np.random.default_rng(0)
        backbones = [(f"align/{name}", 60) for name in self.recipe.grid.backbones]
        for name, steps in [*backbones, *((f"instruct/{r.name}", 120) for r in self.recipe.runs())]:
            losses = 1 + 5 * np.exp(-np.arange(steps) / 15) + rng.normal(0, 0.08, steps)
            lines = [{"step": i + 1, "loss": float(loss)} for i, loss in enumerate(losses)]
            counts = {"rows": steps * 32, "tokens": steps * 2900, "supervised_tokens": steps * 800}
            counts |= {"images": steps * 32, "cut_rows": 0, "cut_tokens": 0}
            spoken = dict.fromkeys(self.packs, steps * 16)
            summary: dict[str, Any] = {"steps": steps, "final_loss": float(losses[-1])}
            with self.step(name) as staging:
                text = "".join(json.dumps(line) + "\n" for line in lines)
                artifact.write_text(staging / "metrics.jsonl", text)
                summary |= {"counts": counts | {"languages": spoken}}
                artifact.write_json(staging / "summary.json", summary)

    def draw(self) -> None:
        """Write the benchmarks' corpora with their pictures, and who made them."""
        with self.step("data") as staging:
            for name in self.recipe.benchmarks:
                bench = benchmark.load(name)
                if not bench.text_only:
                    self._corpus(bench, staging / "benchmarks" / bench.corpus)
            credit = (
                "# Sources\n\n| package | licence |\n|---|---|\n| test <drawings> | CC0-1.0 |\n"
            )
            artifact.write_text(staging / "ATTRIBUTION.md", credit)

    def _corpus(self, bench: Benchmark, folder: Path) -> None:
        with CorpusWriter(folder, bench.row_type, list(self.packs)) as writer:
            for number in range(self.pictures * 3):
                row = f"{UNSEEN[number % 3]}-{number:05d}"
                writer.add_image(row, picture(number), "png", 80, 80, "drawn by a test")
                texts: dict[str, Any] = {}
                if bench.row_type == "choice":
                    texts |= {"choices": list(CHOICES), "answer": number % len(CHOICES)}
                else:
                    texts |= {"answers": [THINGS[number % len(THINGS)]]}
                asked = {
                    code: {"question": self._question(code, number), **texts} for code in self.packs
                }
                writer.add_row(row, row, asked, UNSEEN[number % 3])


def picture(number: int) -> bytes:
    """A coloured shape as PNG bytes."""
    rng = np.random.default_rng(number)
    colours = [tuple(int(value) for value in rng.integers(60, 255, 3)) for _ in range(3)]
    image = Image.new("RGB", (80, 80), colours[0])
    pen = ImageDraw.Draw(image)
    pen.ellipse((10, 14, 52, 58), fill=colours[1])
    pen.rectangle((40, 34, 70, 70), fill=colours[2])
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
