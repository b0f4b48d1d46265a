"""The page as a reader gets it: whole, self-contained, true to the rows, and the same each time."""

import csv
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from compare.studies import Folder
from data_rows import coloured
from ikusi.compare import findings
from ikusi.compare.reading import Study
from ikusi.errors import InputError
from ikusi.recipe import Run
from ikusi.report import figures, page

pytestmark = pytest.mark.slow

QUICK = "emoji-eu-quick"
EMPTY_TAGS = {"meta", "img", "br", "link", "input", "hr"}


def skill(run: Run | None, bench: str, code: str) -> float:
    if run is None:
        return 0.7
    if code == "en":
        return 0.4 if run.ratio == 1 else 0.8
    return 0.5 + 0.2 * min(run.ratio, 0.2) / 0.2 + 0.05 * run.text_only


class Page(HTMLParser):
    """Content of a page: its tags with their attributes, its text, and whether tags are closed."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in EMPTY_TAGS:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "path", "svg", "g", "defs"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages without figures, which take most of the time: for tests of words alone."""
    monkeypatch.setattr(figures, "draw_all", lambda study: [])


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the paper's 16 runs."""
    root = tmp_path_factory.mktemp("full")
    made = Folder(root / "study", pictures=12)
    made.draw()
    made.train()
    made.measure(skill)
    page.write(root / "study", root / "report")
    return root / "report"


