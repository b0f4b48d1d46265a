"""Importing a data set: counts that add up, samples, pictures, and doing nothing twice."""

import hashlib
import io
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image

from data.sources.hub import jpeg, lines, zipped
from data.sources.test_pixmo import AMA, ama, capqa
from ikusi import artifact
from ikusi.data.corpus import Corpus
from ikusi.data.images import decode_and_describe
from ikusi.data.importing import import_corpus
from ikusi.errors import InputError


def table(folder: Path, rows: int, **changes: dict[str, Any]) -> Path:
    """Captions of a picture each, in a ZIP; `row_3={...}` changes a row."""
    made = [{"id": f"r{n}", "image": f"{n}.jpg", "text": f"Cat {n}."} for n in range(rows)]
    for name, change in changes.items():
        made[int(name.removeprefix("row_"))] |= change
    zipped(folder / "images.zip", {f"{n}.jpg": jpeg(n) for n in range(rows)})
    return lines(folder / "rows.jsonl", made)


def imported(path: Path, folder: Path, **settings: Any) -> tuple[dict[str, int], Corpus]:
    counts = import_corpus("table", folder, path, row_type="caption", **settings)
    return counts, Corpus.open(folder)


def adds_up(counts: dict[str, int]) -> bool:
    for whole, part in (("quarantined", "quarantined: "), ("left_out", "left out: ")):
        if counts[whole] != sum(n for name, n in counts.items() if name.startswith(part)):
            return False
    return counts["rows_in"] == counts["rows"] + counts["quarantined"] + counts["left_out"]


def quarantine(folder: Path) -> dict[str, str]:
    rows = pq.read_table(folder / "quarantine.parquet").to_pylist()
    return {row["id"]: row["reason"] for row in rows}


def test_rows_and_pictures_become_a_corpus(tmp_path: Path) -> None:
    path = table(tmp_path, 4, row_2={"image": "1.jpg"}, row_3={"image": None})
    told: list[int] = []
    counts, corpus = imported(path, tmp_path / "corpus", progress=told.append)
    assert counts == {"rows_in": 4, "rows": 4, "images": 2, "quarantined": 0, "left_out": 0}
    assert corpus.ids == ["r0", "r1", "r2", "r3"] and told == [1, 2, 3, 4]
    assert corpus.image_ids == ["0.jpg", "1.jpg", "1.jpg", None]
    assert corpus.row("en", 2)["text"] == "Cat 2."
    assert corpus.image_bytes("1.jpg") == jpeg(1)
    stored = pq.read_table(tmp_path / "corpus" / "images-00000.parquet").to_pylist()[1]
    assert (stored["format"], stored["width"], stored["source"]) == ("jpeg", 8, "images.zip/1.jpg")


def test_bad_rows_and_dead_pictures_are_set_aside_with_their_reasons(tmp_path: Path) -> None:
    broken: dict[str, dict[str, Any]] = {
        "row_1": {"text": None},
        "row_2": {"image": "lost.jpg"},
        "row_3": {"id": "r0"},
    }
    broken |= {"row_4": {"image": "cut.jpg"}, "row_5": {"image": "cut.jpg"}}
    broken |= {"row_6": {"text": " "}, "row_7": {"image": "bomb.png"}, "row_8": {"text": "\udc00"}}
    path = table(tmp_path, 10, **broken)
    bomb = io.BytesIO()
    Image.new("1", (9000, 9000)).save(bomb, "PNG")
    whole = {f"{n}.jpg": jpeg(n) for n in range(10)}
    zipped(
        tmp_path / "images.zip",
        whole | {"cut.jpg": jpeg()[:300], "bomb.png": bomb.getvalue()},
    )
    counts, corpus = imported(path, tmp_path / "corpus")
    assert adds_up(counts) and corpus.ids == ["r0", "r9"]
    reasons = quarantine(tmp_path / "corpus")
    assert reasons["r1"] == "text: expected a value, found none"
    assert reasons["r2"].startswith("picture: expected a file in the archive, found none: lost.jpg")
    assert reasons["r0"] == "expected a new id, found it twice"
    assert reasons["r4"] == reasons["r5"] and reasons["r4"].startswith("picture: expected a pict")
    assert reasons["r6"].startswith("en: text: expected text")
    assert reasons["r7"].startswith("picture: expected at most 64000000 pixels")
    assert counts["quarantined: picture: expected a picture"] == 2
    assert counts["images"] == 3  # the picture of the row with a taken id is stored
    rows = pq.read_table(tmp_path / "corpus" / "quarantine.parquet").to_pylist()
    kept = next(row["row"] for row in rows if row["id"] == "r2")
    assert json.loads(kept)["texts"] == {"en": {"text": "Cat 2."}}


