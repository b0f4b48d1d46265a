"""The runs that are compared: each combination of backbone, share, text-only rows and seed."""

from typing import Annotated

from pydantic import AfterValidator, Field

from ikusi.recipe.values import Seed, Share, check_no_repeats
from ikusi.yamlfile import Section


class Grid(Section):
    """The runs that are compared: every combination of the lists."""

    backbones: Annotated[list[str], AfterValidator(check_no_repeats)] = Field(
        min_length=1, description="Names of backbones, from `backbones`."
    )
    ratios: Annotated[list[Share], AfterValidator(check_no_repeats)] = Field(
        min_length=1, description="Shares of instruction rows in the target language."
    )
    text_only: Annotated[list[bool], AfterValidator(check_no_repeats)] = Field(
        min_length=1, description="Without (false) and with (true) text-only rows."
    )
    seeds: Annotated[list[Seed], AfterValidator(check_no_repeats)] = Field(
        default=[],
        description="Seeds under which each model is trained, both stages. Each has other values "
        "in which connector and adapters begin, another order of rows, other rows in the target "
        "language and other text-only rows. None: the recipe's `seed` alone.",
    )

    def find_endings(self, seed: int) -> dict[int, str]:
        """Each seed, and how the names of what is trained under it end.

        A single seed adds nothing; among several, neither does the recipe's own, ``seed``: so what
        was trained before others were added stays what it is.
        """
        seeds = self.seeds or [seed]
        alone = len(seeds) == 1
        return {one: "" if alone or one == seed else f"-seed{one}" for one in seeds}


class Alignment(Section):
    """One model after the first stage, from which runs start."""

    name: str = Field(description="Name of its folder, such as `english`.")
    backbone: str = Field(description="Name of the LLM it is made of.")
    seed: Seed = Field(description="Seed of its training.")


class Run(Section):
    """One model of the study."""

    name: str = Field(description="Name of its folder, such as `english-eu020-text`.")
    backbone: str = Field(description="Name of the LLM it is made of.")
    aligned: str = Field(description="Name of the alignment that it starts from.")
    ratio: Share = Field(description="Share of instruction rows in the target language.")
    text_only: bool = Field(description="Whether text-only rows are added.")
    seed: Seed = Field(description="Seed of its training.")

    @property
    def model(self) -> str:
        """What all runs are called that differ by their seed alone."""
        return self.name.removesuffix(f"-seed{self.seed}")
