"""A corpus is released whole, read by what reads data, and made again of its release."""

import hashlib
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from compare.studies import Folder
from data.rows.test_faults import GOOD
from data_rows import coloured, picture
from ikusi import artifact, disk
from ikusi.data import corpus as corpora
from ikusi.data import judged, released, restoring
from ikusi.data.corpus import Corpus, CorpusWriter
from ikusi.errors import InputError
from ikusi.publish import data, features, tables
from ikusi.publish.release import publish
from publish.chain import CODES, NOTE, make_chain, write_corpus

PLACE = "/scratch/somebody/photos/2.png"


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows and pictures in several row groups, each in a file of its own."""
    monkeypatch.setattr(corpora, "ROWS_IN_GROUP", 2)
    monkeypatch.setattr(corpora, "IMAGES_IN_GROUP", 2)
    monkeypatch.setattr(tables, "SHARD_BYTES", 1)


def list_bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.parquet")}


@pytest.mark.parametrize("row_type", GOOD)
def test_a_corpus_of_any_type_comes_back_equal(
    row_type: str, tmp_path: Path, in_parts: None
) -> None:
    corpus = write_corpus(tmp_path / "rows", row_type)
    counts = data.publish_corpus(corpus.folder, tmp_path / "made")
    assert (counts["rows"], counts["images"], counts["files"]) == (5, 2, 3 * 3 + 1)
    back = restoring.restore(str(tmp_path / "made"), tmp_path / "back")
    assert back == {"rows_in": 5, "rows": 5, "quarantined": 0, "images": 2}
    again = Corpus.open(tmp_path / "back")
    assert list_bytes(again.folder) == list_bytes(corpus.folder)
    assert again.content(CODES) == corpus.content(CODES)
    assert again.row("gl", 3)["flags"] == ["length: 3"] and again.row("gl", 3)["score"] == 3 / 8


def test_languages_whose_tables_are_cut_otherwise_come_back_together(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "rows", "caption", rows=7)
    wanted = {code: corpus.table(code) for code in CODES}
    pq.write_table(wanted["eu"], tmp_path / "rows" / "eu.parquet", row_group_size=3)
    pq.write_table(wanted["gl"], tmp_path / "rows" / "gl.parquet", row_group_size=2)
    data.publish_corpus(corpus.folder, tmp_path / "made")
    restoring.restore(str(tmp_path / "made"), tmp_path / "back")
    again = Corpus.open(tmp_path / "back")
    assert {code: again.table(code) for code in CODES} == wanted


def test_pictures_are_stored_once_and_not_touched(tmp_path: Path, in_parts: None) -> None:
    corpus = write_corpus(tmp_path / "rows", "vqa", rows=9)
    data.publish_corpus(corpus.folder, tmp_path / "made")
    files = sorted((tmp_path / "made" / "images").iterdir())
    assert [path.name for path in files] == [f"train-{n:05}-of-00002.parquet" for n in range(2)]
    held = [row for path in files for row in pq.read_table(path).to_pylist()]
    assert [row["image_id"] for row in held] == ["p0", "p2", "p4", "p6"]
    for row in held:
        assert row["image"]["bytes"] == corpus.image_bytes(row["image_id"])
        assert hashlib.sha256(row["image"]["bytes"]).hexdigest() == row["sha256"]
    assert not list((tmp_path / "made" / "data").rglob("*image*"))


def test_the_features_are_those_that_the_datasets_library_would_write() -> None:
    import datasets

    for row_type in GOOD:
        schema = corpora.row_types.load(row_type).schema
        wanted = datasets.Features.from_arrow_schema(schema)
        told = features.describe_features(schema)
        assert datasets.Features.from_arrow_schema(told) == wanted
    shown = datasets.Features.from_arrow_schema(features.describe_features(released.HELD))
    assert shown["image"] == datasets.Image()


@pytest.mark.slow
def test_the_snippets_of_the_card_show_pictures_as_pictures(
    tmp_path: Path, in_parts: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    import datasets
    from PIL.Image import Image

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    corpus = write_corpus(tmp_path / "rows", "instruction")
    data.publish_corpus(corpus.folder, tmp_path / "made")
    card = (tmp_path / "made" / "README.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for snippet in re.findall(r"```python\n(.*?)```", card, re.DOTALL):
        exec(snippet, names)
    assert isinstance(names["image"], Image) and names["image"].size == (8, 8)
    assert names["rows"].to_list() == corpus.table("en").to_pylist()
    streamed = datasets.load_dataset("made", "images", split="train", streaming=True)
    assert [row["image"].size for row in streamed] == [(8, 8), (10, 10)]
    assert datasets.get_dataset_config_names("made") == [*CODES, "images"]
    with pytest.raises(ValueError, match="BuilderConfig 'fr' not found"):
        datasets.load_dataset("made", "fr")


def test_the_card_configures_every_table(tmp_path: Path, in_parts: None) -> None:
    corpus = write_corpus(tmp_path / "rows", "choice")
    data.publish_corpus(corpus.folder, tmp_path / "made", licence="CC BY 4.0", split="test")
    _, header, text = (tmp_path / "made" / "README.md").read_text("utf-8").split("---\n", 2)
    told = yaml.safe_load(header)
    assert told["license"] == "cc-by-4.0" and told["language"] == list(CODES)
    assert told["task_categories"] == ["visual-question-answering", "multiple-choice"]
    for config in told["configs"]:
        (files,) = config["data_files"]
        assert files["split"] == "test" and list((tmp_path / "made").glob(files["path"]))
    assert "5 rows of the type choice about 2 pictures" in text


@pytest.mark.slow
def test_the_card_says_how_the_corpus_was_made(tmp_path: Path) -> None:
    made = make_chain(tmp_path)
    data.publish_corpus(made, tmp_path / "out", licence="CC BY 4.0")
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "| imported: table | 4 | 3 | 1 | 0 |" in card
    assert "| translated: into eu | 3 | 3 | 0 |" in card
    assert "| judged by people | 3 | 2 | 1 |" in card
    assert re.search(r"\| imported: table \| picture: expected a picture \| 1 \|", card)
    assert "66.7% accepted as it was" in card and "from 3 items" in card
    assert "config_name: eu\n  default: true" in card
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file():
            held = path.read_bytes()
            assert str(tmp_path).encode() not in held, path
            assert NOTE.encode() not in held, path
    back = tmp_path / "back"
    restoring.restore(str(tmp_path / "out"), back)
    assert judged.read_accepted(back) == judged.read_accepted(made)
    assert judged.read(back)["one"] == judged.read(made)["one"]
    data.publish_corpus(back, tmp_path / "again", licence="CC BY 4.0")
    first, second = (released.read_about(tmp_path / name).made for name in ("out", "again"))
    assert second[:-1] == first and second[-1]["settings"] == {"release": "out"}


def test_where_files_lay_is_not_told(tmp_path: Path) -> None:
    write_corpus(tmp_path / "rows", "caption", source=PLACE)
    data.publish_corpus(tmp_path / "rows", tmp_path / "made")
    held = pq.read_table(next((tmp_path / "made" / "images").iterdir()))
    assert held["source"].to_pylist() == ["2.png", "2.png"]


def test_what_is_no_place_on_a_disk_stays_as_it_was(tmp_path: Path) -> None:
    for number, source in enumerate(("https://host.eu/a/2.png", "photos/2.png", "a b/c")):
        write_corpus(tmp_path / f"rows-{number}", "caption", source=source)
        data.publish_corpus(tmp_path / f"rows-{number}", tmp_path / f"made-{number}")
        held = pq.read_table(next((tmp_path / f"made-{number}" / "images").iterdir()))
        assert held["source"].to_pylist() == [source, source]


class StoppedError(Exception):
    pass


def test_a_killed_release_goes_on_with_the_files_that_are_whole(
    tmp_path: Path, in_parts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = write_corpus(tmp_path / "rows", "vqa")
    written: list[str] = []
    real = tables.write_file

    def write(path: Path, *rest: Any) -> released.File:
        if len(written) == 4:
            path.with_name(f".{path.name}.1.tmp").write_bytes(b"torn")
            raise StoppedError
        written.append(path.name)
        return real(path, *rest)

    monkeypatch.setattr(data, "write_file", write)
    with pytest.raises(StoppedError):
        data.publish_corpus(corpus.folder, tmp_path / "made")
    assert not (tmp_path / "made").exists()
    partial = tmp_path / "made.partial"
    with (partial / data.WRITTEN).open("a", encoding="utf-8") as file:
        file.write('["data/eu/tr')  # a line that was cut

    def go_on(path: Path, *rest: Any) -> released.File:
        written.append(path.name)
        return real(path, *rest)

    monkeypatch.setattr(data, "write_file", go_on)
    counts = data.publish_corpus(corpus.folder, tmp_path / "made")
    assert len(written) == counts["files"] == 10
    data.publish_corpus(corpus.folder, tmp_path / "at-once", hub_name="made")
    assert list_all(tmp_path / "made") == list_all(tmp_path / "at-once")


def list_all(folder: Path) -> dict[str, bytes]:
    """Every file but the manifest, which says when it was made."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "manifest.json")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_nothing_is_made_anew_until_something_changes(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "rows", "open")
    data.publish_corpus(corpus.folder, tmp_path / "made")
    before = (tmp_path / "made" / "manifest.json").read_bytes()
    data.publish_corpus(corpus.folder, tmp_path / "made")
    assert (tmp_path / "made" / "manifest.json").read_bytes() == before
    data.publish_corpus(corpus.folder, tmp_path / "made", split="test")
    assert list((tmp_path / "made" / "images").glob("test-*"))


