"""Steps do what the recipe says, with the real rooms behind them."""

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoProcessor

from data_rows import picture
from ikusi import recipe
from ikusi.data.corpus import CorpusWriter
from ikusi.model import fusion
from ikusi.study import layout, steps
from ikusi.study.context import Context
from model.families import tokenizer
from model.pairs import llm, tower

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tiny(tmp_path: Path) -> list[str]:
    """Overrides for a study whose alignment is one step on four captions."""
    tower().save_pretrained(tmp_path / "vision")
    fusion.save(llm(), tokenizer("plain"), tmp_path / "llm")
    with CorpusWriter(tmp_path / "captions", "caption", ["en", "eu"]) as writer:
        writer.add_image("1", picture(), "png", 8, 8, "made here")
        for number in range(4):
            told = {"text": f"A red square, {number}."}
            writer.add_row(f"row-{number}", "1", {"en": told, "eu": told})
    return [
        f"vision={tmp_path / 'vision'}",
        f"backbones.english={tmp_path / 'llm'}",
        "grid.backbones=[english]",
        f"stages.align.corpus={tmp_path / 'captions'}",
        "stages.align.batch_size=4",
        "stages.align.epochs=1",
    ]


@pytest.mark.parametrize(("aspect", "pads"), [("square", False), ("pad", True)])
def test_an_aligned_model_takes_pictures_as_the_recipe_says(
    aspect: str, pads: bool, tiny: list[str], tmp_path: Path
) -> None:
    wanted = recipe.load(
        ROOT / "recipes/emoji-eu.yaml", [*tiny, f"image_aspect={aspect}", "cache_features=false"]
    )
    step = next(step for step in layout.steps(wanted) if step.name == "align/english")
    context = Context(tmp_path, send=lambda report: None)
    steps.align(tmp_path / "aligned", context, **step.settings)
    processor = AutoProcessor.from_pretrained(layout.checkpoint(tmp_path / "aligned"))
    assert bool(getattr(processor.image_processor, "do_pad", False)) == pads


@pytest.mark.parametrize(("parallel", "said"), [("zero2", 1), ("ddp", 0)])
def test_a_training_under_zero_says_that_deepspeed_may_compile_first(
    parallel: str, said: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes: list[str] = []
    monkeypatch.setattr(steps, "train_stage", lambda *given, **named: None)
    compute = {"processes": 2, "parallel": parallel}
    context = Context(tmp_path, lambda report: notes.append(report.note), compute)
    given: list[Any] = [None, None, None, None, None, 0, tmp_path, context]
    steps._train(*given)
    assert sum("compiles its operators" in note for note in notes) == said
