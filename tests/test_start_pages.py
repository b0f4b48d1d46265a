"""The pages to start from: their commands run, on what a study leaves behind.

The study itself and the translation, which take longer, are run by `.ci/run`.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from compare.studies import Folder, even, picture
from ikusi import cli
from ikusi.data.corpus import Corpus, CorpusWriter
from publish import studied
from test_readme import ROOT, shell_commands

START = ROOT / "docs" / "start"
RECIPE = "recipes/emoji-eu-quick.yaml"
LLM = "tiny"
STUDY = Path("studies/emoji-eu-quick")
SMALLER = {"evaluate": ["--limit", "8", "--bootstrap", "20"], "chat": ["--max-new-tokens", "4"]}
ELSEWHERE = {
    "study rehearse=true": "study/test_paper_recipes.py::test_a_rehearsal_goes_to_the_report",
    "annotate serve": "annotate/test_serving.py::test_an_answer_outlives_a_server_that_is_killed",
    "publish --to emoji-study": "publish/test_study.py::test_a_release_of_a_study_is_made_once",
    "report emoji-study": "publish/test_study.py::test_a_report_on_the_release_has_the_figures_and",
    "publish --private": "publish/test_push.py::test_a_new_repo_may_be_private_and_a_branch_of_its",
}
"""Commands of the pages, by the words that they have, and the test that runs their like."""


def commands(page: str) -> Iterator[list[str]]:
    """Arguments of `ikusi` on a page that are tried here, the study itself left out."""
    for program, *words in shell_commands(START / f"{page}.md"):
        elsewhere = any(set(other.split()) <= set(words) for other in ELSEWHERE)
        if program == "ikusi" and not elsewhere and words != ["study", RECIPE]:
            yield [*words, *SMALLER.get(words[0], [])]


def run(page: str) -> None:
    for words in commands(page):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.argv", ["ikusi", *words])
            with pytest.raises(SystemExit) as end:
                cli.main()
        assert not end.value.code, words


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder where a study has run, with two models of its kind and captions like its own."""
    folder = tmp_path_factory.mktemp("start")
    bases = folder / "bases"
    studied.save_bases(bases, LLM)
    parts = [f"vision={bases / studied.ENCODER}", f"backbones.english={bases / LLM}"]
    sizes = ["image_aspect=pad", "grid.ratios=[0,0.8]", "benchmarks=[miniature/vqa]"]
    study = Folder(folder / STUDY, [*parts, *sizes], name="emoji-eu-quick", pictures=34)
    study.draw()
    study.measure(even)
    study.train()
    for name in ("english-eu000", "english-eu080"):
        studied.fuse(bases, folder / STUDY / "instruct" / name / "checkpoint", LLM)
    write_captions(folder / STUDY / "data" / "captions")
    shutil.copytree(ROOT / "recipes", folder / "recipes")
    Image.new("RGB", (64, 48), "green").save(folder / "photo.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


def write_captions(folder: Path) -> None:
    with CorpusWriter(folder, "caption", ["en", "eu"]) as writer:
        for number in range(4):
            writer.add_image(str(number), picture(number), "png", 80, 80, "drawn by a test")
            texts = {"en": {"text": f"{number} cats."}, "eu": {"text": f"{number} katu."}}
            writer.add_row(str(number), str(number), texts)


@pytest.mark.system
@pytest.mark.slow
def test_a_study_is_planned_watched_and_asked(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("study")
    assert "english-eu080" in capsys.readouterr().out


def test_the_last_check_runs_the_study_itself_and_the_page_to_start_a_translation() -> None:
    """From pictures to a report, and from the captions of that study to their translation."""
    assert ["ikusi", "study", RECIPE] in shell_commands(START / "study.md")
    last = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert f"ikusi study {RECIPE} --studies" in last
    assert "docs/start/translation.md" in last


@pytest.mark.parametrize("words", ELSEWHERE)
def test_what_is_tried_elsewhere_is_on_a_page_and_tried(words: str) -> None:
    given = [set(command) for page in START.glob("*.md") for command in shell_commands(page)]
    assert any(set(words.split()) <= command for command in given)
    path, _, name = ELSEWHERE[words].partition("::")
    assert f"def {name}" in (ROOT / "tests" / path).read_text(encoding="utf-8")


@pytest.mark.system
@pytest.mark.slow
def test_an_annotation_day_ends_with_figures_and_a_corpus(here: Path) -> None:
    run("annotation")
    assert list((here / "judged" / "figures").iterdir())
    assert len(Corpus.open(here / "corpora" / "vqa-checked"))
    assert (here / "people" / "saturday" / "links.json").is_file()


@pytest.mark.system
@pytest.mark.slow
def test_an_evaluation_ends_with_a_comparison(here: Path) -> None:
    run("evaluation")
    assert (here / "measured" / "compared" / "index.html").is_file()


@pytest.mark.system
@pytest.mark.slow
def test_a_release_ends_with_a_list_of_what_would_go(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("release")
    for name in ("emoji-llava", "emoji-captions"):
        assert (here / name / "README.md").is_file()
    assert "model.safetensors" in capsys.readouterr().out
