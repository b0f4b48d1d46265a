"""A translation as data: languages, engine, prompt, checks and their thresholds."""

import json
from collections.abc import Sequence
from functools import cache, reduce
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, create_model, model_validator
from pydantic_core import PydanticCustomError

from ikusi import language, packaged, yamlfile
from ikusi.recipe.values import Text
from ikusi.translate import checks as checked
from ikusi.translate import engines
from ikusi.translate.checks.base import Action
from ikusi.yamlfile import Section

if TYPE_CHECKING:
    from ikusi.translate.checks import (
        copied,
        length,
        names,
        options,
        preserved,
        repetition,
        signs,
        yes_no,
    )
    from ikusi.translate.checks import language as speech
    from ikusi.translate.engines.base import Engine, OfSentences

if TYPE_CHECKING:
    AnyEngine = Engine
    AnySentenceEngine = OfSentences
else:
    AnyEngine = Annotated[reduce(or_, engines.list_engines()), Field(discriminator="kind")]
    AnySentenceEngine = Annotated[
        reduce(or_, engines.list_sentence_engines()), Field(discriminator="kind")
    ]


class RoundTrip(Section):
    """Back to the source language by another engine; low chrF marks a row."""

    engine: AnySentenceEngine = Field(description="The engine that translates back.")
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


class Scored(Section):
    """Settings of the scorers that judge many rows at once, beside the checks of each."""

    round_trip: RoundTrip | None = Field(
        default=None, description="Back to the source by another engine; none for no round trip."
    )
    quality: Quality | None = Field(
        default=None, description="A learned metric such as COMET; none for no such metric."
    )


if TYPE_CHECKING:

    class Checks(
        speech.Keys,
        copied.Keys,
        signs.Broken,
        signs.Odd,
        length.Keys,
        repetition.Keys,
        preserved.Keys,
        names.Keys,
        options.Keys,
        yes_no.Keys,
        Scored,
    ):
        """The checks that come with Ikusi; one's own are not known to a type checker."""

else:
    Checks = create_model("Checks", __base__=(Scored, *checked.list_settings()))
    Checks.__doc__ = """What every translated row is checked for, and what a fault does to it.

    `refuse` tries a row again where the engine may answer otherwise, then quarantines it; `flag`
    keeps it and says so; `off` does not look.
    """


class Translation(Section):
    """Settings of the translation of a corpus."""

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

    def describe_speed(self) -> str:
        """All that its speed depends on, but for the machine, as text (`ikusi.speeds`)."""
        engine = self.engine.model_dump(mode="json")
        keys = ("kind", "command", "model", "compute_type", "beam_size", "device", "concurrency")
        values = {key: engine[key] for key in keys if key in engine}
        return json.dumps(values | {"back": self.checks.round_trip is not None}, sort_keys=True)

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
        yamlfile.read(Path(path), packaged.list_recipe_folders()), overrides, _list_known()
    )
    translation = yamlfile.validate(Translation, document, _list_known())
    for key in ("language", "source_language"):
        code, codes = getattr(translation, key), language.list_packs()
        if code not in codes:
            expected = f"a language with a pack ({', '.join(codes)})"
            raise document.error((key,), expected, code, yamlfile.suggest(code, codes))
    return translation


@cache
def _list_known() -> frozenset[str]:
    return frozenset(yamlfile.list_field_names(Translation))
