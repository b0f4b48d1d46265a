import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from data_rows import coloured, instruction
from ikusi import recipe, study
from ikusi.data import restoring
from ikusi.data.corpus import Corpus, CorpusWriter
from ikusi.errors import InputError
from ikusi.evaluate import benchmark, corpora
from ikusi.plan import card
from ikusi.plan import planning as plan
from ikusi.plan.card import Hardware
from ikusi.plan.planning import Asked
from ikusi.publish import data
from ikusi.recipe.folder import StudyFolder, locate_corpus
from ikusi.study import needs
from ikusi.study.contents import Contents

ROOT = Path(__file__).parents[2]
EMOJI, BASQUE = ROOT / "recipes/emoji-eu.yaml", ROOT / "recipes/basque-8b.yaml"


def write_text(folder: Path, *languages: str) -> Path:
    with CorpusWriter(folder, "instruction", list(languages)) as writer:
        for number in range(7):
            columns = instruction(number)
            writer.add_row(str(number), None, dict.fromkeys(languages, columns["en"]))
    return folder


def test_the_miniature_lacks_nothing() -> None:
    assert needs.list_missing(recipe.load(EMOJI)) == []


def test_all_that_is_missing_is_named_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    paper = recipe.load(BASQUE)
    lines = needs.list_missing(paper)
    assert [line.split(": ")[0] for line in lines] == [
        paper.vision,
        *paper.backbones.values(),
        *("stages.align.corpus", "stages.instruct.corpus", "text_only.corpus"),
        *paper.benchmarks,
    ]
    with pytest.raises(InputError, match=f"found {len(lines)} missing") as error:
        study.run(paper, tmp_path / "study")
    assert str(error.value).splitlines()[1:] == [f"  {line}" for line in lines]
    assert not (tmp_path / "study").exists()


def test_a_published_corpus_is_named_with_its_revision_and_brought_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    name = "hub:org/name@v1"
    loaded = recipe.load(EMOJI, [f"text_only.corpus={name}", "text_only.rows=7"])
    expected = f"{name}: expected it here, found none yet: `ikusi data import {name}` brings it"
    assert needs.list_missing(loaded) == [f"text_only.corpus: {expected}"]
    with pytest.raises(InputError, match=re.escape(expected)):
        Contents().corpora(name)
    data.publish_corpus(write_text(tmp_path / "text", "en", "eu"), tmp_path / "made")
    restoring.restore(str(tmp_path / "made"), locate_corpus(name))
    assert needs.list_missing(loaded) == []
    assert list(Contents().corpora(name)) == [name]
    assert len(Corpus.open(StudyFolder(tmp_path).corpus(name))) == 7
    with pytest.raises(InputError, match=r"text_only\.corpus: expected hub:ORG/NAME@REVISION"):
        recipe.load(EMOJI, ["text_only.corpus=hub:org/name"])


def test_a_benchmark_asks_a_published_corpus_as_it_asks_one_in_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    name = "hub:org/name@v1"
    (tmp_path / "benchmarks").mkdir()
    for own, corpus in (("there", name), ("here", "made"), ("loose", "hub:org/name")):
        text = f'extends: vqav2.yaml\nname: {own}\ncorpus: "{corpus}"\n'
        (tmp_path / "benchmarks" / f"{own}.yaml").write_text(text, encoding="utf-8")
    loaded = recipe.load(EMOJI, ["benchmarks=[there]"])
    expected = f"there: {name}: expected it here, found none yet: `ikusi data import {name}` brings"
    assert needs.list_missing(loaded) == [f"{expected} it"]
    with pytest.raises(InputError, match=re.escape(expected)):
        Contents().benchmarks(["there"], ["en", "eu"])

    def count(known: dict[str, int]) -> int:
        """Questions of a run, in two languages."""
        asked = Asked(rows=known)
        card_here, study_here = Hardware(card.load("h100"), 1), StudyFolder(tmp_path)
        made = plan.make_plan(loaded, card_here, study_here, asked, [])
        return next(one.work.rows for one in made.lines if one.work.kind == "evaluate")

    assert count({name: 7}) == 2 * 7
    coloured(tmp_path / "corpora/made", "vqa", ["green", "red"])
    data.publish_corpus(tmp_path / "corpora/made", tmp_path / "made")
    restoring.restore(str(tmp_path / "made"), locate_corpus(name))
    shutil.rmtree(tmp_path / "corpora")
    shutil.copytree(locate_corpus(name), tmp_path / "corpora/made")
    assert needs.list_missing(loaded) == []
    read = Contents().benchmarks(["there", "here"], ["en", "eu"])
    assert read["corpus there"] == read["corpus here"]
    assert count({name: 7}) == 2 * 2
    (pair,) = corpora.find([benchmark.load("there")], ["en", "eu"])
    assert (pair[1].folder, len(pair[1])) == (locate_corpus(name), 2)
    with pytest.raises(InputError, match=r"loose.yaml:3: corpus: expected hub:ORG/NAME@REVISION"):
        benchmark.load("loose")