def test_addresses_instead_of_pictures(tmp_path: Path, in_parts: None) -> None:
    corpus = write_corpus(tmp_path / "rows", "caption", source="https://host.eu/1.png")
    data.publish_corpus(corpus.folder, tmp_path / "made", pictures="url")
    for path in (tmp_path / "made").rglob("*"):
        assert not path.is_file() or picture() not in path.read_bytes()
    (table,) = (pq.read_table(path) for path in (tmp_path / "made" / "images").iterdir())
    assert table.column_names == released.LISTED.names
    assert table["source"].to_pylist() == ["https://host.eu/1.png"] * 2
    assert table["sha256"][0].as_py() == hashlib.sha256(picture()).hexdigest()


def test_pictures_without_an_address_are_counted(tmp_path: Path) -> None:
    for number, source in enumerate(("photos/1.png", "https://host.eu/1.png")):
        write_corpus(tmp_path / f"rows-{number}", "caption", source=source)
        done = publish(tmp_path / f"rows-{number}", tmp_path / "a", of_data={"pictures": "url"})
        assert [line.partition(":")[0] for line in done.to_do] == (
            [] if number else ["2 pictures are not in it and have no address"]
        )


class Web:
    """A fetcher that finds some of the pictures, as a ledger tells it."""

    def __init__(self, found: dict[str, bytes]) -> None:
        self.found, self.wanted = found, dict[str, str | None]()

    def __call__(self, wanted: Any) -> "Web":
        self.wanted = {one.url: one.sha256 for one in wanted}
        return self

    def picture(self, url: str) -> bytes | None:
        return self.found.get(url)

    def find_decoded(self, url: str) -> None:
        return None

    def reason(self, url: str) -> str | None:
        return None if url in self.found else "gone"

    def find_repeated(self, least: int) -> dict[str, int]:
        return {}


