"""Stamps by others, on which the miniature is tested besides its own drawings."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from data.stamps import make_stamps
from ikusi import language, recipe
from ikusi.data.corpus import Corpus
from ikusi.errors import InputError
from ikusi.miniature import benchmarks, corpora
from ikusi.miniature.maker import Maker
from ikusi.miniature.pictures import stamps
from ikusi.miniature.pictures.drawings import Drawings
from ikusi.miniature.pictures.splits import OTHERS, UNSEEN, Splits, split
from ikusi.miniature.words.concepts import select_named
from ikusi.miniature.words.speaker import Speaker
from ikusi.plan.amounts import STAMPS, count_tests
from ikusi.recipe import Miniature
from ikusi.study.contents import Contents
from ikusi.study.steps.miniature import Data
from miniature.conftest import SETTINGS

RECIPE = Path(__file__).parents[2] / "recipes/emoji-eu-demo.yaml"
PICTURED = ("vqa", "aokvqa", "capqa", "wildvision")
FEW = SETTINGS.model_copy(update={"test_scenes": 3})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dog as a photograph, an ant as a drawing, and others that show no concept."""
    made = make_stamps(tmp_path_factory.mktemp("stamps"))
    (made / "town/torn.txt").write_text("A torn house.")
    return made


@pytest.fixture(scope="module")
def all_splits(drawn: Drawings) -> Splits:
    """So many concepts that a dog and an ant are among them."""
    made = split(drawn, 250)
    return replace(made, concepts=select_named(made.concepts, "eu", "en"))


@pytest.fixture(scope="module")
def maker(drawn: Drawings, all_splits: Splits, folder: Path) -> Maker:
    speakers: Mapping[str, Speaker] = {c: Speaker(language.load(c)) for c in ("eu", "en")}
    shown = stamps.load_stamps(all_splits.concepts, folder)
    return Maker(FEW, speakers, drawn, all_splits, shown)


