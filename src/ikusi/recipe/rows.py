"""The parts of a recipe that say which rows are made, and which are added to those of pictures."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from ikusi.recipe.values import Corpus, Seed, Share, make_error
from ikusi.yamlfile import Section


def _stamps(value: object) -> object:
    if isinstance(value, bool) or (isinstance(value, str) and value):
        return value
    raise make_error("true, false, or a folder or package of stamps")


class Miniature(Section):
    """Settings of the miniature's data: how much is made."""

    concepts: int = Field(ge=8, description="Emoji concepts that are drawn and named.")
    train_scenes: int = Field(ge=1, description="Scenes with questions, for instruction tuning.")
    checked: Share = Field(
        default=0.0,
        exclude_if=lambda checked: checked == 0,  # recipes from before it stay what they were
        description="Share of those scenes about which a second conversation asks nothing but "
        "whether things are in them, as no other then does.",
    )
    caption_scenes: int = Field(ge=1, description="Scenes with a caption, for alignment.")
    test_scenes: int = Field(
        ge=1, description="Test scenes for each way of being unseen: drawing, style, concept."
    )
    text_rows: int = Field(ge=1, description="Text-only rows: questions about CLDR's knowledge.")
    stamps: Annotated[bool | str, BeforeValidator(_stamps)] = Field(
        default=False,
        exclude_if=lambda stamps: stamps is False,  # recipes from before it stay what they were
        description="Whether Tux Paint's stamps that show one of the concepts are tested on too, "
        "as a fourth way, `others`: photographs and drawings by others. Yes, or a folder or "
        "package of stamps.",
    )
    image_size: int = Field(ge=16, description="Side of every picture, in pixels.")
    seed: Seed = Field(default=0, description="Seed of the scenes and of the split.")

    @property
    def checked_scenes(self) -> int:
        """Scenes that have a second conversation, of yes/no questions alone."""
        return round(self.checked * self.train_scenes)


class TextOnly(Section):
    """Instructions without a picture, added to the instruction stage in some runs."""

    corpus: Corpus = Field(
        description="Text-only corpus: `miniature/...`, a folder, or `hub:ORG/NAME@REVISION`."
    )
    rows: int = Field(ge=1, description="Rows that are added.")
    ratio: Share = Field(default=0.8, description="Share of those rows in the target language.")
