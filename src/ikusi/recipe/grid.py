"""The runs that are compared: combinations of backbone, share, text-only rows and seed."""

import json
from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import AfterValidator, Field

from ikusi.recipe.values import Seed, Share, check_no_repeats, make_error
from ikusi.yamlfile import Section


class Excluded(Section):
    """Runs that a grid leaves out: those that fit every list given here."""

    backbones: list[str] = Field(default=[], description="Names of backbones; none: all.")
    ratios: list[Share] = Field(default=[], description="Shares in the language; none: all.")
    text_only: list[bool] = Field(
        default=[], description="Without (false) or with (true) text-only rows; none: both."
    )

    def covers(self, run: "Run") -> bool:
        """Whether a run is left out."""
        return (
            (not self.backbones or run.backbone in self.backbones)
            and (not self.ratios or run.ratio in self.ratios)
            and (not self.text_only or run.text_only in self.text_only)
        )


class Grid(Section):
    """The runs that are compared: every combination of the lists, but for those excluded."""

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
    exclude: list[Excluded] = Field(
        default=[],
        description="Combinations that are left out, each as the lists that they fit: "
        "`{backbones: [english], text_only: [true]}`.",
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
        """The name that all runs share which differ by their seed alone."""
        return self.name.removesuffix(f"-seed{self.seed}")


def list_runs(grid: Grid, alignments: Sequence[Alignment], language: str) -> Iterator[Run]:
    """The runs of a grid in the order of its lists, those of one alignment after another's.

    Args:
        grid: its lists.
        alignments: of each backbone and seed.
        language: code of the target language.
    """
    for one in alignments:
        for text_only in grid.text_only:
            for ratio in grid.ratios:
                share = f"{language}{round(ratio * 100):03d}{'-text' if text_only else ''}"
                run = Run(
                    name=f"{one.backbone}-{share}{one.name.removeprefix(one.backbone)}",
                    backbone=one.backbone,
                    aligned=one.name,
                    ratio=ratio,
                    text_only=text_only,
                    seed=one.seed,
                )
                if not any(some.covers(run) for some in grid.exclude):
                    yield run


def check_excluded(grid: Grid, alignments: Sequence[Alignment]) -> None:
    """Check that what a grid excludes is in it, and that each backbone keeps a run.

    Raises:
        PydanticCustomError: an entry that fits no run, or that none are left of a backbone.
    """
    every = list(list_runs(grid.model_copy(update={"exclude": []}), alignments, ""))
    for i, some in enumerate(grid.exclude):
        if not any(some.covers(run) for run in every):
            given = json.dumps(some.model_dump(exclude_defaults=True))
            raise make_error(
                "lists that some run of the grid fits", ("grid", "exclude", i), found=given
            )
    kept = {run.backbone for run in list_runs(grid, alignments, "")}
    for i, name in enumerate(grid.backbones):
        if name not in kept:
            place = ("grid", "backbones", i)
            raise make_error("a backbone of which grid.exclude leaves a run", place, found=name)
