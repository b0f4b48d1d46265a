"""Stand-ins for models and corpora that are not here while speeds are measured: random
weights of the models' shapes, made-up words and grey pictures."""

from __future__ import annotations

import io
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ikusi.miniature.bases import shipped
from ikusi.plan import shapes
from ikusi.plan.amounts import ABOUT, locate_questions, read_table
from ikusi.plan.shapes import CONFIG, Place
from ikusi.recipe import Recipe
from ikusi.recipe.folder import MINIATURE, locate_corpus

WORDS = "miniature/llama-en"  # whose tokenizer a random LLM is given
WEIGHTS = ("*.safetensors", "*.bin")
TOKENS_OF_A_WORD = 3  # of the made-up ones, about
SIDE = 640, 480  # of a grey picture


def replace(recipe: Recipe, folder: Path, batches: int) -> Recipe:
    """The same recipe with a stand-in for whatever is not here.

    Args:
        folder: where they are made.
        batches: steps that a corpus must have rows for.

    Raises:
        InputError: the shape of a model that is not here is not known either.
    """
    backbones = dict(recipe.backbones)
    name = recipe.grid.backbones[0]
    llm, vision = shapes.find(recipe.backbone(name)), shapes.find(recipe.vision)
    changed: dict[str, Any] = {}
    if not _has_weights(llm):
        backbones[name] = str(_make_llm(llm, folder / "llm"))
        changed["backbones"] = backbones
    if not _has_weights(vision):
        changed["vision"] = str(_make_encoder(vision, folder / "encoder"))
    stages = {}
    for stage, role in (("align", "caption"), ("instruct", "instruction")):
        own = getattr(recipe.stages, stage)
        if not _is_here(own.corpus):
            made = folder / stage
            _make_corpus(recipe, made, role, batches * own.batch_size)
            stages[stage] = own.model_copy(update={"corpus": str(made)})
    if stages:
        changed["stages"] = recipe.stages.model_copy(update=stages)
    if recipe.text_only and not _is_here(recipe.text_only.corpus):
        made = folder / "text"
        _make_corpus(recipe, made, "text", batches * recipe.stages.instruct.batch_size)
        changed["text_only"] = recipe.text_only.model_copy(update={"corpus": str(made)})
    asked = [name for name in recipe.benchmarks if _is_measurable(recipe, name)]
    return recipe.model_copy(update={**changed, "benchmarks": asked})


def _is_here(corpus: str) -> bool:
    return corpus.startswith(MINIATURE) or (locate_corpus(corpus) / ABOUT).is_file()


def _is_measurable(recipe: Recipe, name: str) -> bool:
    """Whether a benchmark's corpus is here; without it, an evaluation is not measured."""
    from ikusi.evaluate import benchmark

    corpus = benchmark.load(name).corpus
    return name.startswith(MINIATURE) or locate_questions(recipe, corpus) is not None


def _has_weights(place: Place) -> bool:
    return place.folder is not None and any(
        True for pattern in WEIGHTS for _ in place.folder.glob(pattern)
    )


def _make_llm(place: Place, folder: Path) -> Path:
    """An LLM of random weights with the miniature's words."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = dict(place.config)
    kind = config.pop("model_type")
    model: Any = AutoModelForCausalLM.from_config(
        AutoConfig.for_model(kind, **config), dtype=torch.bfloat16, trust_remote_code=False
    )
    model.save_pretrained(folder)
    for path in shipped.find_model(WORDS).iterdir():
        if path.name not in (CONFIG, "model.safetensors", "generation_config.json"):
            shutil.copyfile(path, folder / path.name)
    return folder


def _make_encoder(place: Place, folder: Path) -> Path:
    """An encoder of random weights, and how it is given pictures."""
    import torch
    from transformers import AutoConfig, AutoModel, CLIPImageProcessorPil

    config = dict(place.config.get("vision_config", place.config))
    kind = config.pop("model_type", f"{place.config.get('model_type')}_vision_model")
    made = AutoConfig.for_model(kind, **config)
    model: Any = AutoModel.from_config(made, dtype=torch.bfloat16, trust_remote_code=False)
    model.save_pretrained(folder)
    side = made.image_size
    CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size=side).save_pretrained(folder)
    return folder


def _make_corpus(recipe: Recipe, folder: Path, role: str, rows: int) -> None:
    """Rows of made-up words as long as those of such a corpus are thought to be."""
    from ikusi.data.corpus import CorpusWriter

    length = read_table().roles[role].text.span().middle
    words = max(4, round(length / TOKENS_OF_A_WORD))
    kind = "caption" if role == "caption" else "instruction"
    languages, chance = [recipe.language, recipe.source_language], random.Random(0)
    with CorpusWriter(folder, kind, languages) as writer:
        for number in range(rows):
            image = None
            if role != "text":
                image = str(number)
                writer.add_image(image, _draw(number), "PNG", *SIDE, "made up")
            text = " ".join(_speak(chance, words))
            half = len(text) // 2
            turns = [
                {"role": "user", "content": text[:half]},
                {"role": "assistant", "content": text[half:]},
            ]
            row = {"text": text} if kind == "caption" else {"turns": turns}
            writer.add_row(str(number), image, dict.fromkeys(languages, row))


def _speak(chance: random.Random, words: int) -> Iterator[str]:
    for _ in range(words):
        yield "".join(chance.choice(("ba", "ke", "li", "mo", "tu")) for _ in range(3))


def _draw(number: int) -> bytes:
    """A picture of one grey, no two alike."""
    from PIL import Image

    held = io.BytesIO()
    shade = number % 256
    Image.new("RGB", SIDE, (shade, number // 256 % 256, 128)).save(held, "PNG")
    return held.getvalue()
