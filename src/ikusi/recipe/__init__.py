"""Recipes: a whole study as one YAML file, checked before anything heavy is loaded.

A recipe names the languages, the models that are joined, the two training stages of the paper
(arXiv 2511.09396, section 3.2), the grid of runs that is compared and the benchmarks. Every
field says what it is; ``show`` and ``make_json_schema`` are written from those same descriptions.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ikusi import catalogue, connectors, language, packaged, yamlfile
from ikusi.recipe.backbones import (
    LLM,
    Backbone,
    Continued,
    Seeing,
    check_backbones,
    check_starts,
    find_place,
)
from ikusi.recipe.folder import MINIATURE
from ikusi.recipe.grid import Alignment, Grid, Run, check_excluded, list_runs
from ikusi.recipe.merging import Merge, Merged, check_merges, name_merged
from ikusi.recipe.rehearsal import make_rehearsal
from ikusi.recipe.rows import Miniature, TextOnly
from ikusi.recipe.showing import write_section
from ikusi.recipe.training import DIVIDING, Compute, Lora, Part, Slurm, Stage, Stages
from ikusi.recipe.values import (
    Model,
    Name,
    Seed,
    Text,
    check_no_repeats,
    check_worker_count,
    make_error,
)
from ikusi.yamlfile import Section

__all__ = [
    "BENCHMARKS",
    "DIVIDING",
    "Alignment",
    "Compute",
    "Continued",
    "Grid",
    "Lora",
    "Merge",
    "Merged",
    "Miniature",
    "Part",
    "Recipe",
    "Run",
    "Seeing",
    "Slurm",
    "Stage",
    "Stages",
    "TextOnly",
    "load",
    "make_json_schema",
    "rehearse",
    "show",
]

OWN_BENCHMARKS = Path("benchmarks")

if TYPE_CHECKING:
    Connector = str
else:
    Connector = Literal[tuple(connectors.REGISTRY.every)]


class Recipe(Section):
    """A study as data."""

    name: Name = Field(description="Name of the study and of its folder.")
    language: Name = Field(description="Target language: the code of a language pack.")
    source_language: Name = Field(
        default="en", description="Language the data comes from: the code of a language pack."
    )
    seed: Seed = Field(
        default=0,
        description="Seed of training and mixing, unless `grid.seeds` has others, and of "
        "resampling.",
    )
    workers: Annotated[int | Literal["auto"], BeforeValidator(check_worker_count)] = Field(
        default="auto",
        description="Steps run at once; auto is one for each GPU, or else core; with SLURM 32.",
    )
    rehearse: bool = Field(
        default=False,
        description="Replace every model by a packaged miniature and train a few steps on tiny "
        "batches, on whatever machine, to see that all else is in order.",
    )
    miniature: Miniature | None = Field(
        default=None,
        description="How much of the miniature's data is made; needed where a corpus or a "
        "benchmark is one of the miniature's.",
    )
    vision: Model | None = Field(
        default=None,
        description="Vision encoder: `miniature/encoder`, a folder or a hub id, which may name its "
        "revision: NAME@REVISION; none where every backbone sees already.",
    )
    backbones: dict[Name, Backbone] = Field(
        min_length=1,
        description="Name -> LLM: `miniature/...`, a folder or a hub id (NAME, NAME@REVISION); or "
        "{llm: MODEL, read: SHARE}, which says how much of the target language it has read; or "
        "{vlm: MODEL}, one that sees already, whose connector `stages.align` trains first with "
        "{vlm: MODEL, align: true}; or {run: RUN}, a run of this grid. `{language}` stands for the "
        "target language's code.",
    )
    vision_feature_layer: int = Field(
        default=-2,
        lt=0,
        description="Layer of the encoder whose patches are seen, from the end; CLIP's is -2.",
    )
    connector: Connector = Field(
        default="linear", description="Layer between encoder and LLM; the paper's is linear."
    )
    image_aspect: Literal["square", "pad"] = Field(
        default="square",
        description="How a picture is brought to the encoder's square: its middle is cut out, or "
        "its sides are filled up with the mean colour.",
    )
    stages: Stages = Field(description="The two training stages.")
    cache_features: bool = Field(
        default=False,
        description="Compute a frozen encoder's features of each picture once, for all runs, and "
        "keep them on disk.",
    )
    compute: Compute = Field(default=Compute(), description="What training runs on.")
    text_only: TextOnly | None = Field(
        default=None,
        description="Instructions without a picture; needed where the grid adds them.",
    )
    grid: Grid = Field(description="The runs that are compared.")
    merges: dict[Name, Merge] = Field(
        default={},
        description="Name -> models made of runs by adding the difference of two models.",
    )
    benchmarks: Annotated[list[str], AfterValidator(check_no_repeats)] = Field(
        description="Benchmarks by name, such as `miniature/vqa`; none: it ends with training."
    )
    benchmark_rows: int | None = Field(
        default=None,
        ge=1,
        description="Rows of each benchmark that are asked, from the first; null: all.",
    )
    seen_pictures: Annotated[list[str], AfterValidator(check_no_repeats)] = Field(
        default=[],
        description="Benchmarks, from `benchmarks`, whose pictures may be trained on too; for any "
        "other a picture that is also in a training corpus ends the study before its first step.",
    )
    judgements: Annotated[list[Text], AfterValidator(check_no_repeats)] = Field(
        default=[],
        description="Folders with what people and judge models said of the answers: tables of "
        "judgements, projects of annotation. Findings and report read those that are there.",
    )
    bootstrap: int = Field(
        default=1000, ge=1, description="Resamples behind every confidence interval."
    )

    @model_validator(mode="after")
    def _parts_fit(self) -> "Recipe":
        if self.language == self.source_language:
            raise make_error(
                "a language other than source_language", ("language",), found=self.language
            )
        for i, name in enumerate(self.grid.backbones):
            if name not in self.backbones:
                near = yamlfile.suggest(name, self.backbones)
                expected = f"a name in backbones ({', '.join(self.backbones)})"
                raise make_error(expected, ("grid", "backbones", i), found=name, near=near)
        for i, name in enumerate(self.seen_pictures):
            if name not in self.benchmarks:
                near = yamlfile.suggest(name, self.benchmarks)
                expected = f"a name in benchmarks ({', '.join(self.benchmarks) or 'none'})"
                raise make_error(expected, ("seen_pictures", i), found=name, near=near)
        percents = [round(ratio * 100) for ratio in self.grid.ratios]
        for i, percent in enumerate(percents):
            if percent in percents[:i]:
                ratio = self.grid.ratios[i]
                raise make_error(
                    "shares that differ by a percent", ("grid", "ratios", i), found=ratio
                )
        aligned = [one.name for one in self.alignments()]
        for one in self.alignments():
            if aligned.count(one.name) > 1:
                expected = (
                    f"backbones whose names do not end like another's with a seed ({one.name})"
                )
                raise make_error(expected, ("grid", "backbones"), found=self.grid.backbones)
        check_excluded(self.grid, self.alignments())
        check_backbones(self.backbones, self.grid.backbones, self.vision, self.stages.align)
        if self.stages.align and self.stages.align.ratio is None:
            raise make_error("a share between 0 and 1", ("stages", "align", "ratio"), found=None)
        if self.stages.instruct.ratio is not None:
            ratio = self.stages.instruct.ratio
            place = ("stages", "instruct", "ratio")
            raise make_error("nothing, as grid.ratios sets it", place, found=ratio)
        return self

    @model_validator(mode="after")
    def _data_is_described(self) -> "Recipe":
        if self.text_only is None and self._adds_text:
            expected = "keys and values, as runs of the grid have text-only rows"
            raise make_error(expected, ("text_only",), found=None)
        made = [(key, name) for key, name in self.data() if name.startswith(MINIATURE)]
        if self.miniature is None and made:
            key, name = made[0]
            expected = f"keys and values, as {yamlfile.spell(key)} is {name}"
            raise make_error(expected, ("miniature",), found=None)
        return self

    @model_validator(mode="after")
    def _merges_fit(self) -> "Recipe":
        check_starts(self.backbones, self.grid.backbones, self.runs())
        check_merges(self.merges, self.backbones, [run.name for run in self.runs()])
        return self

    @model_validator(mode="after")
    def _strategies_fit(self) -> "Recipe":
        if lone := self.find_undivided(self.compute.together):
            key, expected, actual = lone
            raise make_error(expected, key, found=actual)
        return self

    def find_undivided(self, processes: int) -> tuple[yamlfile.Key, str, str] | None:
        """The setting that so many processes cannot share: its key, the expected and the actual
        value; or none."""
        parallel = self.compute.parallel
        if processes == 1 or parallel not in DIVIDING:
            return None
        for name, stage in self.stages.named:
            if lone := stage.find_undivided():
                key, expected, actual = lone
                expected = f"{expected} in {processes} processes with compute.parallel {parallel}"
                return ("stages", name, *key), expected, actual
        return None

    def data(self) -> list[tuple[yamlfile.Key, str]]:
        """Every corpus and benchmark that the runs use: its key in the recipe, and its name."""
        asked: list[tuple[yamlfile.Key, str]] = [
            (("benchmarks", i), name) for i, name in enumerate(self.benchmarks)
        ]
        return self.training_data() + asked

    def training_data(self) -> list[tuple[yamlfile.Key, str]]:
        """Every corpus that a run trains on: its key in the recipe, and its name."""
        named: list[tuple[yamlfile.Key, str]] = [
            (("stages", name, "corpus"), stage.corpus) for name, stage in self.stages.named
        ]
        if self.text_only and self._adds_text:
            named.append((("text_only", "corpus"), self.text_only.corpus))
        return named

    @property
    def _adds_text(self) -> bool:
        """Whether a run has text-only rows."""
        return any(run.text_only for run in self.runs())

    @property
    def seeds(self) -> list[int]:
        """Seeds under which each model of the grid is trained."""
        return list(self.grid.find_endings(self.seed))

    def alignments(self) -> list[Alignment]:
        """Every model of the first stage: one for each seed and backbone."""
        return [
            Alignment(name=backbone + ending, backbone=backbone, seed=seed)
            for seed, ending in self.grid.find_endings(self.seed).items()
            for backbone in self.grid.backbones
        ]

    def runs(self) -> list[Run]:
        """Every run of the grid, in the order of its lists, one seed after the other.

        A run is named after its backbone, the target language with its share in percent and
        whether it adds text-only rows: ``english-eu020-text`` has seen 20 % Basque. Where there
        are several seeds, all but the recipe's own follow: ``english-eu020-text-seed1``.
        """
        return list(list_runs(self.grid, self.alignments(), self.language))

    def list_merged(self) -> list[Merged]:
        """Every model that is made by merging, in the order of `merges` and their weights."""
        return list(name_merged(self.merges))

    def list_llms(self) -> list[str]:
        """Names of the backbones that runs start from, then of those that are only merged."""
        merged = [name for one in self.merges.values() for name in (one.plus, one.minus)]
        own = [name for name in merged if name in self.backbones]
        return list(dict.fromkeys([*self.grid.backbones, *own]))

    @property
    def encoder(self) -> str:
        """The vision encoder, where it is known that there is one."""
        assert self.vision is not None
        return self.vision

    def backbone(self, name: str) -> str:
        """The folder or hub id of a backbone, with the target language's code filled in; of one
        that is a run, of what that run was made from."""
        place = find_place(self.backbones[self._find_first(name)])
        return place.replace("{language}", self.language)

    def sees(self, name: str) -> bool:
        """Whether a backbone sees already; else it is an LLM that is joined to the encoder."""
        return not isinstance(self.backbones[name], LLM)

    def is_assembled(self, name: str) -> bool:
        """Whether a backbone is joined to the encoder here, by its own runs or by the run that it
        is."""
        return isinstance(self.backbones[self._find_first(name)], LLM)

    def find_start(self, name: str) -> str | None:
        """The run of this study that a backbone is; none for a model from elsewhere."""
        given = self.backbones[name]
        return given.run if isinstance(given, Continued) else None

    def _find_first(self, name: str) -> str:
        """The backbone itself, or that of the run that it is."""
        start = self.find_start(name)
        return next((run.backbone for run in self.runs() if run.name == start), name)

    def is_aligned(self, name: str) -> bool:
        """Whether the first stage trains a backbone."""
        return bool(getattr(self.backbones[name], "align", True))


BENCHMARKS = catalogue.Files("benchmark", [OWN_BENCHMARKS, packaged.BENCHMARKS])
"""Definitions of benchmarks, such as ``vqav2``: one's own come before the packaged ones."""


