"""Benchmarks as data: a corpus, how an answer is obtained, how it is scored.

A benchmark is one YAML file in ``benchmarks/``, named by its path there: a new one is a new file
and no code.
"""

from functools import cache
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from ikusi import yamlfile
from ikusi.errors import InputError

PACKAGED = Path(__file__).parent / "benchmarks"

Metric = Literal["accuracy", "inclusion", "vqa_accuracy", "coverage"]


class Benchmark(BaseModel):
    """One benchmark, as data."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str = Field(min_length=1, description="Its path among the benchmarks, without .yaml.")
    title: str = Field(min_length=1, description="Its name in tables and figures.")
    mirrors: str = Field(description="The published benchmark it stands for, and where from.")
    corpus: str = Field(min_length=1, description="Name of the corpus folder with its rows.")
    row_type: Literal["vqa", "choice"] = Field(
        description="Type of the corpus: vqa has gold answers, choice has options."
    )
    scorer: Literal["options", "generate"] = Field(
        description="options: the option with the highest log-probability; generate: free text."
    )
    metric: Metric = Field(description="The primary metric, the one figures show.")
    unit: Literal["token_span", "token_prefix", "substring"] = Field(
        default="token_span", description="What it means that a text contains a gold answer."
    )
    aggregate: Literal["any", "soft"] = Field(
        default="any", description="Whether one gold answer is enough, or annotators are counted."
    )
    max_new_tokens: int = Field(
        default=0, ge=0, description="Length limit of a generated answer; 0 where none is."
    )
    prompts: dict[str, str] = Field(
        default_factory=dict,
        description="Language -> the text put to the model, with {question}; default: that alone.",
    )
    text_only: bool = Field(description="Whether it needs no picture, so a backbone can take it.")
    description: str = Field(description="What is asked and how it is scored, in a few lines.")

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        options = self.scorer == "options"
        if options != (self.row_type == "choice"):
            raise _mismatch("scorer", "options for choice rows, generate for vqa rows", self.scorer)
        if options != (self.metric == "accuracy"):
            raise _mismatch("metric", "accuracy for options, another for generate", self.metric)
        if options == bool(self.max_new_tokens):
            expected = "none for options, more than 0 for generate"
            raise _mismatch("max_new_tokens", expected, str(self.max_new_tokens))
        for language, prompt in self.prompts.items():
            if "{question}" not in prompt:
                raise _mismatch(f"prompts.{language}", "text with {question}", prompt)
        return self

    def prompt(self, language: str, question: str) -> str:
        """Return what is put to the model for one row's question."""
        return self.prompts.get(language, "{question}").replace("{question}", question)


def _mismatch(key: str, expected: str, found: str) -> PydanticCustomError:
    context = {"expected": expected, "found": found, "key": tuple(key.split("."))}
    return PydanticCustomError("expected", "{expected}", context)


def available() -> list[str]:
    """Return the names of all benchmarks, sorted."""
    files = PACKAGED.rglob("*.yaml")
    return sorted(file.relative_to(PACKAGED).with_suffix("").as_posix() for file in files)


@cache
def load(name: str) -> Benchmark:
    """Read a benchmark by name, such as ``miniature/vqa``.

    Raises:
        InputError: there is none of that name, or its file is wrong.
    """
    if name not in available():
        near = yamlfile.nearest(name, available())
        hint = f" (did you mean {near}?)" if near else ""
        raise InputError(
            f"{name}: expected a benchmark ({', '.join(available())}), found none{hint}"
        )
    return read(PACKAGED / f"{name}.yaml")


def read(path: Path) -> Benchmark:
    """Read a benchmark from a YAML file; mistakes are told with file, line and key."""
    return yamlfile.validate(Benchmark, yamlfile.read(path), yamlfile.field_names(Benchmark))
