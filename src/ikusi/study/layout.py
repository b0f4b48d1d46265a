"""A recipe laid out as steps: which there are, what each needs, and on what it depends."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ikusi import artifact, content, language
from ikusi.errors import InputError
from ikusi.evaluate import benchmark
from ikusi.miniature import packages
from ikusi.miniature.bases import shipped
from ikusi.miniature.bases.shipped import PREFIX as MINIATURE
from ikusi.recipe import Recipe, Run, Stage
from ikusi.recipe.values import is_name
from ikusi.study import code
from ikusi.study.graph import Step

FUNCTIONS = "ikusi.study.steps"


def steps(recipe_: Recipe) -> list[Step]:
    """Every step of a study, each after what it needs; without benchmarks it ends with training.

    Raises:
        InputError: a base model or a corpus does not exist.
    """
    versions = code.versions()
    return [
        replace(step, version=versions.get(step.function, 1)) for step in _steps(_Layout(recipe_))
    ]


def _steps(layout: "_Layout") -> list[Step]:
    recipe_ = layout.recipe
    made = [layout.data()] if _uses_miniature(recipe_) else []
    made += layout.features()
    made += [layout.align(name) for name in recipe_.grid.backbones]
    made += [layout.instruct(run) for run in recipe_.runs()]
    if not recipe_.benchmarks:
        return made
    evaluations = [layout.evaluate(run) for run in recipe_.runs()]
    if layout.text_only_benchmarks():
        evaluations += [layout.evaluate_backbone(name) for name in recipe_.grid.backbones]
    return [*made, *evaluations, layout.report(evaluations)]


class _Layout:
    """The steps of one recipe; files that many steps depend on are read once."""

    def __init__(self, recipe_: Recipe) -> None:
        self.recipe = recipe_
        codes = (recipe_.source_language, recipe_.language)
        self.languages = {"language_code": recipe_.language, "source_code": codes[0]}
        self.packs = {
            f"language {code}": artifact.fingerprint(language.load(code)) for code in codes
        }
        self.benchmarks = {name: benchmark.load(name) for name in recipe_.benchmarks}
        models = [recipe_.vision, *map(recipe_.backbone, recipe_.grid.backbones)]
        self.models = {name: _model(name) for name in models}

    def data(self) -> Step:
        assert self.recipe.miniature is not None  # the recipe's own check
        settings = {"miniature": self.recipe.miniature.model_dump(mode="json"), **self.languages}
        # Which packages and which concepts the pictures and names are taken from.
        tables = packages.tables()
        reads = {
            f"{MINIATURE}{table.name}": artifact.fingerprint(table.read_bytes()) for table in tables
        }
        function = f"{FUNCTIONS}:data"
        return Step("data", function, (), settings, reads | self.packs)

    def features(self) -> list[Step]:
        """One for each corpus whose pictures a frozen encoder looks at."""
        return list(
            {step.name: step for step in map(self._features, self._stages()) if step}.values()
        )

    def _stages(self) -> list[Stage]:
        return [self.recipe.stages.align, self.recipe.stages.instruct]

    def _features(self, stage: Stage) -> Step | None:
        if not self.recipe.cache_features or "vision" in stage.trainable:
            return None
        exact = any(other.precision == "fp32" for other in self._stages())
        settings = {
            "vision": self.recipe.vision,
            "corpus": stage.corpus,
            "feature_layer": self.recipe.vision_feature_layer,
            "image_aspect": self.recipe.image_aspect,
            "precision": "fp32" if exact else "bf16",
        }
        reads = {self.recipe.vision: self.models[self.recipe.vision]} | _corpora(stage.corpus)
        name = f"features/{self._short(stage.corpus)}"
        inputs = _made(stage.corpus)
        function, alone = f"{FUNCTIONS}:features", self._computed(alone=True)
        return Step(name, function, inputs, settings, reads, alone, resumes=True)

    def _computed(self, *, alone: bool = False) -> dict[str, Any]:
        """What a step runs on; `alone`: in one process always."""
        shared = {"parallel", "processes", "micro_tokens", "report_to"} if alone else set()
        return self.recipe.compute.model_dump(mode="json", exclude=shared)

    def _short(self, corpus: str) -> str:
        """A corpus's name as that of a folder, no other corpus's of this recipe."""
        short, *others = [
            re.sub(r"[^\w.-]+", "-", name.removeprefix(MINIATURE).strip("./"))
            for name in (corpus, *{stage.corpus for stage in self._stages()} - {corpus})
        ]
        if is_name(short) and short not in others:
            return short
        return f"corpus-{artifact.fingerprint(corpus)}"

    def align(self, name: str) -> Step:
        vision, backbone = self.recipe.vision, self.recipe.backbone(name)
        stage = self.recipe.stages.align
        settings = {
            "vision": vision,
            "backbone": backbone,
            "connector": self.recipe.connector,
            "image_aspect": self.recipe.image_aspect,
            "feature_layer": self.recipe.vision_feature_layer,
            "stage": stage.model_dump(mode="json"),
            "features": seen.name if (seen := self._features(stage)) else None,
            "seed": self.recipe.seed,
            **self.languages,
        }
        models = {place: self.models[place] for place in (vision, backbone)}
        reads = models | self.packs | _corpora(stage.corpus)
        name, function = f"align/{name}", f"{FUNCTIONS}:align"
        inputs = (*_made(stage.corpus), *([seen.name] if seen else []))
        return Step(name, function, inputs, settings, reads, self._computed(), resumes=True)

    def instruct(self, run: Run) -> Step:
        text_only = self.recipe.text_only if run.text_only else None
        stage = self.recipe.stages.instruct.model_copy(update={"ratio": run.ratio})
        corpora = [stage.corpus, *([text_only.corpus] if text_only else [])]
        aligned = f"align/{run.backbone}"
        settings = {
            "aligned": aligned,
            "stage": stage.model_dump(mode="json"),
            "text_only": text_only.model_dump(mode="json") if text_only else None,
            "features": seen.name if (seen := self._features(stage)) else None,
            "seed": self.recipe.seed,
            **self.languages,
        }
        name, function = f"instruct/{run.name}", f"{FUNCTIONS}:instruct"
        inputs = (*_made(*corpora), *([seen.name] if seen else []), aligned)
        reads = _corpora(*corpora)
        return Step(name, function, inputs, settings, reads, self._computed(), resumes=True)

    def evaluate(self, run: Run) -> Step:
        names, trained = self.recipe.benchmarks, f"instruct/{run.name}"
        settings = {"checkpoint": trained, **self._measured(names)}
        name, function = f"evaluate/{run.name}", f"{FUNCTIONS}:evaluate"
        reads = self._definitions(names) | self._asked(names)
        inputs = (*_made(*names), trained)
        alone = self._computed(alone=True)
        return Step(name, function, inputs, settings, reads, alone, resumes=True)

    def evaluate_backbone(self, name: str) -> Step:
        names, model = self.text_only_benchmarks(), self.recipe.backbone(name)
        settings = {"model": model, **self._measured(names)}
        reads = self._definitions(names) | self._asked(names) | {model: self.models[model]}
        function = f"{FUNCTIONS}:evaluate_backbone"
        name, alone = f"evaluate/{name}-backbone", self._computed(alone=True)
        return Step(name, function, _made(*names), settings, reads, alone, resumes=True)

    def report(self, evaluations: Sequence[Step]) -> Step:
        settings = {"recipe": self.recipe.model_dump(mode="json", exclude={"workers", "compute"})}
        inputs = tuple(step.name for step in evaluations)
        return Step("report", f"{FUNCTIONS}:report", inputs, settings, self.packs)

    def text_only_benchmarks(self) -> list[str]:
        """Those without pictures, which a bare backbone can take too."""
        return [name for name, known in self.benchmarks.items() if known.text_only]

    def _definitions(self, names: Sequence[str]) -> dict[str, str]:
        known = {name: benchmark.content(self.benchmarks[name]) for name in names}
        prints = {f"benchmark {name}": artifact.fingerprint(of) for name, of in known.items()}
        return prints | self.packs

    def _asked(self, names: Sequence[str]) -> dict[str, str]:
        """Contents of the benchmarks' corpora that the study does not make itself."""
        given = [self.benchmarks[name] for name in names if not name.startswith(MINIATURE)]
        if not given:
            return {}
        from ikusi.evaluate import corpora  # heavy, and the miniature needs none of it

        languages = (self.recipe.language, self.recipe.source_language)
        found = corpora.find(given, languages, corpora.CORPORA)
        return {f"corpus {known.name}": content.folder(corpus.folder) for known, corpus in found}

    def _measured(self, names: Sequence[str]) -> dict[str, Any]:
        return {
            "benchmarks": list(names),
            "bootstrap": self.recipe.bootstrap,
            "limit": self.recipe.benchmark_rows,
            "seed": self.recipe.seed,
            **self.languages,
        }


