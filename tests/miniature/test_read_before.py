"""Backbones that have read a share of a language: what they are called and what they read."""

import json
from pathlib import Path

import pytest

from ikusi import language, recipe
from ikusi.data.mixture import Mixture
from ikusi.miniature import corpora
from ikusi.miniature.bases import build, shipped, text
from ikusi.miniature.pictures.splits import make_generator
from ikusi.miniature.words.questions import InEmoji
from ikusi.recipe import backbones


def test_a_backbone_is_named_after_what_it_has_read() -> None:
    named = {
        "llama-eu": ("eu", 0.8),
        "llama-eu-0pct": ("eu", 0.0),
        "llama-zh-Hant-0.1pct": ("zh-Hant", 0.001),
    }
    for name, (code, share) in named.items():
        assert shipped.name_llama(code, share) == name
        assert shipped.read_name(name) == (code, pytest.approx(share))


def test_the_recipe_says_of_each_what_its_name_says() -> None:
    dial = recipe.load(Path(__file__).parents[2] / "recipes/emoji-eu-dial.yaml")
    known = backbones.list_read(dial.backbones, dial.grid.backbones)
    assert list(known) == dial.grid.backbones
    for name, read in known.items():
        short = dial.backbone(name).removeprefix(shipped.PREFIX)
        assert shipped.read_name(short) == ("eu", pytest.approx(read))


@pytest.mark.slow
def test_a_backbone_reads_its_share_of_rows_in_the_language(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    phase = build.Phase("all", text.mix_rows, 20, batch_size=10)
    monkeypatch.setattr(build, "ADAPTED", (phase,))
    build.build("llama-eu-10pct", tmp_path)
    counted = json.loads((tmp_path / "llama-eu-10pct/training.json").read_text())
    assert counted["all"]["counts"]["languages"] == {"en": 18, "eu": 2}


@pytest.mark.slow
def test_what_a_backbone_reads_in_english_holds_no_word_of_the_language(tmp_path: Path) -> None:
    speakers = [corpora.load_speaker(language.load(code)) for code in ("eu", "en")]
    phase = build.Phase("all", text.mix_rows, 200)

    def read(ratio: float) -> dict[str, list[str]]:
        """Texts that are read in each language."""
        parts = list(build._write_parts(phase, speakers, ratio, tmp_path / f"{ratio}"))
        mixture = Mixture(parts, "eu", "en", 0)
        texts: dict[str, list[str]] = {"en": [], "eu": []}
        for one in mixture.take(range(len(mixture))):
            texts[one.language].append(str(one.messages))
        return texts

    few, twin, none = read(0.2), read(shipped.RATIO), read(0.0)
    counts = [[len(some[code]) for code in ("en", "eu")] for some in (few, twin, none)]
    assert counts == [[160, 40], [40, 160], [200, 0]]
    asked = [
        any("this language: Basque" in said for said in some) for some in (few["en"], twin["en"])
    ]
    assert asked == [False, True]
    assert all(
        any("hizkuntza honetan: ingelesa" in said for said in some)
        for some in (few["eu"], twin["eu"])
    )


def test_the_last_rows_ask_yes_or_no_and_three_in_four_of_a_map_that_is_hard_to_read() -> None:
    speakers = [corpora.load_speaker(language.load(code)) for code in ("eu", "en")]
    rows = list(text.write_yes_or_no_of_maps(speakers, 200, make_generator(0)))
    assert {exchange.task for row in rows for exchange in row} == {"present"}
    assert {len(row) for row in rows} == {1}
    scenes = [exchange.scene for row in rows for exchange in row if isinstance(exchange, InEmoji)]
    maps = [scene for scene in scenes if len(scene) == text.GRID**2]
    assert len(maps) == 150
    things = 2  # in a scene, at most, each read as itself or as a look-alike
    assert max(len(set(scene)) for scene in maps) > 1 + things * (1 + text.USUAL.look_alikes)