def test_a_text_only_corpus_with_too_few_rows_is_refused_before_anything_runs(
    tmp_path: Path,
) -> None:
    given = f"text_only.corpus={write_text(tmp_path / 'text', 'en', 'eu')}"
    expected = f"text_only.rows: expected at most the 7 rows of {tmp_path / 'text'}, found 8"
    with pytest.raises(InputError, match=re.escape(expected)):
        study.run(recipe.load(EMOJI, [given, "text_only.rows=8"]), tmp_path / "study")
    assert not (tmp_path / "study").exists()
    assert needs.list_missing(recipe.load(EMOJI, [given, "text_only.rows=7"])) == []
    without = recipe.load(EMOJI, [given, "text_only.rows=8", "grid.text_only=[false]"])
    assert needs.list_missing(without) == []


def test_a_corpus_needs_the_languages_that_its_rows_are_to_speak(tmp_path: Path) -> None:
    english = write_text(tmp_path / "text", "en")
    given = [f"text_only.corpus={english}", "text_only.rows=7"]
    assert needs.list_missing(recipe.load(EMOJI, given)) == [
        f"text_only.corpus: {english}: expected eu and en, found en"
    ]
    assert needs.list_missing(recipe.load(EMOJI, [*given, "text_only.ratio=0"])) == []
    assert needs.list_missing(recipe.load(EMOJI, [*given, "text_only.ratio=1"])) == [
        f"text_only.corpus: {english}: expected eu, found en"
    ]


def test_pictures_that_are_asked_about_and_trained_on_are_refused_unless_allowed_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    coloured(tmp_path / "corpora/vqav2", "vqa", ["green", "red", "blue"])
    train = coloured(tmp_path / "train", "instruction", ["red", "blue", "white"])
    given = [f"stages.instruct.corpus={train}", "benchmarks=[vqav2, miniature/vqa]"]
    expected = (
        f"vqav2: expected pictures that are not trained on, found 2 of 3 in {train}, "
        "such as vqav2-red; seen_pictures=[vqav2] allows it"
    )
    with pytest.raises(InputError) as error:
        study.run(recipe.load(EMOJI, given), tmp_path / "study")
    assert str(error.value) == expected
    assert not (tmp_path / "study").exists()
    others = recipe.load(EMOJI, [*given, "seen_pictures=[miniature/vqa]"])
    assert needs.list_missing(others) == [expected]
    assert needs.list_missing(recipe.load(EMOJI, [*given, "seen_pictures=[vqav2]"])) == []
    assert needs.list_missing(recipe.load(EMOJI, [*given, "benchmark_rows=1"])) == []


class _Hub(http.server.BaseHTTPRequestHandler):
    """Answers as the hub does about a gated model and one that is free."""

    def do_GET(self) -> None:  # the name that http.server calls
        name = self.path.partition("?")[0].removeprefix("/api/models/")
        gated = "manual" if name.startswith("org/gated") else False
        about = {"id": name, "gated": gated, "cardData": {"license": "llama3.1"}}
        body = json.dumps(about).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the test's output quiet."""


@pytest.fixture
def hub() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.mark.slow
def test_licences_to_accept_are_named_where_the_hub_can_be_asked(hub: str, tmp_path: Path) -> None:
    code = (
        "from ikusi.model import hub\n"
        "print([hub.describe_licence(f'org/{n}') for n in ('gated', 'free')])"
    )
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub,
        "HF_HUB_OFFLINE": "0",
        "HF_HOME": str(tmp_path),
    }
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    expected = "; accept llama3.1 at https://huggingface.co/org/gated first, then `hf auth login`"
    assert ran.stdout.strip() == str([expected, ""])
