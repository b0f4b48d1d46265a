"""Models that see already, planned by their configurations: held to the models themselves."""

import json
from collections import Counter
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    InternVLConfig,
    InternVLForConditionalGeneration,
)

from ikusi import recipe
from ikusi.errors import InputError
from ikusi.model import families
from ikusi.model.sight import Sight
from ikusi.plan import card, made, measuring, planning, seeing, shapes, work
from ikusi.plan.amounts import USUAL, Pictures
from ikusi.plan.card import Hardware
from ikusi.plan.shapes import Place
from ikusi.plan.span import Span
from ikusi.pretrained import describe_shape
from ikusi.recipe.folder import StudyFolder
from ikusi.train.estimates import Cost
from model import seeing as tiny

RECIPES = Path(__file__).parents[2] / "recipes"
SEEN: dict[str, Any] = {"learns": 1, "encodes": True, "vision_learns": False}
PICTURES = [(48, 16), (20, 20), (64, 48), (7, 300), (300, 200)]


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(seeing.KINDS))
def test_weights_and_tokens_of_pictures_are_those_of_the_model(kind: str, tmp_path: Path) -> None:
    folder = tiny.FAMILIES[kind](tmp_path / kind)
    config = json.loads((folder / "config.json").read_text())
    sizes, eyes = seeing.read_seeing(Place(kind, config, "made up", folder))
    model = AutoModelForImageTextToText.from_pretrained(folder)
    family = families.find_of(model)
    assert family is not None
    counted: Counter[str] = Counter()
    for name, parameter in model.named_parameters():
        counted[family.find_part(name)] += parameter.numel()
    assert (sizes.encoder, sizes.connector, sizes.llm) == tuple(
        counted[part] for part in ("vision", "connector", "llm")
    )
    sight = Sight(model, family.open_processor(folder))
    shown = [sight.show(size).features for size in PICTURES]
    assert [eyes.count(size) for size in PICTURES] == shown
    assert [eyes.look(size) for size in PICTURES] == list(map(sight.count_patches, PICTURES))


@pytest.mark.parametrize(
    "changed",
    [
        {"attention_bias": True, "use_qk_norm": True, "use_mean_pooling": False},
        {"norm_type": "rms_norm", "use_absolute_position_embeddings": False},
    ],
)
def test_what_an_encoder_of_internvl_may_have_is_counted(changed: dict[str, Any]) -> None:
    vision = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
              "num_attention_heads": 2, "image_size": [16, 16], "patch_size": [4, 4]}  # fmt: skip
    text = {"model_type": "qwen2", "hidden_size": 32, "intermediate_size": 48, "vocab_size": 99,
            "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 2}  # fmt: skip
    config = InternVLConfig(text_config=text, vision_config={**vision, **changed})
    with torch.device("meta"):
        model = InternVLForConditionalGeneration(config)
    sizes, _ = seeing.read_seeing(Place("internvl", config.to_dict(), "made up"))
    assert sizes.encoder == sum(one.numel() for one in model.model.vision_tower.parameters())
    assert sizes.total == sum(one.numel() for one in model.parameters())


@pytest.mark.parametrize("make", [tiny.llava_onevision, tiny.llava_next])
def test_of_onevision_alone_no_more_is_left_than_so_many_tiles(make: Any, tmp_path: Path) -> None:
    folder = make(tmp_path / "model")
    for file in folder.glob("*config.json"):
        file.write_text(file.read_text().replace("anyres_max_9", "anyres_max_2"))
    config = json.loads((folder / "config.json").read_text())
    config.setdefault("vision_aspect_ratio", "anyres_max_2")
    place = Place("model", config, "made up", folder)
    model = AutoModelForImageTextToText.from_pretrained(folder)
    family = families.find_of(model)
    assert family is not None
    sight = Sight(model, family.open_processor(folder))
    shown = [sight.show(size).features for size in PICTURES]
    assert [seeing.read_seeing(place)[1].count(size) for size in PICTURES] == shown


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(seeing.KINDS))
def test_what_a_configuration_leaves_out_is_as_in_transformers(kind: str, tmp_path: Path) -> None:
    """Many on the hub name little more of their LLM than its kind."""
    pictures = {"size": {"shortest_edge": 336}, "image_grid_pinpoints": [[336, 672]]}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(pictures))
    for text in ({}, {"hidden_size": 512, "num_hidden_layers": 2}):
        config: dict[str, Any] = {"text_config": text, "vision_config": {}}
        with torch.device("meta"):
            whole = AutoConfig.for_model(kind, **deepcopy(config))
            model: Any = AutoModelForImageTextToText.from_config(whole)
        place = Place(kind, {"model_type": kind, **config}, "made up", tmp_path)
        assert seeing.read_seeing(place)[0].total == sum(w.numel() for w in model.parameters())


@pytest.mark.parametrize("ratio", ["anyres", "pad"])
def test_an_aspect_ratio_that_transformers_cannot_read_is_refused(
    ratio: str, tmp_path: Path
) -> None:
    folder = tiny.llava_onevision(tmp_path / "model")
    file = folder / "config.json"
    config = {**json.loads(file.read_text()), "vision_aspect_ratio": ratio}
    told = f"vision_aspect_ratio: expected anyres_max_ and a number, found {ratio}$"
    with pytest.raises(InputError, match=told):
        seeing.read_seeing(Place("model", config, "made up", folder))
    file.write_text(json.dumps(config))
    family = families.find("llava_onevision")
    assert family is not None
    with pytest.raises(InputError, match=told):
        family.open_processor(folder)