@pytest.fixture(scope="module")
def made(maker: Maker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("made")
    benchmarks.write_benchmarks(maker, place)
    return place


def rows(place: Path, name: str, code: str = "en") -> list[dict[str, object]]:
    return list(Corpus.open(place / name).table(code).to_pylist())


def test_stamps_show_the_concepts_that_their_captions_name(
    all_splits: Splits, folder: Path
) -> None:
    shown = stamps.load_stamps(all_splits.concepts, folder)
    assert [(one.id, one.concept.emoji) for one in shown] == [
        ("animals/ant", "🐜"),
        ("animals/dog", "🐕"),
    ]
    assert {(one.image.shape, one.image.dtype.name) for one in shown} == {((128, 128, 4), "uint8")}


@pytest.mark.parametrize(
    ("caption", "name"),
    [
        ("A red apple.", "red apple"),
        ("An ant!", "ant"),
        ("The Sun.", "sun"),
        ("Some cherries.", "cherries"),
        ("Banana split. ", "banana split"),
        ("Hibiscus", "hibiscus"),
    ],
)
def test_a_name_is_a_caption_without_article_and_mark(caption: str, name: str) -> None:
    assert stamps.read_name(caption) == name


def test_each_stamp_is_asked_about_once_by_each_benchmark(made: Path, maker: Maker) -> None:
    for name in PICTURED:
        own = [row for row in rows(made, name) if row["group"] == OTHERS]
        assert [row["id"] for row in own] == [f"others-{n:05d}" for n in range(len(maker.stamps))]
    asked = {row["task"] for name in PICTURED for row in rows(made, name) if row["group"] == OTHERS}
    assert asked == {"what", "present", "which", "describe"}
    truths = [row["answer"] for row in rows(made, "capqa") if row["group"] == OTHERS]
    assert truths.count(truths[0]) * 2 == len(truths)  # as many yes as no


def test_names_are_the_concepts_in_both_languages(made: Path, maker: Maker) -> None:
    for code in ("en", "eu"):
        asked = [row for row in rows(made, "vqa", code) if row["group"] == OTHERS]
        for row, stamp in zip(asked, maker.stamps, strict=True):
            assert row["answers"] == [maker.speakers[code].name(stamp.concept)]


def test_each_picture_shows_its_own_stamp(maker: Maker, tmp_path: Path) -> None:
    inks = [(200, 0, 0, 255), (0, 0, 200, 255)]
    painted = [
        replace(stamp, image=np.full((128, 128, 4), ink, dtype=np.uint8))
        for stamp, ink in zip(maker.stamps, inks, strict=True)
    ]
    benchmarks.write_benchmarks(replace(maker, stamps=painted), tmp_path)
    size = maker.settings.image_size
    for name in PICTURED:
        corpus = Corpus.open(tmp_path / name)
        one, other = (np.asarray(corpus.image(f"others-{n:05d}")).astype(int) for n in range(2))
        assert one.shape == other.shape == (size, size, 3)
        middle = size // 2, size // 2
        assert one[middle][0] > one[middle][2] + 50 and other[middle][2] > other[middle][0] + 50


def test_other_rows_are_as_without_stamps(made: Path, maker: Maker, tmp_path: Path) -> None:
    benchmarks.write_benchmarks(replace(maker, stamps=()), tmp_path)
    for name in (*PICTURED, "bertaqa"):
        before = rows(tmp_path, name)
        assert [row for row in rows(made, name) if row["group"] != OTHERS] == before
        assert {row["group"] for row in before} == {"knowledge"} or {
            row["group"] for row in before
        } == set(UNSEEN)


def test_a_plan_counts_them(maker: Maker, tmp_path: Path) -> None:
    benchmarks.write_benchmarks(replace(maker, stamps=()), tmp_path)
    assert count_tests(FEW) == len(rows(tmp_path, "vqa"))
    assert count_tests(FEW.model_copy(update={"stamps": True})) == count_tests(FEW) + STAMPS


@pytest.mark.slow
def test_a_recipe_asks_for_them(folder: Path, tmp_path: Path) -> None:
    few = dict.fromkeys(("test_scenes", "caption_scenes", "train_scenes", "text_rows"), 1)
    packs = {code: language.load(code) for code in ("eu", "en")}
    counted: list[tuple[int, int]] = []
    for stamps_ in (str(folder), False):
        asked = Miniature(**few, concepts=250, image_size=48, stamps=stamps_)
        place = tmp_path / str(bool(stamps_))
        corpora.build(asked, "eu", "en", packs, place, lambda *now: counted.append(now[:2]))
        assert counted[-1] == (1000, 1000)
        groups = {row["group"] for row in rows(place / "benchmarks", "vqa")}
        assert groups == {*UNSEEN, *([OTHERS] if stamps_ else [])}
        assert ("Tux Paint" in (place / "ATTRIBUTION.md").read_text()) is bool(stamps_)


def test_data_are_made_anew_when_the_stamps_change(folder: Path, tmp_path: Path) -> None:
    def read(stamps: bool | str) -> dict[str, str]:
        asked = SETTINGS.model_copy(update={"stamps": stamps})
        return Data(miniature=asked, language_code="eu", source_code="en").reads(Contents())

    assert "stamps" not in read(False)
    one = make_stamps(tmp_path / "one")
    before = read(str(one))["stamps"]
    assert read(str(make_stamps(tmp_path / "other")))["stamps"] == before
    (one / "animals/dog.txt").write_text("A cat.")
    assert read(str(one))["stamps"] != before


@pytest.mark.parametrize(
    ("given", "read"), [("true", True), ("false", False), ("a/folder", "a/folder")]
)
def test_a_recipe_names_stamps_or_a_place_of_them(given: str, read: bool | str) -> None:
    made = recipe.load(RECIPE, [f"miniature.stamps={given}"]).miniature
    assert made is not None and made.stamps == read
    written = yaml.safe_dump(made.model_dump())
    assert Miniature.model_validate(yaml.safe_load(written)).stamps == read


def test_what_is_no_place_of_stamps_is_refused() -> None:
    with pytest.raises(InputError, match=r"miniature\.stamps: expected true, false, or a folder"):
        recipe.load(RECIPE, ["miniature.stamps=3"])


def test_a_place_without_stamps_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "absent"):
        with pytest.raises(InputError, match=r"expected stamps with a \.txt beside each"):
            stamps.locate(str(place))


def test_recipes_without_stamps_are_what_they_were() -> None:
    assert "stamps" not in SETTINGS.model_dump()
    assert SETTINGS.model_copy(update={"stamps": True}).model_dump()["stamps"] is True


def test_a_damaged_stamp_is_named(all_splits: Splits, tmp_path: Path) -> None:
    made = make_stamps(tmp_path)
    (made / "animals/dog.txt").write_bytes(b"\xff\xfe dog")
    with pytest.raises(InputError, match=r"dog\.txt: text: expected UTF-8"):
        stamps.load_stamps(all_splits.concepts, made)
