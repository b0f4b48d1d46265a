"""Things are found by name, and a new one is one file: nothing else knows of it."""

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import warm
from compare.studies import Folder
from ikusi import catalogue
from ikusi.answer import engines
from ikusi.answer.engine import Asked
from ikusi.catalogue import Files, Modules
from ikusi.compare import findings
from ikusi.compare.reading import Study
from ikusi.data import sources
from ikusi.data.corpus import Corpus
from ikusi.errors import InputError
from ikusi.evaluate import benchmark
from translate.jobs import OFF, numbered

ROOT = Path(__file__).parents[1]

Add = Callable[[Modules[Any], str, str], None]


@pytest.fixture
def add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Add]:
    """Adds a module to a package where things are found, until the test ends."""
    added: list[tuple[Modules[Any], str]] = []

    def write(found: Modules[Any], name: str, text: str) -> None:
        folder = tmp_path / "added" / found.package
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.py").write_text(text)
        package = importlib.import_module(found.package)
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
        vars(found).pop("every", None)
        added.append((found, name))

    yield write
    for found, name in added:
        vars(found).pop("every", None)
        sys.modules.pop(f"{found.package}.{name}", None)


def run_with(package: str, module: Path, script: str, *arguments: object) -> str:
    """Run a script in a process of its own, where a package has one module more."""
    folder = module.parent
    begin = f"import {package} as package\npackage.__path__.append({str(folder)!r})\n"
    process = warm.Command(["-c", begin + script, *map(str, arguments)], os.environ)
    out, err = process.communicate()
    assert process.returncode == 0, err
    return out


