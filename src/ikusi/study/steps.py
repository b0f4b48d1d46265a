"""What each step of a study does: opens what it needs and calls one function of one room.

Every function is called in a worker process as `function(output, context, **settings)` and
writes to `output`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import set_seed

from ikusi import language
from ikusi.answer import engines
from ikusi.data.corpus import Corpus
from ikusi.data.mixture import Mixture, MixturePart
from ikusi.evaluate import benchmark, corpora, run
from ikusi.model import fusion, parts
from ikusi.model.pixels import prepare_first
from ikusi.recipe import Compute, Miniature, Stage, TextOnly
from ikusi.study import layout
from ikusi.study.context import Context
from ikusi.train.features import StoredFeatures, store
from ikusi.train.parallel import deepspeed_settings, strategy
from ikusi.train.progress import Progress
from ikusi.train.stages import train_stage

CALIBRATION_PICTURES = 64


def data(
    output: Path,
    context: Context,
    *,
    miniature: dict[str, Any],
    language_code: str,
    source_code: str,
) -> None:
    """Draw the miniature's pictures and word its rows in both languages."""
    from ikusi.miniature import corpora

    def progress(done: int, total: int, what: str) -> None:
        context.progress(done / max(total, 1), what)

    settings = Miniature.model_validate(miniature)
    packs = {code: language.load(code) for code in (language_code, source_code)}
    corpora.build(settings, language_code, source_code, packs, output, progress)


def features(
    output: Path,
    context: Context,
    *,
    vision: str,
    corpus: str,
    feature_layer: int,
    image_aspect: str,
    precision: str,
) -> None:
    """Encode every picture of a corpus once, for all trainings with a frozen encoder."""
    place = layout.base(vision)
    compute = Compute.model_validate(context.compute)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    half = precision == "bf16" and device.type == "cuda"
    dtype = torch.bfloat16 if half else torch.float32
    tower = parts.open_vision_tower(place).eval().to(device, dtype)
    extra, size = parts.extra_tokens(tower.config, feature_layer), tower.config.image_size
    image_processor = parts.open_image_processor(place, size)
    if image_aspect == "pad":
        image_processor = parts.padded(image_processor, size)

    def progress(done: int, total: int) -> None:
        context.progress(done / total, f"{done:,} of {total:,} pictures")

    store(
        output,
        Corpus.open(corpora.training_folder(corpus, context.study)),
        tower,
        image_processor,
        layers=feature_layer,
        strategy="default" if extra else "full",
        bf16=precision == "bf16",
        workers=compute.readers(beside_gpu=device.type == "cuda"),
        progress=progress,
    )


def align(
    output: Path,
    context: Context,
    *,
    vision: str,
    backbone: str,
    connector: str,
    image_aspect: str,
    feature_layer: int,
    stage: dict[str, Any],
    features: str | None,
    seed: int,
    language_code: str,
    source_code: str,
) -> None:
    """Join an encoder and an LLM, and train the connector on captions."""
    set_seed(seed)
    model, processor = fusion.assemble(
        layout.base(vision),
        layout.base(backbone),
        connector=connector,
        feature_layer=feature_layer,
        seed=seed,
        aspect=image_aspect,
    )
    settings = Stage.model_validate(stage)
    languages = (language_code, source_code)
    captions = _part(settings.corpus, settings.ratio, None, context, languages)
    mixture = Mixture([captions], *languages, seed)
    pictures = prepare_first(processor.image_processor, captions.corpus, CALIBRATION_PICTURES)
    fusion.calibrate(model, pictures)
    _train(model, processor, mixture, settings, features, seed, output, context)


def instruct(
    output: Path,
    context: Context,
    *,
    aligned: str,
    stage: dict[str, Any],
    text_only: dict[str, Any] | None,
    features: str | None,
    seed: int,
    language_code: str,
    source_code: str,
) -> None:
    """Train connector and LLM on instructions, from an aligned model."""
    set_seed(seed)
    model, processor = fusion.load(layout.checkpoint(context.study / aligned))
    settings = Stage.model_validate(stage)
    languages = (language_code, source_code)
    mixed = [_part(settings.corpus, settings.ratio, None, context, languages)]
    if text_only:
        added = TextOnly.model_validate(text_only)
        mixed.append(_part(added.corpus, added.ratio, added.rows, context, languages))
    mixture = Mixture(mixed, *languages, seed)
    _train(model, processor, mixture, settings, features, seed, output, context)


def evaluate(output: Path, context: Context, *, checkpoint: str, **measured: Any) -> None:
    """Measure a trained model on every benchmark, in both languages."""
    _measure(layout.checkpoint(context.study / checkpoint), output, context, **measured)


def evaluate_backbone(output: Path, context: Context, *, model: str, **measured: Any) -> None:
    """Measure an LLM as it was before it saw a picture, on the text-only benchmarks."""
    _measure(Path(layout.base(model)), output, context, **measured)


def report(output: Path, context: Context, *, recipe: dict[str, Any]) -> None:
    """Write tables, figures, tests of the findings and the page that holds them."""
    from ikusi.report import page

    page.write(context.study, output)


def _measure(
    checkpoint: Path,
    output: Path,
    context: Context,
    *,
    benchmarks: Sequence[str],
    bootstrap: int,
    limit: int | None,
    seed: int,
    language_code: str,
    source_code: str,
) -> None:
    def progress(done: int, total: int) -> None:
        context.progress(done / max(total, 1), f"{done} of {total} questions")

    languages = (language_code, source_code)
    found = corpora.find(
        [benchmark.load(name) for name in benchmarks], languages, context.study / "data"
    )
    packs = {code: language.load(code) for code in languages}
    engine = engines.open_local(checkpoint)
    settings: dict[str, Any] = {"bootstrap": bootstrap, "limit": limit, "seed": seed}
    run.evaluate(engine, found, languages, packs, output, progress=progress, **settings)


def _part(
    corpus: str, ratio: float | None, rows: int | None, context: Context, languages: Sequence[str]
) -> MixturePart:
    """A corpus of the mixture, with each language's ways to ask for a caption."""
    assert ratio is not None  # the recipe gives align's, the grid instruct's
    prompts = {code: language.load(code).prompts.get("caption", []) for code in languages}
    return MixturePart(
        Corpus.open(corpora.training_folder(corpus, context.study)), ratio, rows, prompts
    )


def _train(
    model: Any,
    processor: Any,
    mixture: Mixture,
    stage: Stage,
    features: str | None,
    seed: int,
    output: Path,
    context: Context,
) -> None:
    """Train a stage; `features`: the step that stored those of the first corpus's pictures."""

    def progress(made: Progress) -> None:
        pace = f"{made.tokens_per_second:,.0f} tokens/s, MFU {made.mfu:.0%}"
        words = f"step {made.step} of {made.total}, loss {made.loss:.3f}, {pace}"
        context.progress(made.step / made.total, words)

    compute = Compute.model_validate(context.compute)
    if deepspeed_settings(strategy(compute, compute.together), bf16=False):
        context.progress(0.0, "starting DeepSpeed, which compiles its operators the first time")
    train_stage(
        model,
        processor,
        mixture,
        stage,
        output=output,
        seed=seed,
        compute=compute,
        features=StoredFeatures({0: context.study / features}) if features else None,
        progress=progress,
    )