@pytest.fixture(scope="module")
def partial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small study, stopped half way."""
    root = tmp_path_factory.mktemp("partial")
    made = Folder(root / "study", name=QUICK, pictures=10)
    made.draw()
    made.train()
    made.measure(skill, only=["english-eu000", "english-eu020"])
    page.write(root / "study", root / "report")
    return root


def rows(report: Path, name: str) -> list[dict[str, str]]:
    with (report / "tables" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_page_needs_nothing_else(full: Path) -> None:
    read = Page(full / "index.html")
    assert not read.all("script") and not read.all("link")
    sources = [image["src"] or "" for image in read.all("img")]
    assert len(sources) == 12 and all(source.startswith("data:image/") for source in sources)
    assert re.findall(r"(?:url\(|@import|src=\"|href=\")(?!#|data:)([^)\"]*)", read.source) == [
        "https://arxiv.org/abs/2511.09396"
    ]


def test_the_page_is_well_formed(full: Path) -> None:
    read = Page(full / "index.html")
    assert read.open == []
    ids = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    wanted = set(re.findall(r"(?:url\(#|href=\"#|labelledby=\")([^)\"]+)", read.source))
    assert wanted <= set(ids)


def test_the_page_can_be_heard(full: Path) -> None:
    """Every picture, figure and table says in words what it is."""
    read = Page(full / "index.html")
    assert all(image["alt"] for image in read.all("img"))
    panels = [a for tag, a in read.tags if tag == "div" and a.get("role") == "img"]
    assert len(panels) == 6 + 4 + 4 + 3 + 1
    assert all("Score" in str(a["aria-label"]) or "loss" in str(a["aria-label"]) for a in panels)
    assert len(read.all("table")) == len(read.all("caption"))
    assert {a.get("lang") for a in read.all("span")} >= {"eu", "en"}


def test_words_of_rows_are_shown_as_they_are(full: Path) -> None:
    read = Page(full / "index.html")
    assert "I <do not> know & cannot say" in read.text
    assert "test <drawings>" in read.text


def test_a_miss_and_a_hit_differ_by_sign_not_by_colour_alone(full: Path) -> None:
    source = (full / "index.html").read_text(encoding="utf-8")
    assert '<span class="right"><span aria-label="right">✓</span>' in source
    assert '<span class="wrong"><span aria-label="wrong">✗</span>' in source


def test_figures_are_files_too(full: Path) -> None:
    names = {path.name for path in (full / "figures").iterdir()}
    kinds = ["figure2-mixtures", "figure3-text-only", "figure4-unseen", "figure5-training"]
    kinds.append("forgetting")
    assert names == {f"{kind}.{suffix}" for kind in kinds for suffix in ("svg", "png")}
    with Image.open(full / "figures" / "figure2-mixtures.png") as image:
        assert image.width >= 2000
    for path in (full / "figures").glob("*.svg"):
        assert "<text" not in path.read_text(encoding="utf-8")  # letters are paths


def test_tables_hold_every_score(full: Path) -> None:
    found = rows(full, "scores")
    runs = 16 * 2 * (4 * 4 + 2)  # four benchmarks in three ways and together, one in one way
    assert len(found) == runs + 2 * 2 * 2
    one = next(
        row
        for row in found
        if (row["run"], row["benchmark"], row["language"], row["unseen"])
        == ("english-eu100", "miniature/capqa", "en", "all")
    )
    assert one["n"] == "36" and one["chance"] == "0.25"
    assert float(one["low"]) <= float(one["score"]) <= float(one["high"])
    assert float(one["score"]) == pytest.approx(0.4, abs=0.15)
    assert len(rows(full, "findings")) == 8
    assert {row["step"] for row in rows(full, "steps")} >= {"data", "align/english"}


def test_the_answer_is_computed(full: Path) -> None:
    text = Page(full / "index.html").text
    best = max(rows(full, "in-short")[:4], key=lambda row: float(row["eu"]))
    assert f"{float(best['eu']):.2f} with {best['target_share']} % Basque" in text
    verdicts = [row["verdict"] for row in rows(full, "findings")]
    assert verdicts[5] == "not tested"
    assert f"{verdicts.count('supported')} supported" in text


def test_of_models_trained_once_the_page_says_so_and_shows_no_seeds(full: Path) -> None:
    text = Page(full / "index.html").text
    assert "each run was trained once" in text and "How much is the seed" not in text
    assert not (full / "tables/seeds.csv").exists()
    with (full / "tables/scores.csv").open(encoding="utf-8", newline="") as file:
        assert "seed" not in next(csv.reader(file))


def test_a_mean_that_holds_a_benchmark_at_guessing_says_so(tmp_path: Path, bare: None) -> None:
    def skill(run: Run | None, bench: str, code: str) -> float:
        return 0.25 if bench == "miniature/capqa" else 0.9

    changes = ["grid.ratios=[0, 1]", "benchmarks=[miniature/vqa, miniature/capqa]"]
    made = Folder(tmp_path, changes, name=QUICK, pictures=36)
    made.measure(skill)
    page.write(tmp_path, tmp_path / "report")
    text = Page(tmp_path / "report" / "index.html").text
    said = re.search(
        r"These means include scores that are no better than guessing: ([^.]*\.)", text
    )
    assert said is not None
    title = Study(tmp_path).benchmarks["miniature/capqa"].title
    assert said[1].startswith(f"{title}, english (0")
    made.measure(lambda run, bench, code: 0.95)
    page.write(tmp_path, tmp_path / "better")
    assert "no better than guessing" not in Page(tmp_path / "better" / "index.html").text


def test_pictures_that_were_trained_on_are_not_called_new(tmp_path: Path, bare: None) -> None:
    train = tmp_path / "train"
    changes = [f"stages.{stage}.corpus={train}" for stage in ("align", "instruct")]
    changes += ["grid.ratios=[0, 1]", "grid.text_only=[false]"]
    changes += ["benchmarks=[miniature/vqa, miniature/capqa]"]
    made = Folder(tmp_path / "study", changes, name=QUICK, pictures=2)
    made.draw()
    made.measure(skill)

    def text() -> str:
        page.write(tmp_path / "study", tmp_path / "report")
        return Page(tmp_path / "report" / "index.html").text

    coloured(train, "instruction", ["red"])
    new, title = text(), Study(tmp_path / "study").benchmarks["miniature/vqa"].title
    assert "about new pictures" in new and "rained on as well" not in new
    shutil.copytree(tmp_path / "study/data/benchmarks/vqa", train, dirs_exist_ok=True)
    seen = text()
    assert "about new pictures" not in seen and "Asked in Basque about pictures" in seen
    assert seen.count(f"Trained on as well: 6 of the 6 pictures of {title}.") == 2, "lead, table"
    allowed = Folder(tmp_path / "study", [*changes, "seen_pictures=[miniature/vqa]"], name=QUICK)
    assert allowed.recipe.seen_pictures
    shutil.rmtree(train)
    gone = text()
    assert "about new pictures" not in gone
    assert gone.count(f"Pictures of {title} may have been trained on.") == 2


def test_a_grid_that_leaves_runs_out_says_whose_means_it_shows(tmp_path: Path, bare: None) -> None:
    made = Folder(tmp_path / "study", ["benchmarks=[miniature/aokvqa]"], "emoji-eu-demo", 10)
    shares = {0: 0.5, 0.2: 0.6, 0.8: 0.8, 1: 0.7}
    made.measure(
        lambda run, bench, code: shares[run.ratio] if run and run.backbone == "adapted" else 0.1
    )
    text = Page(page.write(tmp_path / "study", tmp_path / "report")).text
    assert "with 80 % Basque" in text
    assert "models made from the backbone adapted without text-only rows" in text
    assert "In short: mean score over the close-ended benchmarks and the backbone adapted" in text
    assert "no better than guessing" not in text, "the English one is not in these means"


def test_a_study_under_way_says_what_is_missing(partial: Path) -> None:
    text = Page(partial / "report" / "index.html").text
    assert "2 of 4 runs are measured" in text
    assert "english-eu080: trained, not measured" in text
    assert "english-backbone: not measured" in text
    assert "The recipe's grid has one backbone" in text


def test_the_same_study_gives_the_same_bytes(partial: Path) -> None:
    first, second = partial / "report", partial / "again"
    page.write(partial / "study", second)
    made = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert len(made) > 8
    assert all((first / path).read_bytes() == (second / path).read_bytes() for path in made)


def test_a_study_of_another_language_names_it(tmp_path: Path, bare: None) -> None:
    swapped = ["language=en", "source_language=eu"]
    overrides = [*swapped, "grid.ratios=[0,1]", "benchmarks=[miniature/capqa]"]
    made = Folder(tmp_path / "study", overrides, name=QUICK, pictures=4)
    made.measure(skill)
    text = Page(page.write(tmp_path / "study", tmp_path / "report")).text
    assert "How much English does a model need to see?" in text
    assert "no runs with 20 % English" in text


def test_a_study_with_nothing_measured_has_a_page(tmp_path: Path) -> None:
    Folder(tmp_path / "study")
    text = Page(page.write(tmp_path / "study", tmp_path / "report")).text
    assert "0 of 16 runs are measured" in text
    assert "Nothing is measured yet." in text


def test_an_evaluation_older_than_its_model_is_left_out(tmp_path: Path) -> None:
    made = Folder(tmp_path, name=QUICK, pictures=4)
    made.train()
    made.measure(skill, only=["english-eu000", "english-eu020"])
    path = tmp_path / "evaluate/english-eu020/manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(manifest | {"inputs": {"instruct/english-eu020": "older"}}))
    read = Study(tmp_path)
    assert list(read.evaluations) == ["english-eu000"]
    assert read.missing["english-eu020"] == "measured before instruct/english-eu020 changed"


def test_an_evaluation_that_lacks_a_benchmark_of_the_recipe_is_left_out(tmp_path: Path) -> None:
    before = Folder(tmp_path, ["benchmarks=[miniature/vqa]"], name=QUICK, pictures=4)
    before.measure(skill, only=["english-eu000"])
    Folder(tmp_path, name=QUICK)
    assert Study(tmp_path).missing["english-eu000"] == "measured without miniature/aokvqa"


def test_a_folder_that_is_no_study_is_told_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected the folder of a study, found no recipe\.yaml"):
        page.write(tmp_path, tmp_path / "report")


def test_damaged_results_are_told_in_a_line(tmp_path: Path) -> None:
    made = Folder(tmp_path, name=QUICK, pictures=4)
    made.measure(skill, only=["english-eu000"])
    (tmp_path / "evaluate/english-eu000/results.json").write_text("{")
    with pytest.raises(InputError, match=r"english-eu000/results\.json: expected the results of"):
        Study(tmp_path)


def test_runs_that_were_asked_different_questions_are_not_compared(tmp_path: Path) -> None:
    for run, pictures in (("english-eu080", 4), ("english-eu100", 5)):
        Folder(tmp_path, name=QUICK, pictures=pictures).measure(skill, only=[run])
    with pytest.raises(
        InputError, match="expected the same questions in english-eu080, english-eu100"
    ):
        findings.examine(Study(tmp_path))
