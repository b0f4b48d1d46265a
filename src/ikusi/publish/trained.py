"""The origin of a run of a study: its bases, the corpora that it learnt from, its scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from ikusi import artifact, jsonfile
from ikusi.compare.reading import Evaluation, Study
from ikusi.data import sources
from ikusi.data.corpus import Corpus
from ikusi.errors import InputError
from ikusi.miniature import packages
from ikusi.miniature.bases import shipped
from ikusi.model import hub
from ikusi.pretrained import split_place
from ikusi.publish import licences, origins
from ikusi.publish.licences import Licence, Use
from ikusi.recipe import Merged, Run
from ikusi.recipe import folder as names
from ikusi.recipe.folder import MINIATURE, StudyFolder

HUB = "https://huggingface.co/"


@dataclass(frozen=True)
class Base:
    """A model that a run started from.

    Attributes:
        what: `the LLM` or `the encoder`.
        name: on the hub, or of its folder.
        revision: the commit, where it is known, or what the recipe pins.
        folder: where it is on this machine; none where it is not.
        licence: of it.
        on_hub: whether `name` is one on the hub.
    """

    what: str
    name: str
    revision: str | None
    folder: Path | None
    licence: Licence
    on_hub: bool

    @property
    def shown(self) -> str:
        """The base in words, with its revision."""
        linked = f"[{self.name}]({HUB}{self.name})" if self.on_hub else f"`{self.name}`"
        return linked + (f", revision `{self.revision}`" if self.revision else "")


@dataclass(frozen=True)
class Lesson:
    """A corpus that a run learnt from.

    Attributes:
        stage: `align`, `instruct` or `text only`.
        name: of the corpus, without the places of this machine.
        revision: fingerprint of its content, as the training's manifest has it.
        share: of rows in the target language.
        made: the steps that made it (`origins.trace`).
        uses: what it was made of.
    """

    stage: str
    name: str
    revision: str
    share: float
    made: list[origins.Step]
    uses: list[Use]

    @property
    def datasets(self) -> list[str]:
        """Its data sets on the hub."""
        named = map(name_dataset, self.made)
        return [dataset.name for dataset in named if dataset]


class Dataset(NamedTuple):
    """A data set on the hub, and its commit where that is known."""

    name: str
    revision: str | None


def name_dataset(step: origins.Step) -> Dataset | None:
    """The data set on the hub that a step of a corpus's making read, if it read one."""
    release = step["settings"].get("release") or ""
    if release.startswith(names.HUB):
        name, _, revision = release.removeprefix(names.HUB).partition("@")
        return Dataset(name, revision or None)
    source = step["settings"].get("source")
    home = sources.load(source).home if source in sources.REGISTRY.names() else ""
    is_there = home.startswith(f"{HUB}datasets/")
    return Dataset(home.removeprefix(f"{HUB}datasets/"), None) if is_there else None


