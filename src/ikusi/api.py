"""Public functions that join several rooms for people who write Python instead of a recipe."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, Required, TypedDict, Unpack

from pydantic import ValidationError
from transformers import LlavaForConditionalGeneration, LlavaProcessor, PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer

from ikusi import language
from ikusi.answer.engines.here import open_local
from ikusi.data.corpus import Corpus
from ikusi.data.mixture import Mixture
from ikusi.errors import InputError
from ikusi.evaluate import benchmark, run
from ikusi.evaluate.results import Results
from ikusi.model import fusion
from ikusi.model.pixels import prepare_first
from ikusi.recipe import Compute, Stage
from ikusi.train import stages
from ikusi.train.progress import ProgressCall
from ikusi.train.stages import Summary


class StageSettings(TypedDict, total=False):
    """The keys of a recipe's stage that say how a model is trained."""

    trainable: Required[list[Literal["connector", "llm", "vision"]]]
    learning_rate: Required[float]
    batch_size: Required[int]
    group_by_task: bool
    epochs: Required[float]
    optimizer: Literal["adamw", "adamw8bit", "muon"]
    max_steps: int | None
    weight_decay: float
    warmup_ratio: float
    scheduler: Literal["cosine"]
    precision: Literal["bf16", "fp32", "auto"]
    max_length: int
    gradient_checkpointing: bool
    save_every: int
    lora: Mapping[str, object] | None


def train_stage(
    model: PreTrainedModel,
    processor: LlavaProcessor | Tokenizer,
    mixture: Mixture,
    output: Path | str,
    *,
    seed: int = 0,
    compute: Mapping[str, object] | None = None,
    progress: ProgressCall | None = None,
    **settings: Unpack[StageSettings],
) -> Summary:
    """Train a model for one stage, in place, and write `output/checkpoint/`.

    A call that was interrupted goes on from its last good state when it is made again.

    Args:
        model: a LLaVA of `assemble` or `load`, or a bare LLM.
        processor: that of the LLaVA; for a bare LLM, its tokenizer.
        mixture: the samples to train on.
        output: the folder to write; see `ikusi.train.stages.train_stage` for its files.
        seed: of everything that is drawn at random.
        compute: keys of a recipe's `compute`, such as `{"micro_tokens": 4096}`.
        progress: called after each step.
        settings: keys of a recipe's stage, such as `learning_rate=2e-5`.

    Returns:
        What was trained and on what, also in `output/summary.json`.

    Raises:
        InputError: a key that is not one of them, its value, or rows that cannot be trained on.
    """
    try:
        stage = Stage.model_validate({"corpus": "given", **settings})
        runs_on = Compute.model_validate(dict(compute or {}))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise InputError(f"{key}: {first['msg']}, found {first['input']!r}") from None
    return stages.train_stage(
        model,
        processor,
        mixture,
        stage,
        output=Path(output),
        seed=seed,
        compute=runs_on,
        progress=progress,
    )


def calibrate_connector(
    model: LlavaForConditionalGeneration,
    processor: LlavaProcessor,
    corpus: Corpus,
    pictures: int = 64,
) -> None:
    """Scale a fresh connector so that the first pictures of a corpus look like words to the LLM."""
    fusion.calibrate(model, prepare_first(processor.image_processor, corpus, pictures))


def evaluate_model(
    checkpoint: Path | str,
    corpora: Mapping[str, Corpus],
    languages: Sequence[str],
    output: Path | str,
    *,
    bootstrap: int = 1000,
    seed: int = 0,
    limit: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Results:
    """Measure a checkpoint on benchmarks, each in all languages, and keep every answer.

    Args:
        checkpoint: the folder of a LLaVA or of a bare LLM, or a hub name that is in the cache.
        corpora: name of a benchmark, such as `miniature/vqa`, -> the rows to ask.
        languages: codes.
        output: gets `rows.parquet` (one row per answer), `results.json` and `run.json`.
        bootstrap: samples drawn for each 95 % interval.
        seed: of these.
        limit: most rows of each benchmark, from the first.
        progress: called with (rows done, rows in all).

    Raises:
        InputError: no such benchmark or language, a corpus of another row type, no model, or
            `output` holds another model's results.
    """
    return run.evaluate(
        open_local(checkpoint),
        [(benchmark.load(name), corpus) for name, corpus in corpora.items()],
        languages,
        {code: language.load(code) for code in languages},
        Path(output),
        bootstrap=bootstrap,
        seed=seed,
        limit=limit,
        progress=progress,
    )
