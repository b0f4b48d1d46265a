"""The origin of a corpus is read from its manifests, and says nothing of the machine."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from ikusi import artifact
from ikusi.data.corpus import CorpusWriter
from ikusi.publish import origins
from publish.chain import make_chain


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_chain(tmp_path_factory.mktemp("chain"))


@pytest.mark.slow
def test_every_step_is_there_with_its_counts_and_reasons(chain: Path) -> None:
    imported, translated, judged = origins.trace(chain)
    assert imported["settings"]["source"] == "table"
    assert (imported["counts"]["rows_in"], imported["counts"]["rows"]) == (4, 3)
    assert list(imported["quarantined"].values()) == [1]
    assert next(iter(imported["quarantined"])).startswith("picture: expected a picture")
    assert (translated["settings"]["language"], translated["counts"]["rows"]) == ("eu", 3)
    assert (judged["counts"]["accepted"], judged["quarantined"]) == (2, {"rejected": 1})


@pytest.mark.slow
def test_nothing_of_the_machine_goes_along(chain: Path) -> None:
    made = origins.trace(chain)
    assert made[1]["settings"]["engine"]["command"] == [Path(sys.executable).name, "program.py"]
    assert str(chain.parent) not in json.dumps(made)
    assert "annotator" not in json.dumps(made) and "Ane" not in json.dumps(made)


@pytest.mark.slow
def test_a_step_whose_folder_is_gone_ends_the_way_back(chain: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(chain, tmp_path / "alone")
    record = json.loads((copy / "manifest.json").read_text(encoding="utf-8"))
    record["settings"]["corpus"] = str(tmp_path / "gone")
    (copy / "manifest.json").write_text(json.dumps(record), encoding="utf-8")
    assert [step["kind"] for step in origins.trace(copy)] == ["annotate apply"]


def test_a_folder_that_names_itself_is_read_to_an_end(tmp_path: Path) -> None:
    about = {"corpus": str(tmp_path / "rows")}
    with artifact.write_folder(
        tmp_path / "rows", fingerprint="a", kind="translate", settings=about
    ):
        pass
    assert len(origins.trace(tmp_path / "rows")) == origins.LONGEST


def test_a_corpus_of_a_program_has_no_steps_but_may_have_a_licence(tmp_path: Path) -> None:
    with CorpusWriter(tmp_path / "rows", "caption", ["en"]) as writer:
        writer.add_row("1", None, {"en": {"text": "a cat"}})
    assert origins.trace(tmp_path / "rows") == []
    assert origins.list_uses([]) == []
    (use,) = origins.list_uses([], "CC BY 4.0")
    assert (use.role, use.licence.license) == ("data", "cc-by-4.0")


def test_licences_come_from_data_sets_their_pictures_and_translators() -> None:
    made = [
        {"kind": "data import", "settings": {"source": "cc3m"}},
        {"kind": "translate", "settings": {"engine": {"model": "HiTZ/Latxa-Llama-3.1-70B"}}},
        {"kind": "data import", "settings": {"source": "cc3m"}},
    ]
    uses = origins.list_uses(made)
    assert [(use.role, use.licence.id) for use in uses] == [
        ("data", "conceptual-captions"),
        ("pictures", "web-pictures"),
        ("translator", "llama3.1"),
    ]
    assert origins.list_uses(made, "mine")[0].stated == "mine"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("/home/ane/a/1.jpg: expected a picture", "1.jpg: expected a picture"),
        ("expected /scratch/x/y.tar to its end", "expected y.tar to its end"),
        ("~/corpora/mine", "mine"),
        (r"C:\Users\Ane\a.png", "a.png"),
        ("https://host.eu/a/b.jpg", "https://host.eu/a/b.jpg"),
        ("org/name", "org/name"),
        ("1/2 and 3/4", "1/2 and 3/4"),
    ],
)
def test_of_a_place_on_a_disk_the_last_name_is_kept(text: str, left: str) -> None:
    assert origins.strip_places(text) == left