def base(name: str) -> str:
    """Where a base model is: a folder, or the hub's name as it stands, revision included.

    Raises:
        InputError: a `miniature/...` model that has not been made.
    """
    return str(shipped.path(name)) if name.startswith(MINIATURE) else name


def checkpoint(folder: Path) -> Path:
    """The model in a run's folder; a folder that is a model itself is left as it is."""
    inside = folder / "checkpoint"
    return inside if inside.is_dir() else folder


def evaluation(folder: Path) -> Path:
    """Where a run of a study was measured; any other folder is left as it is."""
    run = folder.resolve()
    beside = run.parent.parent / "evaluate" / run.name
    return beside if run.parent.name == "instruct" and beside.is_dir() else folder


def _uses_miniature(recipe_: Recipe) -> bool:
    return any(name.startswith(MINIATURE) for _, name in recipe_.data())


def _made(*names: str) -> tuple[str, ...]:
    return ("data",) if any(name.startswith(MINIATURE) for name in names) else ()


def _corpora(*names: str) -> dict[str, str]:
    """Contents of the corpora that the study does not make itself."""
    given = [name for name in names if not name.startswith(MINIATURE)]
    for name in given:
        if not Path(name).is_dir():
            raise InputError(f"{name}: expected the folder of a corpus, found none")
    return {name: content.folder(Path(name)) for name in given}


def _model(name: str) -> str:
    """Content of a base model; for one on the hub its name and revision must do."""
    place = Path(base(name))
    return content.folder(place) if place.is_dir() else name
