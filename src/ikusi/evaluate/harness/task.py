"""The code behind the functions of a task file: the same that our own evaluation runs.

A model's answer comes in as many forms as there are releases. ``read_losses`` reads them
all, and raises where it cannot, because an answer that was not read must not become a score.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from ikusi import language
from ikusi.answer.engine import pick
from ikusi.data.corpus import Corpus
from ikusi.evaluate.ask import Asker
from ikusi.evaluate.benchmark import Benchmark
from ikusi.evaluate.metrics import score_text
from ikusi.evaluate.verdict import make_normaliser

_AS_TEXT = re.compile(r"\(\s*([-+.\deE]+|-?inf)\s*,\s*(True|False)\s*\)")


class Task:
    """One of our benchmarks in one language, as the functions of a task file.

    Args:
        definition: the benchmark, as its file says.
        code: of the language.
        corpus: folder with its rows.
    """

    def __init__(self, definition: Mapping[str, Any], code: str, corpus: str) -> None:
        self.benchmark = Benchmark.model_validate(definition)
        self.type = self.benchmark.type
        self.pack = language.load(code)
        self.corpus = Corpus.open(Path(corpus))
        self.normaliser = make_normaliser(self.benchmark, self.pack)

    def doc_to_text(self, doc: Mapping[str, Any]) -> str:
        """The prompt of a row, without its few-shots."""
        return self.benchmark.prompt(self.pack, self.type.question(doc), self.type.options(doc))

    def doc_to_visual(self, doc: Mapping[str, Any]) -> list[Image.Image]:
        """The row's picture, from the corpus: a task file copies none."""
        return [self.corpus.image(doc["image_id"])] if doc["image_id"] is not None else []

    def doc_to_choice(self, doc: Mapping[str, Any]) -> list[str]:
        """The texts that are scored as answers, one for each option."""
        return list(self.benchmark.list_options(self.type.options(doc)))

    def doc_to_target(self, doc: Mapping[str, Any]) -> int | str:
        """The number of the right option, or the answer that most people gave."""
        if self.benchmark.scorer == "options":
            return self.type.right(doc)
        answers = self.type.answers(doc) or [""]
        return max(answers, key=answers.count)

    def few_shots(self, docs: Any) -> Any:
        """The rows that few-shots are taken from, and the one that stands in for one asked."""
        places = {row: place for place, row in enumerate(self.corpus.ids)}
        asker = Asker(self.benchmark, self.corpus, self.pack)
        return docs.select([places[row] for row in asker.shot_ids()])

    def lmms_choices(self, doc: Mapping[str, Any], results: Sequence[Any]) -> dict[str, Any]:
        """The verdict of lmms-eval's multiple choice, whose models give losses: lowest wins."""
        return self._judge_choice(doc, [-loss for loss in read_losses(results)])

    def lm_choices(self, doc: Mapping[str, Any], results: Sequence[Any]) -> dict[str, Any]:
        """The verdict of lm-evaluation-harness, whose models give log-likelihoods: highest wins."""
        return {"accuracy": self._judge_choice(doc, read_losses(results))["accuracy"]}

    def _judge_choice(self, doc: Mapping[str, Any], scores: Sequence[float]) -> dict[str, Any]:
        count = len(self.type.options(doc))
        if len(scores) != count:
            raise ValueError(f"row {doc['id']}: expected {count} scores, found {len(scores)}")
        chosen, tied = pick(scores)
        right = float(chosen == self.type.right(doc))
        outcome = {"pick": chosen, "tied": tied, "scores": list(scores)}
        return {"accuracy": right, "ikusi": {"id": doc["id"], **outcome}}

    def text_results(self, doc: Mapping[str, Any], results: Sequence[Any]) -> dict[str, Any]:
        """The verdict on a generated answer, under every metric.

        Raises:
            ValueError: the answer is no text.
        """
        answer = results[0][0] if isinstance(results[0], list) else results[0]
        if not isinstance(answer, str):
            raise ValueError(f"row {doc['id']}: expected an answer, found {answer!r}")
        metrics = score_text(answer, self.type.answers(doc), self.normaliser)
        return {**metrics, "ikusi": {"id": doc["id"], "said": answer}}


def read_losses(results: Sequence[Any]) -> list[float]:
    """Read the numbers that models gave for options, in whatever form they come.

    lm-evaluation-harness and lmms-eval up to 0.6 give pairs of number and whether it is greedy;
    lmms-eval from 0.7 on turns these into text.

    Raises:
        ValueError: one cannot be read.

    >>> read_losses([(1.5, True), "(7.37, False)", 2.0])
    [1.5, 7.37, 2.0]
    """
    return [_loss(result) for result in results]


def _loss(result: Any) -> float:
    while isinstance(result, list) and len(result) == 1:
        result = result[0]
    if isinstance(result, tuple | list) and len(result) == 2:
        result = result[0]
    if isinstance(result, str) and (match := _AS_TEXT.fullmatch(result.strip())):
        return float(match[1])
    if isinstance(result, int | float) and not isinstance(result, bool):
        return float(result)
    raise ValueError(f"expected a number, alone or with whether it is greedy; found {result!r}")
