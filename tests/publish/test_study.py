"""A study as a release: anybody computes the same figures from it, and knows nobody's name."""

import filecmp
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from huggingface_hub import DatasetCard

from compare.studies import Folder, even
from ikusi import artifact, cli, judgements, recipe
from ikusi.annotate.store import open_store
from ikusi.compare.reading import Study
from ikusi.errors import InputError
from ikusi.judgements.judgement import Judgement, format_time
from ikusi.publish import guard, push
from ikusi.publish.release import name_thing, publish
from ikusi.publish.study import publish_study
from ikusi.report import drawing, page

pytestmark = pytest.mark.slow

PEOPLE = ("Ane Etxeberria", "Miren")
BENCH = "miniature/wildvision"


DRAWN = "figure2-mixtures"
"""The one figure that is drawn; of the others the files hold what they show, in words."""


@pytest.fixture(scope="module", autouse=True)
def quick_figures() -> Iterator[None]:
    """Drawing all figures takes seconds, and tests of reports do."""
    draw = drawing.write

    def write(figure: drawing.Figure, folder: Path) -> list[Path]:
        if figure.name == DRAWN:
            return draw(figure, folder)
        folder.mkdir(parents=True, exist_ok=True)
        told = [figure.title, figure.caption, *(panel.alt for panel in figure.panels)]
        (folder / f"{figure.name}.txt").write_text("\n".join(told))
        return []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "write", write)
        patch.setattr(drawing, "to_svg", lambda panel, name: panel.alt)
        yield


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with results, trainings, corpora, and judgements of two people and a model."""
    root = tmp_path_factory.mktemp("made")
    for place, name in enumerate(PEOPLE):
        judgements.append(root / "said", _judge(name, place))
    judgements.append(root / "said", _judge("judge-7b", 0, "model"))
    changes = ["grid.ratios=[0,0.2]", f"judgements=[{root / 'said'}]"]
    changes.append("benchmarks=[miniature/vqa,miniature/wildvision]")  # drawing takes seconds
    made = Folder(root / "study", changes, name="emoji-eu-quick", pictures=8)
    made.draw()
    made.measure(even)
    made.train()
    manifest = made.path / "instruct" / "english-eu020" / "manifest.json"
    record = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**record, "inputs": {str(root / "corpora" / "ama"): "0"}}))
    return made.path


def _judge(rater: str, place: int, kind: str = "person") -> list[Judgement]:
    return [
        Judgement(
            benchmark=BENCH,
            language="eu",
            id=f"drawing-{number:05d}",
            task="compare",
            rater=rater,
            kind=kind,  # type: ignore[arg-type]
            left="english-eu000",
            right="english-eu020",
            verdict=("A", "B", "tie")[(number + place) % 3],
            note=f"as {rater} thinks",
            made=format_time(datetime(2026, 11, 29, tzinfo=UTC)),
        )
        for number in range(0, 24, 3)
    ]


@pytest.fixture(scope="module")
def release(study: Path) -> Path:
    return publish_study(study, study.parent / "released").folder


def test_a_report_on_the_release_has_the_figures_and_tables_of_the_study(
    study: Path, release: Path, tmp_path: Path
) -> None:
    """The one that lies in the release was made from it alone."""
    page.write(study, tmp_path / "own")
    for part in ("tables", "figures"):
        own, other = tmp_path / "own" / part, release / "report" / part
        names = sorted(path.name for path in own.iterdir())
        assert len(names) > 3 and names == sorted(path.name for path in other.iterdir())
        assert filecmp.cmpfiles(own, other, names, shallow=False)[0] == names


def test_what_the_report_needs_of_corpora_is_kept_without_them(study: Path, release: Path) -> None:
    own, other = Study(study), Study(release)
    assert dict(other.corpora()) == dict(own.corpora()) != {}
    assert other.overlaps == own.overlaps
    (release / "corpora.json").rename(release / "aside.json")
    assert not dict(Study(release).corpora())
    (release / "aside.json").rename(release / "corpora.json")


def test_rows_results_and_what_trainings_took_go_along(study: Path, release: Path) -> None:
    step = "evaluate/english-eu020"
    for file in ("rows.parquet", "results.json"):
        assert filecmp.cmp(study / step / file, release / step / file, shallow=False)
    assert (release / "instruct/english-eu020/metrics.jsonl").is_file()
    assert not list(release.rglob("*.safetensors")) and not list(release.rglob("images-*"))


def test_people_are_under_code_names_and_without_notes(study: Path, release: Path) -> None:
    said = list(judgements.read(release / "judgements" / "said"))
    own = list(judgements.read(study.parent / "said"))
    assert len(said) == len(own) == 24
    assert {one.rater for one in said} == {"person-1", "person-2", "judge-7b"}
    assert [one.verdict for one in said] == [one.verdict for one in own]
    assert {one.note for one in said if one.kind == "person"} == {""}
    assert {one.note for one in said if one.kind == "model"} == {"as judge-7b thinks"}
    guard.check_folder(release, [*PEOPLE, str(study.parent)])
    assert recipe.load(release / "recipe.yaml").judgements == ["judgements/said"]


def test_the_card_is_read_by_the_hub_and_names_the_rows(release: Path) -> None:
    card = DatasetCard.load(release / "README.md")
    assert card.data.language == ["eu", "en"] and card.data.tags == ["ikusi", "evaluation"]
    (rows,) = card.data.to_dict()["configs"]
    assert list(release.glob(rows["data_files"]))
    assert "24 judgements by 3 raters" in card.text and "answers of models made from" in card.text


def test_the_rows_are_a_data_set_that_opens(release: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    table = datasets.load_dataset(str(release), cache_dir=str(tmp_path))["train"]
    results = json.loads((release / "evaluate/english-eu020/results.json").read_text())
    asked = sum(groups["all"]["n"] for each in results.values() for groups in each.values())
    assert len(table) == 2 * asked


def test_a_release_of_a_study_is_made_once(study: Path, release: Path) -> None:
    before = (release / "README.md").stat().st_mtime_ns
    assert name_thing(study) == "study"
    assert publish(study, release).folder == release
    assert (release / "README.md").stat().st_mtime_ns == before
    with pytest.raises(InputError, match="with: expected nothing"):
        publish(study, release, forms=["llm"])


def test_the_command_lists_what_would_be_uploaded(
    study: Path, release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["publish", str(study), "--to", str(release), "--dry-run"])
    assert not end.value.code
    shown = capsys.readouterr().out
    assert "evaluate/english-eu020/rows.parquet" in shown and "README.md" in shown
    files = push.list_files(release)
    assert f"in {len(files)} files" in shown
    assert not {"manifest.json", "report/.ikusi.json"} & files.keys()
    # The report needs those of the steps.
    assert "evaluate/english-eu020/manifest.json" in files


def test_new_judgements_make_it_anew(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "write", lambda *given: None)  # drawing takes seconds
    first = publish_study(study, tmp_path / "out").folder
    before = (artifact.read_manifest(first) or {})["fingerprint"]
    judgements.append(study.parent / "said", _judge("Zuriñe", 1))
    publish_study(study, tmp_path / "out")
    assert (artifact.read_manifest(first) or {})["fingerprint"] != before
    assert "person-3" in (first / "judgements/said/judgements.jsonl").read_text()


def test_a_study_without_results_is_refused(tmp_path: Path) -> None:
    made = Folder(tmp_path / "study", name="emoji-eu-quick")
    with pytest.raises(InputError, match="expected a study with results"):
        publish_study(made.path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_name_that_a_rater_has_entered_is_refused_wherever_a_judgement_has_it(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "write", lambda *given: None)  # drawing takes seconds
    store = open_store(study.parent / "said")
    store.enter("annotator-1", name="judge-7b")
    store.close()
    with pytest.raises(InputError, match=r"judgements\.jsonl:17: .*the name of a person") as error:
        publish_study(study, tmp_path / "out")
    assert "judge-7b" not in str(error.value) and not (tmp_path / "out").exists()