def test_ones_own_file_hides_the_packaged_one(tmp_path: Path) -> None:
    for place in ("mine/a", "mine/sub/b", "theirs/a", "theirs/c"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{place}.yaml").touch()
    files = Files("thing", [tmp_path / "mine", tmp_path / "theirs"])
    assert files.names() == ["a", "c", "sub/b"]
    assert files.find("a") == tmp_path / "mine" / "a.yaml"
    assert files.find("c") == tmp_path / "theirs" / "c.yaml"
    assert files.find("anywhere/d.yaml") == Path("anywhere/d.yaml")
    with pytest.raises(InputError) as refused:
        files.find("sub/d")
    told = "thing: expected one of a, c, sub/b, found sub/d (did you mean sub/b?)"
    assert str(refused.value) == told


def test_two_things_of_one_name_are_a_fault(add: Add) -> None:
    text = "from ikusi.data.sources.vqav2 import SOURCES as THEIRS\n"
    text += "from dataclasses import replace\nSOURCES = [replace(THEIRS[0], about='another')]\n"
    add(sources.REGISTRY, "twin", text)
    with pytest.raises(ValueError, match="two are called vqav2"):
        sources.list_sources()


def test_what_a_module_passes_on_is_the_same_thing(add: Add) -> None:
    add(sources.REGISTRY, "again", "from ikusi.data.sources.vqav2 import SOURCES\n")
    assert "vqav2" in sources.REGISTRY.names()


def test_a_name_that_nothing_has_is_told_with_its_nearest() -> None:
    told = str(catalogue.make_unknown_error("metric", "inclusoin", ["inclusion", "coverage"]))
    assert told == (
        "metric: expected one of coverage, inclusion, found inclusoin (did you mean inclusion?)"
    )


SOURCE = """
from ikusi.data.sources.base import Source, SourceRow

def read(origin, options):
    yield SourceRow("1", None, {"en": {"question": "Is it?", "answers": ["yes"]}})

SOURCES = [Source("mine", "one row", "vqa", ("en",), "none", "nowhere", read)]
"""


def test_a_data_set_is_one_file(add: Add) -> None:
    add(sources.REGISTRY, "mine", SOURCE)
    assert [row.id for row in sources.load("mine").read(None, None)] == ["1"]  # type: ignore[arg-type, union-attr]


FINDING = """
from ikusi.compare import evidence
from ikusi.compare.claims import Claim, Claimed, close_ended
from ikusi.compare.evidence import compare

def gather(study, resampling):
    few, many = (study.find_trained("english", share, False) for share in (20, 80))
    sample = evidence.measure_gaps([(many, few)], close_ended(study), study.target.code)
    return Claim("80 % against 20 %", [compare("more", sample, resampling)], [])

FINDINGS = [Claimed("more", 99, "More {target} helps", "Whether it does, by {margin}.", gather)]
"""


def test_a_finding_is_one_file(add: Add, tmp_path: Path) -> None:
    add(findings.REGISTRY, "more", FINDING)
    asked = ["grid.backbones=[english]", "grid.ratios=[0.2,0.8]", "grid.text_only=[false]"]
    made = Folder(tmp_path / "study", [*asked, "benchmarks=[miniature/aokvqa]"], pictures=40)
    made.measure(lambda run, bench, code: run.ratio if run else 0.5)
    found = findings.examine(Study(tmp_path / "study"))
    assert [one.number for one in found][-2:] == [8, 99]
    assert (found[-1].title, found[-1].verdict) == ("More Basque helps", "supported")


ENGINE = """
from ikusi.answer.engine import Reply, Way

class Parrot:
    sees, scores_options, batch_size = False, False, 4

    def __init__(self, asked):
        self.name = asked.model

    def answer(self, queries, pictures):
        return [Reply("", text=query.question) for query in queries]

ENGINES = [Way("parrot", "nowhere", Parrot)]
"""


def test_an_engine_that_answers_is_one_file(add: Add) -> None:
    add(engines.REGISTRY, "parrot", ENGINE)
    opened = engines.open_engine("parrot", Asked("polly", "polly"))
    assert opened.name == "polly"
    with pytest.raises(InputError, match="--url together, found --engine parrot, --url http"):
        engines.open_engine("parrot", Asked("polly", "polly", url="http://x"))
    with pytest.raises(InputError, match=r"--engine: expected one of .*parrot.*, found parot"):
        engines.open_engine("parot", Asked("polly", "polly"))


TRANSLATOR = """
from typing import ClassVar, Literal
from pydantic import Field
from ikusi.translate.contract import Sentence
from ikusi.translate.engines.base import OfSentences

class Shout(OfSentences):
    implementation: ClassVar = f"{__name__}:Shouting"
    kind: Literal["shout"] = Field(description="Shouts.")
    mark: str = Field(description="What it ends with.")

class Shouting:
    name, batch = "shout", 8

    def __init__(self, settings):
        self.kept = settings

    def settings(self):
        return self.kept.model_dump()

    def translate(self, sentences):
        return [Sentence(sentence.upper() + self.kept.mark) for sentence in sentences]

    def close(self):
        pass

ENGINES = [Shout]
"""

TRANSLATE = """
import sys
from ikusi import cli
cli.main(sys.argv[1:])
"""


def translated(tmp_path: Path, package: str, module: str, checks: dict[str, Any]) -> Corpus:
    """A corpus of four captions, translated by a command with one module more."""
    (tmp_path / "added").mkdir()
    path = tmp_path / "added" / "shout.py"
    path.write_text(module)
    numbered(tmp_path / "corpus", "caption", 4)
    engine: dict[str, Any] = {"kind": "shout", "mark": "!"}
    if "checks" in package:
        engine = {"kind": "command", "command": ["tr", "a-z", "A-Z"], "blank_lines": False}
    recipe = {"name": "shout", "language": "eu", "engine": engine, "checks": {**OFF, **checks}}
    (tmp_path / "shout.yaml").write_text(yaml.safe_dump(recipe))
    folders = ["--corpus", tmp_path / "corpus", "--output", tmp_path / "out"]
    run_with(package, path, TRANSLATE, "translate", tmp_path / "shout.yaml", *folders)
    return Corpus.open(tmp_path / "out")


@pytest.mark.slow
def test_an_engine_that_translates_is_one_file(tmp_path: Path) -> None:
    made = translated(tmp_path, "ikusi.translate.engines", TRANSLATOR, {})
    assert made.row("eu", 1)["text"] == "A CAT SITS ON MAT 1!"


CHECK = """
from pydantic import Field
from ikusi.translate.checks.base import Action, Check
from ikusi.yamlfile import Section

class Keys(Section):
    shouting: Action = Field(default="flag", description="All in capitals.")
    shouting_letters: int = Field(default=3, description="Fewest letters.")

def make(given):
    def look(row, texts):
        loud = any(text.isupper() and len(text) >= given.settings.shouting_letters
                   for text in texts)
        return "expected small letters, found none" if loud else None
    return look

CHECKS = [Check("shouting", 55, Keys, make)]
"""


@pytest.mark.slow
@pytest.mark.parametrize(("least", "flags"), [(3, ["shouting"]), (90, [])])
def test_a_check_is_one_file_with_its_settings(
    least: int, flags: list[str], tmp_path: Path
) -> None:
    made = translated(tmp_path, "ikusi.translate.checks", CHECK, {"shouting_letters": least})
    assert made.row("eu", 1)["flags"] == flags


METRIC = """
from ikusi.evaluate.metrics.base import Metric

def brief(answer):
    return float(len(answer.reading.words.split()) <= 2)

METRICS = [Metric("brief", "at most two words", brief)]
"""

BRIEF = """
from ikusi import language
from ikusi.evaluate import benchmark, metrics
asked = benchmark.load("mine")
found = metrics.score_text("a red cat", ["cat"], metrics.Normaliser(language.load("en")))
print(asked.primary, found["brief"], found["inclusion_any_token_span"])
print(metrics.describe_metric("brief"))
"""


@pytest.mark.slow
def test_a_metric_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = benchmark.read_content(benchmark.load("miniature/vqa"))
    (tmp_path / "benchmarks").mkdir()
    asked = {**known, "name": "mine", "metric": "brief"}
    (tmp_path / "benchmarks" / "mine.yaml").write_text(yaml.safe_dump(asked))
    (tmp_path / "added").mkdir()
    (tmp_path / "added" / "brief.py").write_text(METRIC)
    monkeypatch.chdir(tmp_path)
    told = run_with("ikusi.evaluate.metrics", tmp_path / "added" / "brief.py", BRIEF)
    assert told == "brief 1.0 1.0\nat most two words\n"
    with pytest.raises(InputError, match=r"metric: expected accuracy or .*, found brief"):
        benchmark.load("mine")


CONNECTOR = """
from ikusi.connectors.base import Connector

CONNECTORS = [Connector("mlp2x_silu", activation="silu")]
"""

ASSEMBLE = """
import sys
from ikusi import recipe
from ikusi.model import fusion
asked = recipe.load(sys.argv[1], ["connector=mlp2x_silu"])
model, _ = fusion.assemble(sys.argv[2], sys.argv[3], connector=asked.connector)
print(model.config.projector_hidden_act, len(fusion.list_connector_parameters(model)))
"""


@pytest.mark.slow
def test_a_connector_is_one_file(tmp_path: Path) -> None:
    from ikusi.miniature.bases import shipped

    (tmp_path / "silu.py").write_text(CONNECTOR)
    models = [shipped.find_model(f"miniature/{name}") for name in ("encoder", "llama-en")]
    recipe = ROOT / "recipes" / "emoji-eu.yaml"
    told = run_with("ikusi.connectors", tmp_path / "silu.py", ASSEMBLE, recipe, *models)
    assert told == "silu 4\n"