def test_settings_of_pictures_may_stand_among_those_of_the_processor(tmp_path: Path) -> None:
    folder = tiny.llava_next(tmp_path / "model")
    place = Place("org/Seer", json.loads((folder / "config.json").read_text()), "made up", folder)
    before = seeing.read_seeing(place)[1].count((300, 200))
    own = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").unlink()
    (folder / "processor_config.json").write_text(json.dumps({"image_processor": own}))
    assert seeing.read_seeing(place)[1].count((300, 200)) == before
    with pytest.raises(InputError, match=r"org/Seer: .* expected a size and image_grid_pinpoints"):
        seeing.read_seeing(replace(place, folder=None))


def test_the_shape_of_what_is_trained_is_that_of_what_it_starts_from(tmp_path: Path) -> None:
    """Or a speed that was measured would be of nothing that is planned; an older configuration has
    the LLM's settings among its own."""
    folder = tiny.qwen2_5_vl(tmp_path / "qwen")
    written = json.loads((folder / "config.json").read_text())
    older = {**written, **written["text_config"], "model_type": written["model_type"]}
    del older["text_config"]
    for config in (written, older):
        place = Place("qwen", config, "made up")
        assert describe_shape(seeing.lay_apart(place)) == describe_shape(written)
        assert seeing.read_seeing(place)[0] == seeing.read_seeing(Place("", written, ""))[0]


def test_the_published_shape_has_the_published_weights() -> None:
    sizes, eyes = seeing.read_seeing(shapes.find("Qwen/Qwen2.5-VL-7B-Instruct"))
    assert sizes.total == 8_292_166_656
    assert [eyes.count(size) for size in USUAL] == [99, 391, 884]


def test_a_kind_whose_weights_are_not_known_is_refused_in_one_line() -> None:
    with pytest.raises(InputError, match=r"org/Seer: model_type: .* found aya_vision"):
        seeing.read_seeing(Place("org/Seer", {"model_type": "aya_vision"}, "made up"))


def test_a_picture_is_more_places_for_the_encoder_than_tokens() -> None:
    wanted = recipe.load(RECIPES / "adapt-8b.yaml")
    given = made.describe(wanted, "qwen", Pictures([(640, 480), (320, 240)], "counted", False))
    assert (given.image, given.patches) == (Span.exactly(245), 4 * 245)
    assert given.sizes.patches == 980
    assert Cost.of(given.sizes, 245, patches=980, **SEEN).image == 2 * 631_975_680 * 980


def plan(name: str, folder: Path, *changes: str) -> planning.Plan:
    wanted = recipe.load(RECIPES / f"{name}.yaml", changes)
    hardware = Hardware(card.load("l40s"), 1)
    return planning.make_plan(wanted, hardware, StudyFolder(folder), known=[])


def test_a_recipe_for_a_model_that_sees_is_planned(tmp_path: Path) -> None:
    lines = {line.work.name: line for line in plan("adapt-8b", tmp_path).lines}
    assert not any(name.startswith(("align/", "features/")) for name in lines)
    run = lines["instruct/qwen-eu020"]
    assert run.fits and run.memory == pytest.approx(24.8e9, rel=0.01)
    assert "pictures: assumed: 320x240, 640x480, 960x720 pixels" in run.work.notes
    low, middle, high = run.work.operations.to_json()
    assert low < middle / 2 and high > 1.5 * middle
    assert lines["evaluate/qwen-backbone"].work.parts["frozen"] == 2 * 8_292_166_656


def test_the_encoders_own_places_are_in_the_operations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {line.work.name: line.work for line in plan("adapt-8b", tmp_path).lines}

    def describe(*given: Any) -> made.Made:
        one = made.describe(*given)
        return replace(one, patches=one.patches + 100)

    monkeypatch.setattr(work, "describe", describe)
    after = {line.work.name: line.work for line in plan("adapt-8b", tmp_path).lines}
    name = "instruct/qwen-eu020"
    more = after[name].operations.middle - before[name].operations.middle
    assert more == pytest.approx(146_000 * 100 * 2 * 631_975_680)


def test_what_starts_from_a_run_is_planned_as_that_run(tmp_path: Path) -> None:
    lines = {line.work.name: line.work for line in plan("emoji-eu-adapt", tmp_path).lines}
    assert lines["align/seeing"].operations == lines["align/english"].operations
    first, second = (lines[f"instruct/{name}-eu020"] for name in ("english", "seeing"))
    assert (first.operations, first.about) == (second.operations, second.about)


def test_nothing_stands_in_for_a_model_that_sees_while_speeds_are_measured() -> None:
    wanted = recipe.load(RECIPES / "adapt-8b.yaml")
    with pytest.raises(InputError, match=r"expected an LLM first in grid\.backbones.*found qwen$"):
        measuring.measure_study(wanted, lambda *given, **more: None)
