"""The part of a recipe that says which models are made by adding others, without training."""

from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ikusi import yamlfile
from ikusi.recipe.training import Part
from ikusi.recipe.values import Name, Positive, Share, check_no_repeats, make_error
from ikusi.yamlfile import Section


class Merge(Section):
    """A run to which the difference of two models is added, in several strengths."""

    run: Name = Field(description="Name of the run it starts from, such as `english-eu000`.")
    plus: Name = Field(description="What is added: a name of `backbones`, or a run.")
    minus: Name = Field(description="What is subtracted: a name of `backbones`, or a run.")
    weights: Annotated[list[Positive], AfterValidator(check_no_repeats)] = Field(
        min_length=1, description="What the difference is multiplied by; each gives a model."
    )
    method: Literal["linear", "ties"] = Field(
        default="linear",
        description="Plain addition; or TIES, which drops small changes and those that disagree.",
    )
    density: Share = Field(
        default=0.2, description="Share of the values of each change that TIES keeps."
    )
    parts: Annotated[list[Part], AfterValidator(check_no_repeats)] = Field(
        default=["llm"],
        min_length=1,
        description="Parts that it is added to: llm, connector, vision; the rest stays the run's.",
    )


class Merged(Section):
    """One model that a merge gives."""

    name: str = Field(description="Name of its folder, such as `english-eu000-basque050`.")
    merge: str = Field(description="Name of the merge.")
    run: str = Field(description="Name of the run that it starts from.")
    weight: float = Field(description="What the difference is multiplied by.")


def name_merged(merges: Mapping[str, Merge]) -> Iterator[Merged]:
    """Every model that merges give: each named after run, merge and weight in hundredths."""
    for name, merge in merges.items():
        for weight in merge.weights:
            made = f"{merge.run}-{name}{to_hundredths(weight):03d}"
            yield Merged(name=made, merge=name, run=merge.run, weight=weight)


def to_hundredths(weight: float) -> int:
    """A weight as whole hundredths, as models are named by it."""
    return round(weight * 100)


def check_merges(merges: Mapping[str, Merge], backbones: Collection[str], runs: list[str]) -> None:
    """Check that merges name what is there, and that no two models have the same name.

    Raises:
        PydanticCustomError: they do not; it says the key.
    """
    models = [*backbones, *runs]
    for name, merge in merges.items():
        for key, names in (("run", runs), ("plus", models), ("minus", models)):
            if (given := getattr(merge, key)) not in names:
                what = "a run of the grid" if key == "run" else "a backbone or a run"
                near = yamlfile.suggest(given, names)
                expected = f"{what} ({', '.join(names)})"
                raise make_error(expected, ("merges", name, key), found=given, near=near)
        hundredths = [to_hundredths(weight) for weight in merge.weights]
        for i, one in enumerate(hundredths):
            if one == 0 or one in hundredths[:i]:
                place, weight = ("merges", name, "weights", i), merge.weights[i]
                raise make_error("weights that differ by a hundredth", place, found=weight)
    taken = list(runs)
    for made in name_merged(merges):
        if made.name in taken:
            expected = "a name that gives models another name than a run or other merge has"
            raise make_error(expected, ("merges", made.merge), found=made.name)
        taken.append(made.name)