def test_pictures_behind_addresses_come_back_and_dead_ones_are_counted(tmp_path: Path) -> None:
    pictures = {f"https://host.eu/{side}.png": picture(side=side) for side in (8, 9)}
    with CorpusWriter(tmp_path / "rows", "caption", ["en", "eu"]) as writer:
        for number, (url, found) in enumerate(pictures.items()):
            writer.add_image(f"p{number}", found, "png", 8 + number, 8 + number, url)
            text = {"text": f"photo {number}", "flags": ["odd"], "score": 0.5, "translator": "x"}
            writer.add_row(f"r{number}", f"p{number}", {"en": {"text": "a"}, "eu": text})
        writer.add_row("alone", None, {"en": {"text": "a"}, "eu": {"text": "b"}})
    data.publish_corpus(tmp_path / "rows", tmp_path / "made", pictures="url")
    web = Web(pictures)
    restoring.restore(str(tmp_path / "made"), tmp_path / "back", fetcher=web)
    assert web.wanted == {url: hashlib.sha256(found).hexdigest() for url, found in pictures.items()}
    one, two = Corpus.open(tmp_path / "rows"), Corpus.open(tmp_path / "back")
    assert one.content(["en", "eu"]) == two.content(["en", "eu"])
    del web.found["https://host.eu/9.png"]
    counts = restoring.restore(str(tmp_path / "made"), tmp_path / "less", fetcher=web)
    assert (counts["rows_in"], counts["rows"], counts["quarantined"]) == (3, 2, 1)
    assert counts["quarantined: picture: gone"] == 1
    assert Corpus.open(tmp_path / "less").ids == ["r0", "alone"]


def test_a_licence_decides_whether_pictures_go_along(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "rows", "caption", source="https://host.eu/1.png")
    for source, held in (("cc3m", "url"), ("bertaqa", "inline")):
        record = {"kind": "data import", "fingerprint": "a", "counts": {}, "inputs": {}}
        record |= {"settings": {"source": source}, "files": {}}
        artifact.write_json(corpus.folder / "manifest.json", record)
        data.publish_corpus(corpus.folder, tmp_path / source)
        assert released.read_about(tmp_path / source).pictures == held
    artifact.write_json(corpus.folder / "manifest.json", record | {"settings": {"source": "cc3m"}})
    with pytest.raises(InputError, match="--allow web-pictures"):
        data.publish_corpus(corpus.folder, tmp_path / "held", pictures="inline")
    data.publish_corpus(
        corpus.folder, tmp_path / "held", pictures="inline", allowed=["web-pictures"]
    )
    assert "Released nevertheless" in (tmp_path / "held" / "README.md").read_text("utf-8")