class Trained:
    """A run's folder, or a merged model's, with all that the study around it records about it.

    Attributes:
        name: its own.
        run: itself, or the run that was merged into.
        merged: which merged model it is; none for a run.

    Raises:
        InputError: it is no finished run and no merged model of a study.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder).resolve()
        around = StudyFolder.around(self.folder)
        manifest = artifact.read_manifest(self.folder)
        if around is None or manifest is None or self.folder.parent.name not in names.MODELS:
            raise InputError(
                f"{folder}: expected a finished run of a study, such as "
                "studies/STUDY/instruct/RUN, or a model merged in one, found none"
            )
        self.study = Study(around.root)
        self.manifest: dict[str, Any] = manifest
        self.checkpoint = names.locate_checkpoint(self.folder)
        self.name = self.folder.name
        made = {one.name: one for one in self.study.recipe.list_merged()}
        self.merged: Merged | None = None
        if self.folder.parent.name == names.MERGE:
            self.merged = made.get(self.name)
        wanted = self.merged.run if self.merged else self.name
        run = next((run for run in self.study.runs if run.name == wanted), None)
        if run is None:
            raise InputError(f"{folder}: expected a model of {around.recipe}, found another")
        self.run: Run = run

    @property
    def fingerprint(self) -> str:
        """Fingerprint of training and measurement together."""
        measured = artifact.read_manifest(
            self.study.folder.step(names.name_evaluate_step(self.name))
        )
        return artifact.fingerprint(
            self.manifest["fingerprint"], measured and measured["fingerprint"]
        )

    @property
    def evaluation(self) -> Evaluation | None:
        """Its evaluation, if it was measured as it is now."""
        measured = self.study.merged if self.merged else self.study.evaluations
        return measured.get(self.name)

    @property
    def not_measured(self) -> str:
        """The reason why there are no scores."""
        return self.study.missing.get(self.name, "not measured")

    @cached_property
    def bases(self) -> list[Base]:
        """The LLM, then the encoder; or the model that saw already. Of a merged model also what was
        added and subtracted."""
        recipe = self.study.recipe
        if self.merged:
            return list(dict.fromkeys(self._list_merged_bases(self.merged)))
        start = recipe.backbone(self.run.backbone)
        if not recipe.is_assembled(self.run.backbone):
            return [describe_base("the model", start)]
        given = {"the LLM": start, "the encoder": recipe.encoder}
        return [describe_base(what, name) for what, name in given.items()]

    @cached_property
    def lessons(self) -> list[Lesson]:
        """Every corpus that it learnt from, in the order of the stages."""
        before = [
            replace(one, stage=_label(name, one.stage))
            for name, source in self.sources.items()
            for one in source.lessons
        ]
        return before if self.merged else [*before, *self._list_lessons()]

    def _list_lessons(self) -> Iterator[Lesson]:
        """Those of its own stages."""
        recipe, run = self.study.recipe, self.run
        given: list[tuple[str, str, float]] = []
        instruct = recipe.stages.instruct
        if recipe.is_aligned(run.backbone):
            align = recipe.stages.alignment
            given.append(("align", align.corpus, align.ratio or 0.0))
        given.append(("instruct", instruct.corpus, run.ratio))
        if run.text_only and recipe.text_only:
            given.append(("text only", recipe.text_only.corpus, recipe.text_only.ratio))
        yield from (self._describe_lesson(*one) for one in given)

    @cached_property
    def sources(self) -> dict[str, Trained]:
        """The runs of the study that it was made from, by name; "" is what was merged into."""
        recipe = self.study.recipe
        if self.merged is None:
            start = recipe.find_start(self.run.backbone)
            return {start: self._open(start)} if start else {}
        merge = recipe.merges[self.merged.merge]
        known = {run.name for run in self.study.runs}
        other = [find for find in map(self._find_run, (merge.plus, merge.minus)) if find in known]
        others = {name: self._open(name) for name in other if name and name != self.run.name}
        return {"": self._open(self.run.name), **others}

    def _find_run(self, name: str) -> str | None:
        """The run that a name of a merge is, or that the backbone of this name is."""
        recipe = self.study.recipe
        return recipe.find_start(name) if name in recipe.backbones else name

    def _open(self, run: str) -> Trained:
        return Trained(self.study.folder.step(names.name_instruct_step(run)))

    def _list_merged_bases(self, merged: Merged) -> Iterator[Base]:
        recipe = self.study.recipe
        for source in self.sources.values():
            yield from source.bases
        merge = recipe.merges[merged.merge]
        for what, name in (("added", merge.plus), ("subtracted", merge.minus)):
            if name in recipe.backbones and not recipe.find_start(name):
                yield describe_base(f"the model {what}", recipe.backbone(name))

    def list_uses(self) -> list[Use]:
        """All things used for it, whose licences count."""
        uses = [Use(f"{base.what} {base.name}", "base", base.licence) for base in self.bases]
        uses += [use for lesson in self.lessons for use in lesson.uses]
        return list(dict.fromkeys(uses))

    def list_stages(self) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
        """Each stage: its name, its settings, and the summary of its training."""
        for name, source in self.sources.items():
            for stage, settings, report in source.list_stages():
                yield _label(name, stage), settings, report
        if self.merged:
            return
        steps = {"instruct": names.name_instruct_step(self.run.name)}
        if self.study.recipe.is_aligned(self.run.backbone):
            steps = {"align": names.name_align_step(self.run.aligned), **steps}
        for stage, step in steps.items():
            place = self.study.folder.step(step)
            made = artifact.read_manifest(place) or {}
            summary = place / names.SUMMARY
            report = jsonfile.read_plain(summary, dict, "an object") if summary.is_file() else {}
            yield stage, (made.get("settings") or {}).get("stage", {}), report

    def _describe_lesson(self, stage: str, name: str, share: float) -> Lesson:
        step = names.name_align_step(self.run.aligned)
        made = self.manifest if stage != "align" else None
        made = made or artifact.read_manifest(self.study.folder.step(step)) or {}
        inputs = made.get("inputs", {})
        if name.startswith(MINIATURE):
            return Lesson(stage, name, inputs.get(names.DATA, ""), share, [], list_packages())
        folder = self.study.folder.corpus(name)
        shown = name if name.startswith(names.HUB) else folder.name
        steps = origins.trace(folder) if folder.is_dir() else []
        uses = origins.list_uses(steps) or [Use(f"the corpus {shown}", "data", licences.find(None))]
        return Lesson(stage, shown, inputs.get(name, ""), share, steps, uses)

    def find_corpus(self, benchmark: str) -> Corpus | None:
        """The corpus of a benchmark; none if it is gone."""
        return self.study.corpus(benchmark)


def _label(run: str, stage: str) -> str:
    return f"{run}: {stage}" if run else stage


def describe_base(what: str, given: str) -> Base:
    """A base model by what a recipe calls it: `miniature/...`, a folder, a name on the hub."""
    place = shipped.locate_base(given)
    name, pinned = split_place(place)
    local = given.startswith(MINIATURE) or Path(place).is_dir()
    try:
        folder: Path | None = hub.find_folder(place)
    except InputError:
        folder = None
    # The hub's cache keeps what it fetched in snapshots/COMMIT.
    cached = folder is not None and not local and folder.parent.name == "snapshots"
    revision = folder.name if cached and folder else pinned.get("revision")
    licence = licences.find_of_model(place)
    shown = given if given.startswith(MINIATURE) else Path(name).name if local else name
    return Base(what, shown, revision, folder, licence, on_hub=not local)


def list_packages() -> list[Use]:
    """The miniature's pictures and words, by licence."""
    by_licence: dict[str, list[str]] = {}
    for name, entry in packages.list_used().items():
        by_licence.setdefault(entry["licence"], []).append(name)
    return [
        Use(f"the miniature's {', '.join(used)}", "data", licences.find(stated), stated)
        for stated, used in by_licence.items()
    ]
