"""Benchmarks as data: a corpus, how an answer is obtained, how it is scored.

A benchmark is one YAML file in ``benchmarks/``, named by its path there: a new one is a new file
and no code.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from ikusi import recipe, yamlfile
from ikusi.data import rows as row_types
from ikusi.data.rows.shape import Gold
from ikusi.evaluate import metrics
from ikusi.language import LanguagePack
from ikusi.recipe.values import Corpus, check_path_of_names

if TYPE_CHECKING:
    from ikusi.data.rows.base import Asked

_FIELD = re.compile(r"\{(\w+)\}")

if TYPE_CHECKING:
    Metric = str
else:
    Metric = Literal[("accuracy", *metrics.list_families(), "none")]
Target = Literal["text", "letter"]
Normalisation = Literal["sum", "without_end", "per_token", "per_byte"]

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Benchmark(BaseModel):
    """One benchmark, as data."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    name: Annotated[str, AfterValidator(check_path_of_names)] = Field(
        description="Its path among the benchmarks, without .yaml."
    )
    title: str = Field(min_length=1, description="Its name in tables and figures.")
    mirrors: str = Field(description="The published benchmark it stands for, and where from.")
    corpus: Corpus = Field(
        description="Name of the corpus folder with its rows, or `hub:ORG/NAME@REVISION`."
    )
    row_type: row_types.AskedName = Field(
        description="Type of the corpus: vqa has gold answers, choice has options, open neither."
    )
    scorer: Literal["options", "generate"] = Field(
        description="options: the option with the highest log-probability; generate: free text."
    )
    metric: Metric = Field(
        description="The primary metric, the one figures show; none: answers are only kept."
    )
    target: Target = Field(
        default="text", description="What is scored of an option: its text, or its letter."
    )
    normalisation: Normalisation = Field(
        default="sum",
        description="Which log-probability decides: the sum with the end of the turn, without it, "
        "or the first over its tokens or bytes. All are kept.",
    )
    unit: Literal["token_span", "token_prefix", "stem", "substring"] = Field(
        default="token_span", description="What it means that a text contains a gold answer."
    )
    aggregate: Literal["any", "soft"] = Field(
        default="any", description="Whether one gold answer is enough, or annotators are counted."
    )
    normaliser: str | None = Field(
        default=None,
        description="Code of the language whose pack compares answers; default: the row's own.",
    )
    max_new_tokens: int = Field(
        default=0, ge=0, description="Length limit of a generated answer; 0 where none is."
    )
    prompts: dict[str, str] = Field(
        default_factory=dict,
        description="Language -> the text put to the model, with {question}, and {options} where "
        "they are shown; {label_question} and {label_answer} are the pack's words. `any` stands "
        "for all other languages; default: the question alone.",
    )
    option_line: str = Field(
        default="{letter}. {text}", description="How an option is shown in {options}, a line each."
    )
    few_shots: int = Field(
        default=0,
        ge=0,
        description="Rows of the corpus, with their answers, that come before each question.",
    )
    format: Literal["chat", "completion"] = Field(
        default="chat",
        description="chat: by the model's chat template, few-shots as turns; completion: plain "
        "text that the answer goes on from, as for an LLM that knows no chat.",
    )
    chance: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Score of a blind guess; default: one in as many options, else 0.",
    )
    text_only: bool = Field(description="Whether it needs no picture, so a backbone can take it.")
    description: str = Field(description="What is asked and how it is scored, in a few lines.")

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        options, gold = self.scorer == "options", self.type.gold
        if options != (gold is Gold.OPTION):
            raise _mismatch("scorer", "options for choice rows, generate for others", self.scorer)
        if options != (self.metric == "accuracy"):
            raise _mismatch("metric", "accuracy for options, another for generate", self.metric)
        if (gold is Gold.NOTHING) != (self.metric == "none"):
            raise _mismatch("metric", "none for open rows, another for vqa rows", self.metric)
        if options == bool(self.max_new_tokens):
            expected = "none for options, more than 0 for generate"
            raise _mismatch("max_new_tokens", expected, str(self.max_new_tokens))
        if self.few_shots and gold is Gold.NOTHING:
            raise _mismatch("few_shots", "0, as open rows have no answers", str(self.few_shots))
        return self

    @model_validator(mode="after")
    def _prompts_are_whole(self) -> Self:
        for language, prompt in self.prompts.items():
            if "{question}" not in prompt:
                raise _mismatch(f"prompts.{language}", "text with {question}", prompt)
            if self.target == "letter" and "{options}" not in prompt:
                raise _mismatch(f"prompts.{language}", "text with {options}", prompt)
        if self.target == "letter" and "any" not in self.prompts:
            raise _mismatch("prompts", "one for `any`, with {options}", ", ".join(self.prompts))
        return self

    @property
    def type(self) -> "Asked":
        """The type of the corpus: what is asked of its rows, and what is right."""
        return row_types.load_asked(self.row_type)

    @property
    def primary(self) -> str:
        """Name of the primary metric among a row's metrics, its unit and aggregate included."""
        if self.metric == "inclusion":
            return f"inclusion_{self.aggregate}_{self.unit}"
        if self.metric == "accuracy" and self.normalisation != "sum":
            return f"accuracy_{self.normalisation}"
        return self.metric

    def prompt(self, pack: LanguagePack, question: str, choices: Sequence[str] = ()) -> str:
        """Return what is put to the model for one row."""
        template = self.prompts.get(pack.code, self.prompts.get("any", "{question}"))
        lines = (
            self.option_line.replace("{letter}", letter).replace("{text}", text)
            for letter, text in zip(LETTERS, choices, strict=False)
        )
        values = {
            "question": question,
            "options": "\n".join(lines),
            "label_question": pack.labels.get("question", ""),
            "label_answer": pack.labels.get("answer", ""),
        }
        return _FIELD.sub(lambda match: values.get(match[1], match[0]), template)

    def list_options(self, choices: Sequence[str]) -> tuple[str, ...]:
        """Return what is scored as the answer for each option."""
        return tuple(LETTERS[: len(choices)]) if self.target == "letter" else tuple(choices)


def _mismatch(key: str, expected: str, actual: str) -> PydanticCustomError:
    context = {"expected": expected, "found": actual, "key": tuple(key.split("."))}
    return PydanticCustomError("expected", "{expected}", context)


def list_benchmarks() -> list[str]:
    """Return the names of all benchmarks: the packaged ones and those in ./benchmarks."""
    return recipe.BENCHMARKS.names()


def load(name: str) -> Benchmark:
    """Read a benchmark by name, such as ``vqav2`` or ``miniature/vqa``, or by its file's path.

    Raises:
        InputError: there is none of that name, or its file is wrong.
    """
    path = recipe.BENCHMARKS.find(name)
    document = _document(path)
    if path != Path(name):
        document.expect("name", name)  # results are found by it
    return _validate(document)


def read(path: Path) -> Benchmark:
    """Read a benchmark from a YAML file; mistakes are reported with file, line and key."""
    return _validate(_document(path))


def read_content(benchmark: Benchmark) -> dict[str, Any]:
    """Content of a benchmark's file and of those it extends, as plain values, for fingerprints."""
    return benchmark.model_dump(mode="json", exclude_unset=True)


def _document(path: Path) -> yamlfile.Document:
    """A benchmark's file with what it extends: a file beside it, or any other benchmark's."""
    return yamlfile.read(path, recipe.BENCHMARKS.folders)


def _validate(document: yamlfile.Document) -> Benchmark:
    return yamlfile.validate(Benchmark, document, yamlfile.list_field_names(Benchmark))
