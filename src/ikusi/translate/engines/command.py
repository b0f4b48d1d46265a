"""Any command-line translator."""

from typing import ClassVar, Literal

from pydantic import Field

from ikusi.recipe.values import Text
from ikusi.translate.engines.base import OfSentences


class Command(OfSentences):
    """Any program that reads sentences, a line each, and writes their translations so."""

    implementation: ClassVar = "ikusi.translate.command:CommandEngine"

    kind: Literal["command"] = Field(description="Runs a command-line translator.")
    command: list[Text] = Field(
        min_length=1, description="The program and its arguments, such as [apertium, -u, en-gl]."
    )
    blank_lines: bool = Field(
        default=True,
        description="Keep a blank line between sentences: Apertium mixes neighbours without.",
    )


ENGINES = [Command]
