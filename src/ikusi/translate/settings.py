"""A translation as data: languages, engine, prompt, checks and their thresholds."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from ikusi import language, packaged, yamlfile
from ikusi.recipe.values import Positive, Seed, Text
from ikusi.yamlfile import Section

Action = Literal["refuse", "flag", "off"]


def _rising(values: list[float]) -> list[float]:
    if len(values) != 2 or not 0 < values[0] < values[1]:
        raise PydanticCustomError(
            "expected", "{expected}", {"expected": "a smaller and a larger number above 0"}
        )
    return values


class CTranslate2(Section):
    """A sentence-level translation model, run by CTranslate2."""

    kind: Literal["ctranslate2"] = Field(description="Runs the model with CTranslate2.")
    model: Text = Field(description="Model folder or hub id; converted on first use, then kept.")
    revision: str | None = Field(default=None, description="Revision of the model on the hub.")
    compute_type: Literal["default", "float32", "float16", "bfloat16", "int8", "int8_float16"] = (
        Field(default="default", description="Number format; int8 is fastest on processors.")
    )
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="Where it runs.")
    beam_size: int | None = Field(
        default=None, ge=1, description="Beam width; none for the model's own. 1 is fastest."
    )
    source_prefix: list[str] = Field(
        default=[], description="Tokens before every source, such as `>>eus<<`."
    )
    target_prefix: list[str] = Field(
        default=[], description="Tokens that every target begins with: `eus_Latn`."
    )
    batch_tokens: int = Field(default=2048, ge=16, description="Tokens in one batch.")


class Transformers(Section):
    """The same models run by transformers: slower; what CTranslate2 is held against."""

    kind: Literal["transformers"] = Field(description="Runs the model with transformers.")
    model: Text = Field(description="Model folder or hub id.")
    revision: str | None = Field(default=None, description="Revision of the model on the hub.")
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="Where it runs.")
    beam_size: int | None = Field(
        default=None, ge=1, description="Beam width; none for the model's own."
    )
    source_prefix: list[str] = Field(
        default=[], description="Tokens before every source, such as `>>eus<<`."
    )
    target_prefix: list[str] = Field(
        default=[], description="Tokens that every target begins with: `eus_Latn`."
    )
    batch_size: int = Field(default=32, ge=1, description="Sentences in one batch.")


class Command(Section):
    """Any program that reads sentences, a line each, and writes their translations so."""

    kind: Literal["command"] = Field(description="Runs a command-line translator.")
    command: list[Text] = Field(
        min_length=1, description="The program and its arguments, such as [apertium, -u, en-gl]."
    )
    blank_lines: bool = Field(
        default=True,
        description="Keep a blank line between sentences: Apertium mixes neighbours without.",
    )


class Chat(Section):
    """A large language model behind any OpenAI-compatible server."""

    kind: Literal["chat"] = Field(description="Asks an OpenAI-compatible server.")
    url: Text = Field(description="Base address, such as http://localhost:8000/v1.")
    model: Text = Field(description="The model's name on that server.")
    revision: str | None = Field(
        default=None, description="What the server serves, for the record: a revision, a digest."
    )
    prompt: Text = Field(description="A prompt by name, such as `aokvqa`, or a YAML file.")
    format: Literal["labels", "json"] = Field(
        default="json", description="How the answer is laid out; the paper's is `labels`."
    )
    temperature: float | None = Field(
        default=0.7, ge=0, description="Sampling temperature; none leaves it to the server."
    )
    top_p: float | None = Field(
        default=0.15, gt=0, le=1, description="Nucleus of sampling; none leaves it to the server."
    )
    max_tokens: int = Field(default=2048, ge=1, description="Longest answer, in tokens.")
    seed: Seed = Field(default=0, description="Seed of a row's first try.")
    extra: dict[str, Any] = Field(
        default={}, description="Further fields of every request, as the server has them."
    )
    tries: int = Field(default=3, ge=1, description="Answers asked for before a row is given up.")
    deadline: Positive = Field(default=300.0, description="Seconds that one request may take.")
    concurrency: int = Field(
        default=64, ge=1, description="Most requests at once; fewer are sent when errors come."
    )
    price_read: float = Field(default=0.0, ge=0, description="Price of a million tokens read.")
    price_written: float = Field(
        default=0.0, ge=0, description="Price of a million tokens written."
    )
    tokens_per_second: Positive | None = Field(
        default=None, description="Tokens that the server writes a second, for a dry run."
    )


AnyEngine = Annotated[CTranslate2 | Transformers | Command | Chat, Field(discriminator="kind")]
AnySentenceEngine = Annotated[CTranslate2 | Transformers | Command, Field(discriminator="kind")]


class RoundTrip(Section):
    """Back to the source language by another engine; low chrF marks a row."""

    engine: AnySentenceEngine = Field(description="The engine back.")
    action: Action = Field(default="flag", description="What a low chrF does.")
    chrf: float = Field(default=15.0, ge=0, le=100, description="Least chrF, 0 to 100.")


class Quality(Section):
    """A learned metric, such as COMET, as a program in an environment of its own."""

    command: list[Text] = Field(
        min_length=1,
        description="Program that is given files as {source} and {target}, a text a line, and "
        "prints a line per text that ends in its score.",
    )
    action: Action = Field(default="flag", description="What a low score does.")
    least: float = Field(description="Least score.")


class Checks(Section):
    """What every translated row is checked for, and what a fault does to it.

    `refuse` tries a row again where the engine may answer otherwise, then quarantines it; `flag`
    keeps it and says so; `off` does not look.
    """

    language: Action = Field(default="refuse", description="Another language than the target's.")
    language_words: int = Field(
        default=4,
        ge=1,
        description="Fewest words to tell a language by (two letters of a script without spaces "
        "count as one); below, nothing is said.",
    )
    language_probability: float = Field(
        default=0.5, gt=0, le=1, description="Least probability of other languages to count."
    )
    distractors: list[Text] = Field(
        default=["es", "fr"],
        description="Languages that a translation is likely to slip into, besides the source and "
        "the `distractors` of the target's pack; the others are told too, less readily.",
    )
    copied: Action = Field(
        default="refuse",
        description="The source, left as it was: refused where that is all prose of a row, and "
        "flagged where it is some of its texts, such as a name or words on a sign.",
    )
    broken: Action = Field(
        default="refuse",
        description="What no person writes and the source does not have: control tokens of models "
        "(<|im_end|>, </s>, <unk>), bytes (<0xE2>), lost letters (U+FFFD), NUL and other control "
        "characters.",
    )
    odd: Action = Field(
        default="flag",
        description="What few people write and the source does not have: overrides of the writing "
        "direction, a vocabulary's sign for a space (▁), private characters.",
    )
    length_ratio: Action = Field(default="flag", description="Far shorter or longer than usual.")
    length_bounds: Annotated[list[float], AfterValidator(_rising)] = Field(
        default=[0.4, 2.5], description="Least and largest ratio of characters."
    )
    repetition: Action = Field(default="refuse", description="Words said over and over.")
    preserved: Action = Field(
        default="flag", description="Numbers, URLs, code and <image> that got lost or came."
    )
    names: Action = Field(
        default="off",
        description="Names that left no trace: no word begins with their first three letters. Also "
        "finds months and languages, which English writes like names.",
    )
    options: Action = Field(
        default="refuse", description="Options that are no longer as many, or no longer differ."
    )
    yes_no: Action = Field(default="refuse", description="Yes and no, other than the pack's words.")
    round_trip: RoundTrip | None = Field(
        default=None, description="Back to the source by another engine; none for no round trip."
    )
    quality: Quality | None = Field(
        default=None, description="A learned metric such as COMET; none for no such metric."
    )


class Translation(Section):
    """How a corpus is translated."""

    name: Text = Field(description="Name of the translation.")
    language: Text = Field(description="Language to translate into: the code of a language pack.")
    source_language: Text = Field(
        default="en", description="Language of the rows: the code of a language pack."
    )
    engine: AnyEngine = Field(description="What translates.")
    checks: Checks = Field(default=Checks(), description="What is checked in every row.")
    shard_rows: int = Field(
        default=4096, ge=1, description="Rows in a shard: what one worker finishes at a time."
    )

    @model_validator(mode="after")
    def _languages_differ(self) -> "Translation":
        if self.language == self.source_language:
            raise PydanticCustomError(
                "expected",
                "{expected}",
                {
                    "expected": "a language other than source_language",
                    "key": ("language",),
                    "found": self.language,
                },
            )
        return self


def load(path: Path | str, overrides: Sequence[str] = ()) -> Translation:
    """Read and check a translation's YAML; `extends` and overrides are as in `recipe.load`.

    Raises:
        InputError: the first mistake, in one line that names file, line and key.
    """
    document = yamlfile.overlay(
        yamlfile.read(Path(path), packaged.recipe_folders()), overrides, _known()
    )
    found = yamlfile.validate(Translation, document, _known())
    for key in ("language", "source_language"):
        code, codes = getattr(found, key), language.available()
        if code not in codes:
            expected = f"a language with a pack ({', '.join(codes)})"
            raise document.error((key,), expected, code, yamlfile.nearest(code, codes))
    return found


@cache
def _known() -> frozenset[str]:
    return frozenset(yamlfile.field_names(Translation))