def load(path: Path | str, overrides: Sequence[str] = ()) -> Recipe:
    """Read and check a recipe.

    Args:
        path: a YAML file; ``extends: other.yaml`` in it takes all else from a file beside it.
        overrides: changes such as ``grid.ratios=[0, 1]``, their values read as YAML.

    Raises:
        InputError: the first mistake, in one line that names file, line and key.
    """
    document = yamlfile.overlay(
        yamlfile.read(Path(path), packaged.list_recipe_folders()), overrides, _list_known()
    )
    recipe = yamlfile.validate(Recipe, document, _list_known())
    for key in ("language", "source_language"):
        code, codes = getattr(recipe, key), language.list_packs()
        if code not in codes:
            expected = f"a language with a pack ({', '.join(codes)})"
            raise document.error((key,), expected, code, yamlfile.suggest(code, codes))
    names = BENCHMARKS.names()
    for i, name in enumerate(recipe.benchmarks):
        if name not in names:
            near = yamlfile.suggest(name, names)
            raise document.error(("benchmarks", i), "the name of a benchmark", name, near)
    return rehearse(recipe) if recipe.rehearse else recipe


def rehearse(recipe: Recipe) -> Recipe:
    """The same study with miniature models, a few steps each: for any machine, in minutes."""
    return Recipe.model_validate(make_rehearsal(recipe.model_dump()))


@cache
def _list_known() -> frozenset[str]:
    return frozenset(yamlfile.list_field_names(Recipe))


def show(recipe: Recipe) -> str:
    """Write a recipe out in full as YAML, each key under a comment that says what it is.

    What it returns is itself a recipe that ``load`` reads as equal.
    """
    return "\n".join(write_section(recipe, "")) + "\n"


def make_json_schema() -> dict[str, Any]:
    """The JSON Schema of a recipe, for editors that complete and check YAML."""
    schema = Recipe.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["properties"]["extends"] = {
        "type": "string",
        "description": "A recipe beside this one or of Ikusi's, from which all else is taken.",
    }
    # A recipe that extends another gives only what differs, at any depth.
    for part in (schema, *schema["$defs"].values()):
        part.pop("required", None)
    return schema
