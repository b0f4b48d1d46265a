"""Paths of all parts of a study, and names of its steps: only this module knows them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

MINIATURE = "miniature/"  # how the names of corpora and benchmarks begin that a study makes

HUB = "hub:"  # how the names of corpora begin that are published on the hub

CORPORA = Path("corpora")
"""Where imported and translated corpora are kept, in the docs and recipes."""

DATA, REPORT = "data", "report"  # steps that a study has once
ALIGN, INSTRUCT, FEATURES, EVALUATE = "align", "instruct", "features", "evaluate"  # kinds of steps
MERGE = "merge"
MODELS = (INSTRUCT, MERGE)  # kinds of steps that make a model which is measured

CHECKPOINT, SUMMARY, METRICS = "checkpoint", "summary.json", "metrics.jsonl"  # of a training
RESULTS, ROWS = "results.json", "rows.parquet"  # of an evaluation; the first also of the study


def name_align_step(backbone: str) -> str:
    """The step that aligns a backbone."""
    return f"{ALIGN}/{backbone}"


def name_instruct_step(run: str) -> str:
    """The step that trains a run."""
    return f"{INSTRUCT}/{run}"


def name_merge_step(model: str) -> str:
    """The step that makes a model of others."""
    return f"{MERGE}/{model}"


def name_evaluate_step(model: str) -> str:
    """The step that measures a run, a merged model, or a `bare` backbone."""
    return f"{EVALUATE}/{model}"


def name_bare(backbone: str) -> str:
    """The name of a backbone as a model that is measured before any training on pictures."""
    return f"{backbone}-backbone"


def name_features_step(corpus: str) -> str:
    """The step that keeps the features of a corpus's pictures."""
    return f"{FEATURES}/{corpus}"


def is_step(name: str) -> bool:
    """Whether what a manifest names as an input is a step, and not a model, a corpus, a pack."""
    return name.startswith((DATA, ALIGN, INSTRUCT, MERGE, EVALUATE))


def list_data_steps(*names: str) -> tuple[str, ...]:
    """The step that makes the study's own data, if any of these corpora or benchmarks is of it."""
    return (DATA,) if any(name.startswith(MINIATURE) for name in names) else ()


def locate_corpus(name: str) -> Path:
    """The folder of a corpus that no study makes, `hub:ORG/NAME@REVISION` included.

    >>> locate_corpus("hub:org/name@v1").name
    'org--name@v1'
    """
    if not name.startswith(HUB):
        return Path(name)
    import platformdirs

    place = name.removeprefix(HUB).replace("/", "--")
    return platformdirs.user_cache_path("ikusi") / "corpora" / place


def list_places(name: str, languages: Sequence[str], data: Path = CORPORA) -> Iterator[Path]:
    """Folders in which the corpus of a benchmark may be: in `data` and in `corpora`, as
    `benchmarks/NAME`, `NAME` and `NAME-LANGUAGE` (where a translation is kept), and as NAME
    itself; for a published one, its own folder alone."""
    if not name.startswith(HUB):
        for folder in dict.fromkeys((data, CORPORA)):
            yield folder / "benchmarks" / name
            yield folder / name
            yield from (folder / f"{name}-{code}" for code in languages)
    yield locate_corpus(name)


def describe_absence(name: str) -> str:
    """Say that a corpus is not where it should be, and how to bring one of the hub."""
    if name.startswith(HUB):
        return f"{name}: expected it here, found none yet: `ikusi data import {name}` brings it"
    return f"{name}: expected the folder of a corpus, found none"


@dataclass(frozen=True)
class StudyFolder:
    """The folder of a study; nothing of it need exist yet."""

    root: Path

    @classmethod
    def around(cls, place: Path) -> StudyFolder | None:
        """The study that a folder or file is part of, if it is part of any."""
        holding = (cls(folder) for folder in place.resolve().parents)
        return next((study for study in holding if study.recipe.exists()), None)

    @property
    def recipe(self) -> Path:
        """The recipe, written out in full."""
        return self.root / "recipe.yaml"

    @property
    def results(self) -> Path:
        """The results of all evaluations together."""
        return self.root / RESULTS

    @property
    def data(self) -> Path:
        """The corpora that the study makes itself."""
        return self.step(DATA)

    @property
    def attribution(self) -> Path:
        """The file that names the makers of the pictures and words of these corpora."""
        return self.data / "ATTRIBUTION.md"

    @property
    def page(self) -> Path:
        """The report's page."""
        return self.step(REPORT) / "index.html"

    def step(self, name: str) -> Path:
        """The folder of a step."""
        return self.root / name

    def log(self, name: str) -> Path:
        """The log of a step."""
        return self.root / "logs" / f"{name}.log"

    def job(self, name: str) -> Path:
        """The folder with the task of a step's processes, and their progress."""
        return self.root / "jobs" / name.replace("/", "-")

    def corpus(self, name: str) -> Path:
        """A corpus that is trained on: of the study's own data, or where its name says."""
        if name.startswith(MINIATURE):
            return self.data / name.removeprefix(MINIATURE)
        return locate_corpus(name)

    def kind(self, place: Path) -> str:
        """The kind of the step that a folder or file of this study belongs to."""
        return place.resolve().relative_to(self.root.resolve()).parts[0]


def locate_checkpoint(folder: Path) -> Path:
    """The model in a run's folder; a folder that is a model itself is left as it is."""
    inside = folder / CHECKPOINT
    return inside if inside.is_dir() else folder


def locate_evaluation(folder: Path) -> Path:
    """The folder of a run's evaluation; any other folder is returned as it is."""
    run = folder.resolve()
    beside = StudyFolder(run.parent.parent).step(name_evaluate_step(run.name))
    return beside if run.parent.name in MODELS and beside.is_dir() else folder


def name_model(model: str) -> str:
    """The name of a model's results: the model's own, or STUDY-RUN for a run of a study.

    >>> name_model("studies/emoji-eu/instruct/english-eu020/checkpoint")
    'emoji-eu-english-eu020'
    >>> name_model("llava-hf/llava-1.5-7b-hf")
    'llava-hf--llava-1.5-7b-hf'
    """
    parts = [part for part in Path(model).parts if part not in (".", "..", "/", CHECKPOINT)]
    if not {ALIGN, *MODELS}.isdisjoint(parts[1:-1]):
        return f"{parts[-3]}-{parts[-1]}"
    return "--".join(parts) if not Path(model).exists() else parts[-1]
