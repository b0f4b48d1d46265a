"""A study whose backbone sees already: trained as it is or aligned first, and measured."""

from pathlib import Path

import pytest
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from data_rows import coloured, picture
from ikusi import recipe
from ikusi.answer.engine import Query
from ikusi.answer.engines.here import open_local
from ikusi.data.corpus import CorpusWriter
from ikusi.recipe import Recipe
from ikusi.recipe.folder import StudyFolder, locate_checkpoint
from ikusi.study import layout
from ikusi.study.context import Context, call
from model import seeing

ROOT = Path(__file__).parents[2]
RUN = "instruct/seer-eu020"


def make(wanted: Recipe, name: str, study: Path) -> None:
    step = next(step for step in layout.list_steps(wanted) if step.name == name)
    around = Context(StudyFolder(study), lambda report: None, step.compute)
    call(step.function, study / name, around, step.settings, step.name)


@pytest.fixture
def changes(tmp_path: Path) -> list[str]:
    seeing.qwen2_5_vl(tmp_path / "seer")
    coloured(tmp_path / "instructions", "instruction", ["red", "blue", None, "red"])
    with CorpusWriter(tmp_path / "captions", "caption", ["en", "eu"]) as writer:
        writer.add_image("1", picture(), "png", 8, 8, "made here")
        writer.add_row("row", "1", {code: {"text": "A red square."} for code in ("en", "eu")})
    return [
        f"backbones.seer.vlm={tmp_path / 'seer'}",
        "grid.backbones=[seer]",
        "grid.ratios=[0.2]",
        f"stages.instruct.corpus={tmp_path / 'instructions'}",
        "stages.instruct.max_steps=1",
        "stages.instruct.precision=fp32",
    ]


def weights(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "model.safetensors")


def load(*changes: str) -> Recipe:
    return recipe.load(ROOT / "recipes/emoji-eu.yaml", changes)


@pytest.mark.slow
def test_a_model_that_sees_is_trained_as_it_is_and_answers(
    changes: list[str], tmp_path: Path
) -> None:
    wanted = load(*changes, "stages.align=null")
    steps = {step.name: step for step in layout.list_steps(wanted)}
    assert not [name for name in steps if name.startswith(("align/", "features/"))]
    assert str(tmp_path / "seer") in steps[RUN].reads
    make(wanted, RUN, tmp_path)
    engine = open_local(locate_checkpoint(tmp_path / RUN))
    asked = [{"type": "image", "key": "x"}, {"type": "text", "text": "Zer da hau?"}]
    query = Query("?", ({"role": "user", "content": asked},), options=("bai", "ez"))
    (reply,) = engine.answer([query], {"x": Image.new("RGB", (24, 16), "red")})
    assert len(reply.scores) == 2


@pytest.mark.slow
def test_its_own_connector_is_aligned_first_where_the_recipe_says_so(
    changes: list[str], tmp_path: Path
) -> None:
    captions = [f"stages.align.corpus={tmp_path / 'captions'}", "stages.align.precision=fp32"]
    captions += [f"stages.align.{key}" for key in ("max_steps=1", "batch_size=1", "warmup_ratio=0")]
    wanted = load(*changes, *captions, "backbones.seer.align=true")
    steps = {step.name: step for step in layout.list_steps(wanted)}
    assert "align/seer" in steps[RUN].inputs
    make(wanted, "align/seer", tmp_path)
    before, after = weights(tmp_path / "seer"), weights(tmp_path / "align/seer/checkpoint")
    moved = {name for name, tensor in before.items() if not tensor.equal(after[name])}
    assert moved and all("visual.merger" in name for name in moved)
    make(wanted, RUN, tmp_path)
    assert weights(tmp_path / RUN / "checkpoint").keys() == before.keys()