@pytest.mark.slow
def test_a_corpus_of_the_miniature_names_who_made_it(tmp_path: Path) -> None:
    study = Folder(tmp_path / "study", name="emoji-eu-quick", pictures=2)
    study.draw()
    corpus = study.path / "data" / "benchmarks" / "vqa"
    data.publish_corpus(corpus, tmp_path / "made")
    credit = (study.path / "data" / "ATTRIBUTION.md").read_bytes()
    assert (tmp_path / "made" / "ATTRIBUTION.md").read_bytes() == credit
    card = (tmp_path / "made" / "README.md").read_text(encoding="utf-8")
    assert "unicode-3.0" in card and "the miniature's" in card
    data.publish_corpus(shutil.copytree(corpus, tmp_path / "copy"), tmp_path / "alone")
    assert not (tmp_path / "alone" / "ATTRIBUTION.md").exists()


@pytest.mark.parametrize(
    ("name", "spoil", "told"),
    [
        ("images/train-00000-of-00001.parquet", lambda b: b[:-9] + b"x" + b[-8:], "SHA-256"),
        ("data/eu/train-00000-of-00001.parquet", lambda b: b"", "SHA-256"),
        ("data/eu/train-00000-of-00001.parquet", None, "expected a file of the release"),
        ("release.json", lambda b: b.replace(b'"format": 1', b'"format": 2'), "format: expected 1"),
        ("release.json", lambda b: b.replace(b'"data/en/', b'"../data/en/'), "below its folder"),
        ("release.json", lambda b: b.replace(b'"rows": 5,\n  "images"', b'"rows": 6,\n  "images"'),
         "expected 6 rows"),
        ("release.json", lambda b: b.replace(b'"corpus"', b'"model"'), "kind"),
    ],
)  # fmt: skip
def test_a_release_that_is_not_what_it_says_is_refused(
    name: str, spoil: Callable[[bytes], bytes] | None, told: str, tmp_path: Path
) -> None:
    write_corpus(tmp_path / "rows", "vqa")
    data.publish_corpus(tmp_path / "rows", tmp_path / "made")
    path = tmp_path / "made" / name
    before = path.read_bytes()
    if spoil is None:
        path.unlink()
    else:
        assert spoil(before) != before
        path.write_bytes(spoil(before))
    with pytest.raises(InputError, match=re.escape(told)):
        restoring.restore(str(tmp_path / "made"), tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_a_spoiled_row_is_not_released(tmp_path: Path) -> None:
    write_corpus(tmp_path / "rows", "caption")
    path = tmp_path / "rows" / "gl.parquet"
    rows = pq.read_table(path).to_pylist()
    rows[2]["text"] = " "
    pq.write_table(pq.read_table(path).from_pylist(rows, pq.read_schema(path)), path)
    with pytest.raises(InputError, match=r"gl\.parquet: row r2: text: expected text"):
        data.publish_corpus(tmp_path / "rows", tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_a_language_called_as_the_table_of_pictures_is_refused(tmp_path: Path) -> None:
    with CorpusWriter(tmp_path / "rows", "open", ["images"]) as writer:
        writer.add_row("1", None, {"images": {"question": "?"}})
    with pytest.raises(InputError, match="languages: expected codes, found images"):
        data.publish_corpus(tmp_path / "rows", tmp_path / "made")


def test_a_corpus_without_pictures_has_no_table_of_them(tmp_path: Path) -> None:
    corpus = coloured(tmp_path / "rows", "vqa", [None, None])
    data.publish_corpus(corpus, tmp_path / "made")
    assert list(released.read_about(tmp_path / "made").tables) == ["en", "eu"]
    assert not (tmp_path / "made" / "images").exists()
    restoring.restore(str(tmp_path / "made"), tmp_path / "back")
    assert Corpus.open(tmp_path / "back").content(["en"]) == Corpus.open(corpus).content(["en"])


def test_an_output_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    corpus = coloured(tmp_path / "rows", "vqa", ["red"])
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.txt").write_text("a")
    with pytest.raises(InputError, match="expected a new or empty folder"):
        data.publish_corpus(corpus, tmp_path / "mine")


def test_a_full_disk_is_one_line_and_the_release_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = coloured(tmp_path / "rows", "vqa", ["red"])

    def flush(path: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(disk, "flush", flush)
        with pytest.raises(InputError, match="expected room on the disk"):
            data.publish_corpus(corpus, tmp_path / "made")
    assert not (tmp_path / "made").exists()
    data.publish_corpus(corpus, tmp_path / "made")
    shutil.rmtree(tmp_path / "made")
