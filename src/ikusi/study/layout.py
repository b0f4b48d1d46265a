"""A recipe laid out as steps: which there are, what each needs, and on what it depends."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from ikusi import artifact, language, recipe
from ikusi.errors import InputError
from ikusi.recipe import Recipe, Run, Stage
from ikusi.study.graph import Step

MINIATURE = "miniature/"
FUNCTIONS = "ikusi.study.steps"
BYTES_READ = 1 << 20  # of each file of a model: its header and its first weights


def steps(recipe_: Recipe) -> list[Step]:
    """Every step of a study, each after what it needs.

    Raises:
        InputError: a base model or a corpus does not exist.
    """
    made = [_data(recipe_)] if _uses_miniature(recipe_) else []
    made += [_align(recipe_, name) for name in recipe_.grid.backbones]
    made += [_instruct(recipe_, run) for run in recipe_.runs()]
    evaluations = [_evaluate(recipe_, run) for run in recipe_.runs()]
    if text_only_benchmarks(recipe_):
        evaluations += [_evaluate_backbone(recipe_, name) for name in recipe_.grid.backbones]
    return [*made, *evaluations, _report(recipe_, evaluations)]


def _data(recipe_: Recipe) -> Step:
    settings = {"miniature": recipe_.miniature.model_dump(mode="json"), **_languages(recipe_)}
    # Which packages and which concepts the pictures and names are taken from.
    tables = sorted((Path(__file__).parents[1] / "miniature").glob("*.yaml"))
    reads = {f"{MINIATURE}{path.name}": artifact.fingerprint(path.read_bytes()) for path in tables}
    return Step("data", f"{FUNCTIONS}:data", (), settings, reads | _packs(recipe_))


def _align(recipe_: Recipe, name: str) -> Step:
    vision, backbone = recipe_.vision, recipe_.backbone(name)
    stage = recipe_.stages.align
    settings = {
        "vision": vision,
        "backbone": backbone,
        "connector": recipe_.connector,
        "stage": stage.model_dump(mode="json"),
        "seed": recipe_.seed,
        **_languages(recipe_),
    }
    reads = _models(vision, backbone) | _packs(recipe_) | _corpora(stage.corpus)
    return Step(f"align/{name}", f"{FUNCTIONS}:align", _made(stage.corpus), settings, reads)


def _instruct(recipe_: Recipe, run: Run) -> Step:
    stage = Stage.model_validate({**recipe_.stages.instruct.model_dump(), "ratio": run.ratio})
    corpora = [stage.corpus] + [recipe_.text_only.corpus] * run.text_only
    settings = {
        "aligned": f"align/{run.backbone}",
        "stage": stage.model_dump(mode="json"),
        "text_only": recipe_.text_only.model_dump(mode="json") if run.text_only else None,
        "seed": recipe_.seed,
        **_languages(recipe_),
    }
    inputs = (*_made(*corpora), f"align/{run.backbone}")
    return Step(
        f"instruct/{run.name}", f"{FUNCTIONS}:instruct", inputs, settings, _corpora(*corpora)
    )


def _evaluate(recipe_: Recipe, run: Run) -> Step:
    names = recipe_.benchmarks
    settings = {"checkpoint": f"instruct/{run.name}", **_measured(recipe_, names)}
    inputs = (*_made(*names), f"instruct/{run.name}")
    reads = _definitions(names) | _packs(recipe_)
    return Step(f"evaluate/{run.name}", f"{FUNCTIONS}:evaluate", inputs, settings, reads)


def _evaluate_backbone(recipe_: Recipe, name: str) -> Step:
    names, model = text_only_benchmarks(recipe_), recipe_.backbone(name)
    settings = {"model": model, **_measured(recipe_, names)}
    reads = _definitions(names) | _packs(recipe_) | _models(model)
    function = f"{FUNCTIONS}:evaluate_backbone"
    return Step(f"evaluate/{name}-backbone", function, _made(*names), settings, reads)


def _report(recipe_: Recipe, evaluations: Sequence[Step]) -> Step:
    settings = {"recipe": recipe_.model_dump(mode="json", exclude={"workers"})}
    inputs = tuple(step.name for step in evaluations)
    return Step("report", f"{FUNCTIONS}:report", inputs, settings, _packs(recipe_))


def text_only_benchmarks(recipe_: Recipe) -> list[str]:
    """The recipe's benchmarks without pictures, which a bare backbone can take too."""
    return [name for name in recipe_.benchmarks if _definition(name).get("text_only")]


def base(name: str) -> str:
    """Where a base model is: a folder, or the hub's name as it stands.

    Raises:
        InputError: a `miniature/...` model that has not been made.
    """
    if not name.startswith(MINIATURE):
        return name
    from ikusi.miniature import bases

    return str(bases.path(name))


def corpus_path(name: str, study: Path) -> Path:
    """Where a training corpus is: in the study's own data, or where its name says."""
    if name.startswith(MINIATURE):
        return study / "data" / name.removeprefix(MINIATURE)
    return Path(name)


def benchmark_path(corpus: str, data: Path) -> Path:
    """Where a benchmark's corpus is: in a data folder's `benchmarks`, or where its name says."""
    inside = data / "benchmarks" / corpus
    return inside if inside.is_dir() else Path(corpus)


def content(folder: Path) -> str:
    """Fingerprint of a folder's files: names, sizes and the first MiB of each.

    A whole read would take minutes for a model of 8 billion parameters, at every start.
    """
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            start = hashlib.sha256(file.read(BYTES_READ)).hexdigest()
        found.append([path.relative_to(folder).as_posix(), path.stat().st_size, start])
    return artifact.fingerprint(found)


def _uses_miniature(recipe_: Recipe) -> bool:
    stages = [recipe_.stages.align.corpus, recipe_.stages.instruct.corpus]
    names = [*stages, recipe_.text_only.corpus, *recipe_.benchmarks]
    return any(name.startswith(MINIATURE) for name in names)


def _made(*names: str) -> tuple[str, ...]:
    return ("data",) if any(name.startswith(MINIATURE) for name in names) else ()


def _corpora(*names: str) -> dict[str, str]:
    """Contents of the corpora that the study does not make itself."""
    given = [name for name in names if not name.startswith(MINIATURE)]
    for name in given:
        if not Path(name).is_dir():
            raise InputError(f"{name}: expected the folder of a corpus, found none")
    return {name: content(Path(name)) for name in given}


def _models(*names: str) -> dict[str, str]:
    """Contents of base models; for one on the hub its name must do."""
    places = {name: Path(base(name)) for name in names}
    return {name: content(place) if place.is_dir() else name for name, place in places.items()}


def _packs(recipe_: Recipe) -> dict[str, str]:
    codes = (recipe_.source_language, recipe_.language)
    return {f"language {code}": artifact.fingerprint(language.load(code)) for code in codes}


def _definitions(names: Sequence[str]) -> dict[str, str]:
    return {f"benchmark {name}": artifact.fingerprint(_definition(name)) for name in names}


def _definition(name: str) -> dict[str, Any]:
    path = recipe.BENCHMARKS / f"{name}.yaml"
    definition: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return definition


def _languages(recipe_: Recipe) -> dict[str, str]:
    return {"language_code": recipe_.language, "source_code": recipe_.source_language}


def _measured(recipe_: Recipe, names: Sequence[str]) -> dict[str, Any]:
    return {
        "benchmarks": list(names),
        "bootstrap": recipe_.bootstrap,
        "seed": recipe_.seed,
        **_languages(recipe_),
    }