def test_nothing_is_done_twice_and_a_change_is_seen(tmp_path: Path) -> None:
    path = table(tmp_path, 3)
    first, _ = imported(path, tmp_path / "corpus")
    made = (tmp_path / "corpus" / "manifest.json").stat().st_mtime_ns
    told: list[int] = []
    again, _ = imported(path, tmp_path / "corpus", progress=told.append)
    assert again == first and told == []
    assert (tmp_path / "corpus" / "manifest.json").stat().st_mtime_ns == made
    table(tmp_path, 5)
    grown, corpus = imported(path, tmp_path / "corpus")
    assert grown["rows"] == len(corpus) == 5
    assert imported(path, tmp_path / "corpus", limit=2)[0]["rows"] == 2
    settings = (artifact.read_manifest(tmp_path / "corpus") or {})["settings"]
    assert settings["source"] == "table" and settings["limit"] == 2


def loose(folder: Path) -> tuple[Path, Path]:
    """Two captions of pictures that lie beside their table."""
    folder.mkdir()
    for name in ("a.jpg", "b.jpg"):
        (folder / name).write_bytes(jpeg(ord(name[0])))
    rows = [{"id": name, "image": f"{name}.jpg", "text": f"Cat {name}."} for name in "ab"]
    return folder, lines(folder / "rows.jsonl", rows)


