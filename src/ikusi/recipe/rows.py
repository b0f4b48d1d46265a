"""The parts of a recipe that say which rows are made, and which are added to those of pictures."""

from pathlib import Path

from pydantic import Field

from ikusi.recipe.values import Corpus, Seed, Share
from ikusi.yamlfile import Section


class Miniature(Section):
    """Settings of the miniature's data: how much is made."""

    concepts: int = Field(ge=8, description="Emoji concepts that are drawn and named.")
    train_scenes: int = Field(ge=1, description="Scenes with questions, for instruction tuning.")
    caption_scenes: int = Field(ge=1, description="Scenes with a caption, for alignment.")
    test_scenes: int = Field(
        ge=1, description="Test scenes for each way of being unseen: drawing, style, concept."
    )
    text_rows: int = Field(ge=1, description="Text-only rows: questions about CLDR's knowledge.")
    stamps: bool | Path = Field(
        default=False,
        exclude_if=lambda stamps: stamps is False,  # recipes from before it stay what they were
        description="Whether Tux Paint's stamps that show one of the concepts are tested on too, "
        "as a fourth way, `others`: photographs and drawings by others. Yes, or a folder or "
        "package of stamps.",
    )
    image_size: int = Field(ge=16, description="Side of every picture, in pixels.")
    seed: Seed = Field(default=0, description="Seed of the scenes and of the split.")


class TextOnly(Section):
    """Instructions without a picture, added to the instruction stage in some runs."""

    corpus: Corpus = Field(
        description="Text-only corpus: `miniature/...`, a folder, or `hub:ORG/NAME@REVISION`."
    )
    rows: int = Field(ge=1, description="Rows that are added.")
    ratio: Share = Field(default=0.8, description="Share of those rows in the target language.")