def test_other_pictures_or_words_of_the_same_size_and_time_are_seen(tmp_path: Path) -> None:
    folder, path = loose(tmp_path / "mine")
    imported(path, tmp_path / "corpus")
    for name, data in (("a.jpg", jpeg(7)), ("rows.jsonl", path.read_bytes().replace(b"C", b"R"))):
        stat = (folder / name).stat()
        (folder / name).write_bytes(data)
        os.utime(folder / name, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        _, corpus = imported(path, tmp_path / "corpus")
    assert corpus.image_bytes("a.jpg") == jpeg(7) != jpeg(ord("a"))
    assert corpus.row("en", 0)["text"] == "Rat a."


def test_a_dead_picture_that_was_mended_is_seen_and_one_that_is_gone_is_kept(
    tmp_path: Path,
) -> None:
    folder, path = loose(tmp_path / "mine")
    whole = (folder / "b.jpg").read_bytes()
    (folder / "b.jpg").write_bytes(whole[:100])
    assert imported(path, tmp_path / "corpus")[0]["quarantined"] == 1
    assert imported(path, tmp_path / "corpus")[0]["quarantined"] == 1
    (folder / "b.jpg").write_bytes(whole)
    assert imported(path, tmp_path / "corpus")[0]["rows"] == 2
    (folder / "b.jpg").unlink()
    assert imported(path, tmp_path / "corpus")[0]["rows"] == 2


def test_a_copied_download_with_new_times_is_not_imported_again(tmp_path: Path) -> None:
    folder, path = loose(tmp_path / "mine")
    imported(path, tmp_path / "corpus")
    copied = shutil.copytree(folder, tmp_path / "there", copy_function=shutil.copyfile)
    told: list[int] = []
    imported(copied / "rows.jsonl", tmp_path / "corpus", progress=told.append)
    assert told == []


def test_an_imported_corpus_that_lost_a_file_is_imported_anew(tmp_path: Path) -> None:
    path = table(tmp_path, 3)
    first, _ = imported(path, tmp_path / "corpus")
    for lost in ("en.parquet", "corpus.json"):
        (tmp_path / "corpus" / lost).unlink()
        again, corpus = imported(path, tmp_path / "corpus")
        assert again == first and len(corpus) == 3


def test_a_limit_counts_rows_that_can_be_read(tmp_path: Path) -> None:
    path = table(tmp_path, 6, row_0={"text": None})
    counts, corpus = imported(path, tmp_path / "corpus", limit=2)
    assert corpus.ids == ["r1", "r2"] and counts["rows_in"] == 3 and adds_up(counts)


def test_a_sample_is_in_order_and_reads_only_its_own_pictures(tmp_path: Path) -> None:
    path = table(tmp_path, 40)
    counts, corpus = imported(path, tmp_path / "one", sample=10)
    assert adds_up(counts) and counts["rows"] == counts["images"] == 10
    assert counts["left out: not in the sample"] == 30
    assert corpus.ids == sorted(corpus.ids, key=lambda id: int(id[1:]))
    assert imported(path, tmp_path / "two", sample=10)[1].ids == corpus.ids
    assert imported(path, tmp_path / "three", sample=10, seed=1)[1].ids != corpus.ids


class Web:
    """Pictures that a fetcher brought, and what it was asked for."""

    def __init__(self, **pages: bytes) -> None:
        self.pages = {f"https://p.example/{name}": data for name, data in pages.items()}
        self.asked: list[tuple[str, str | None]] = []

    def __call__(self, wanted: Iterable[Any]) -> "Web":
        self.asked += [(one.url, one.sha256) for one in wanted]
        return self

    def picture(self, url: str) -> bytes | None:
        return self.pages.get(url)

    def reason(self, url: str) -> str | None:
        return None if url in self.pages else "expected status 200, found 404"

    def find_decoded(self, url: str) -> None:
        return None

    def find_repeated(self, least: int) -> dict[str, int]:
        counts = Counter(hashlib.sha256(data).hexdigest() for data in self.pages.values())
        return {digest: count for digest, count in counts.items() if count >= least}


def test_pictures_behind_urls_are_fetched_and_dead_links_told(tmp_path: Path) -> None:
    links = [f"https://p.example/{name}" for name in "abac"]
    rows = [ama(image_url=link, question=f"{n}?") for n, link in enumerate(links)]
    web = Web(a=jpeg(1), c=b"<html>")
    path = lines(tmp_path / "rows.jsonl", rows)
    counts = import_corpus("pixmo_ama", tmp_path / "corpus", path, fetcher=web)
    assert adds_up(counts) and counts["rows"] == 2 and counts["images"] == 1
    assert counts["quarantined: picture: expected status 200"] == 1
    assert counts["quarantined: picture: expected a picture"] == 1
    assert web.asked == [(link, "ab" * 32) for link in links] and set(AMA) == set(rows[0])


def test_one_picture_behind_many_urls_is_told_and_droppable(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As servers answer for all that is no longer available."""
    rows = [ama(image_url=f"https://p.example/{name}", question=f"{n}?")
            for n, name in enumerate("abcdea")]  # fmt: skip
    web = Web(a=jpeg(1), b=jpeg(1), c=jpeg(1), d=jpeg(90), e=jpeg(200))
    path = lines(tmp_path / "rows.jsonl", rows)
    counts = import_corpus("pixmo_ama", tmp_path / "corpus", path, fetcher=web)
    assert (counts["rows"], counts["images"], counts["images_repeated"]) == (6, 5, 3)
    assert "3 URLs gave pictures that another gave, too; the same one came from 3" in caplog.text
    assert "https://p.example/a" in caplog.text
    kept = import_corpus("pixmo_ama", tmp_path / "corpus", path, fetcher=web, drop_repeated=3)
    assert adds_up(kept) and kept["rows"] == 2 and "images_repeated" not in kept
    assert kept["quarantined: picture: expected one of its own"] == 4
    caplog.clear()
    counts = import_corpus("pixmo_ama", tmp_path / "c", path, fetcher=web, drop_repeated=4)
    assert counts["rows"] == 6 and caplog.text


def test_a_sample_fetches_only_what_it_chose(tmp_path: Path) -> None:
    answers = ["Yes"] * 30 + ["No"] * 6 + ["It is red."] * 4
    rows = [
        capqa(f"[USER] {n}?", answer, image_url=f"https://p.example/{n}")
        for n, answer in enumerate(answers)
    ]
    web = Web(**{str(n): jpeg(n) for n in range(40)})
    path = lines(tmp_path / "rows.jsonl", rows)
    counts = import_corpus("pixmo_capqa", tmp_path / "corpus", path, sample=12, fetcher=web)
    assert adds_up(counts) and len(web.asked) == 12
    corpus = Corpus.open(tmp_path / "corpus")
    said = [corpus.row("en", place)["answer"] for place in range(len(corpus))]
    assert said.count(0) == said.count(1) == 6
    assert counts["left out: no question of yes or no"] == 4


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"source": "tabel"}, "source: expected one of"),
        ({"limit": 0}, "limit: expected 1 or more, found 0"),
        ({"sample": -1}, "sample: expected 1 or more, found -1"),
        ({"colums": {}}, r"source table: colums: expected a known key.*did you mean columns"),
        ({"row_type": "song"}, r"row_type: expected caption, choice, .* or vqa, found song"),
    ],
)
def test_wrong_settings_are_told_before_anything_is_read(
    tmp_path: Path, settings: dict[str, Any], told: str
) -> None:
    asked: dict[str, Any] = {
        "source": "table",
        "folder": tmp_path / "corpus",
        "row_type": "caption",
    } | settings
    with pytest.raises(InputError, match=told):
        import_corpus(**asked)


def test_a_table_of_another_data_set_is_no_empty_corpus(tmp_path: Path) -> None:
    path = table(tmp_path, 3)
    with pytest.raises(InputError, match=r"expected a good one, found none of 3: .*question_id"):
        import_corpus("vqav2", tmp_path / "corpus", path)
    assert not (tmp_path / "corpus").exists()


def test_the_pictures_of_a_joined_set_are_stored_once(tmp_path: Path) -> None:
    from datasets import Features

    from data.sources.test_parallel import CHOICES, choice, splits

    rows = [choice(str(n), "['a', 'b']", "1") for n in range(3)]
    splits(tmp_path / "set", dict(Features(CHOICES)), en=rows, eu=rows[:2])
    counts = import_corpus("aokvqa_eu", tmp_path / "corpus", tmp_path / "set")
    assert adds_up(counts) and (counts["rows"], counts["images"]) == (2, 1)
    assert counts["quarantined: eu: expected the same id"] == 1
    assert Corpus.open(tmp_path / "corpus").languages == ["en", "eu"]


def test_a_picture_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the import, or by whoever fetched it: never by both."""
    data = jpeg(1)
    about = hashlib.sha256(data).hexdigest(), decode_and_describe(data)[1]

    class Decoded(Web):
        def find_decoded(self, url: str) -> Any:
            return about

    opened: list[None] = []
    plain = Image.open

    def count(*words: Any, **settings: Any) -> Image.Image:
        opened.append(None)
        return plain(*words, **settings)

    monkeypatch.setattr(Image, "open", count)
    imported(table(tmp_path, 3), tmp_path / "local")
    assert len(opened) == 3
    path = lines(tmp_path / "ama.jsonl", [ama(image_url="https://p.example/a")])
    for place, web, times in (("new", Web(a=data), 1), ("known", Decoded(a=data), 0)):
        opened.clear()
        import_corpus("pixmo_ama", tmp_path / place, path, fetcher=web)
        assert len(opened) == times
