"""The models a study starts from: encoder, tokenizer, an English LLM, its adapted twin.

They ship as package data, because the encoder takes longer than a newcomer should wait. `build`
makes them again, or makes a twin for another language, from the same packages and with the same
training code as a study's stages.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from ikusi import language
from ikusi.artifact import fingerprint, write_folder, write_json
from ikusi.data.corpus import Corpus
from ikusi.data.mixture import Mixture, MixturePart
from ikusi.errors import InputError
from ikusi.miniature.bases import encoder as vision
from ikusi.miniature.bases import teacher, text
from ikusi.miniature.bases.contrastive import EncoderSettings, standardise
from ikusi.miniature.bases.shipped import PREFIX, RATIO, find_model, read_name
from ikusi.miniature.bases.teacher import TeacherSettings
from ikusi.miniature.bases.text import CONCEPTS, SEED, SOURCE
from ikusi.miniature.corpora import load_speaker
from ikusi.miniature.pictures.augment import Thumbnails
from ikusi.miniature.pictures.drawings import load_drawings, load_further_drawings
from ikusi.miniature.pictures.scenes import GROUND_SIGNS
from ikusi.miniature.pictures.splits import make_generator, split
from ikusi.miniature.words.concepts import load_concepts
from ikusi.miniature.words.speaker import Speaker
from ikusi.model.fusion import load_language_model, save
from ikusi.model.tokens import END, PAD, SPECIAL_TOKENS, make_plain_tokenizer
from ikusi.recipe import Stage
from ikusi.train.stages import CHECKPOINT, ProgressCall, Summary, train_stage

Progress = Callable[[int, int, str], None]
VOCABULARY = 3072
TOKENIZED = 16_000  # rows of text that the tokenizer learns from
DISTILLED = (  # after it has learnt alone, one after the other
    EncoderSettings(steps=2400, learning_rate=1e-3),
    EncoderSettings(steps=8000, learning_rate=1.5e-3, seed=11),
)
STAGE = Stage(
    corpus="text",
    trainable=["llm"],
    learning_rate=2e-3,
    batch_size=16,
    optimizer="muon",
    epochs=1,
    weight_decay=0.05,
    warmup_ratio=0.03,
    precision="bf16",
    max_length=512,
)


@dataclass(frozen=True)
class Phase:
    """A part of a backbone's training: rows of one kind of text, and how they are learnt."""

    name: str
    kind: text.Kind
    rows: int
    learning_rate: float = STAGE.learning_rate
    batch_size: int = STAGE.batch_size

    @property
    def stage(self) -> Stage:
        """The stage that trains it."""
        changed = {"learning_rate": self.learning_rate, "batch_size": self.batch_size}
        return STAGE.model_copy(update=changed)

    def to_json(self) -> dict[str, Any]:
        """The phase as plain values, for people and fingerprints."""
        return {"rows": self.rows, "kind": self.kind.__name__, "stage": self.stage.model_dump()}


CHECKS = Phase("yes_or_no", text.write_yes_or_no, 16_000, learning_rate=1e-3, batch_size=128)
HARD_CHECKS = replace(
    CHECKS, name="yes_or_no_of_maps", kind=text.write_yes_or_no_of_maps, rows=36_000
)
ENGLISH = (
    Phase("words", text.mix_rows, 32_000),
    CHECKS,
    Phase("all", text.mix_rows, 48_000),
    HARD_CHECKS,
)
ADAPTED = (
    Phase("words", text.mix_rows, 16_000),
    CHECKS,
    Phase("all", text.mix_rows, 24_000),
    HARD_CHECKS,
)


def build(name: str, root: Path, progress: Progress | None = None) -> Path:
    """Make one base model in `root`: encoder, llama-en, or from that llama-<language>, which then
    reads 80 % in the language, or llama-<language>-<percent>pct, which reads as much as it says; of
    0 % it reads as much further, all of it in English.

    An interrupted build goes on where it stopped.

    Raises:
        InputError: there is no such base model, or a language lacks words or a pack.
    """
    code, ratio = ("", 0.0) if name == "encoder" else read_name(name)
    known = name in ("encoder", f"llama-{SOURCE}") or code not in ("", SOURCE)
    if not known or not (name == "encoder" or (name.startswith("llama-") and 0 <= ratio <= 1)):
        raise InputError(f"{name}: expected encoder, llama-<language> or one with -<percent>pct")
    settings = {"name": name, "phases": {one.name: one.to_json() for one in _phases(code)}}
    with write_folder(
        root / name,
        fingerprint=fingerprint(settings),
        kind="miniature bases",
        settings=settings,
        keep_partial=True,
    ) as staging:
        if name == "encoder":
            build_encoder(staging, progress)
        else:
            build_llama(code, ratio, root, staging, progress)
    return root / name


def build_encoder(output: Path, progress: Progress | None = None) -> None:
    """Train a teacher, the encoder alone, then the encoder distilled from the teacher; measure
    it."""
    work = output / "work"
    made = load_drawings(progress)
    splits = split(made, CONCEPTS)
    thumbnails = Thumbnails(made, load_further_drawings(progress), splits)
    guide = teacher.train(thumbnails, TeacherSettings(), work / "teacher", progress)
    names, count = vision.list_names(splits), len(splits.concepts)
    alone = EncoderSettings()
    pictures = vision.Pictures(thumbnails, count, alone)
    trained = vision.train(pictures, names, work / "alone", progress)
    for number, settings in enumerate(DISTILLED):
        pictures = vision.Pictures(thumbnails, count, settings, guide)
        trained = vision.train(pictures, names, work / f"taught-{number}", progress, trained)
    write_json(output / "retrieval.json", vision.measure(trained, made, splits, alone))
    standardise(trained.vision, pictures[0]["pixels"])
    vision.save_encoder(trained.vision, alone, output)
    phases = {
        "teacher": asdict(TeacherSettings()),
        "alone": asdict(alone),
        "taught": [asdict(settings) for settings in DISTILLED],
    }
    write_json(output / "training.json", phases)
    shutil.rmtree(work)


def build_llama(
    code: str, ratio: float, root: Path, output: Path, progress: Progress | None = None
) -> None:
    """Train the English backbone from scratch, or from it one that reads a share `ratio` of its
    rows in another language: most of them for a twin, few for one like an open English model.

    Whether a thing is in a scene is not learnt from a yes or no among many words. A hundred steps
    on such rows alone suffice for rows of emoji. The mixed rows that follow keep part of it, and a
    last phase makes it work where single cells of a map say little.
    """
    speakers = [load_speaker(language.load(one)) for one in dict.fromkeys((code, SOURCE))]
    work = output / "work"
    model, tokenizer = _start(code, root)
    summaries = {}
    for phase in _phases(code):
        place = work / phase.name
        part = ratio if code != SOURCE else 0.0
        summaries[phase.name] = _train(model, tokenizer, phase, speakers, part, place, progress)
        model, tokenizer = load_language_model(place / CHECKPOINT, torch.float32)
    save(model.to(torch.float16), tokenizer, output)
    write_json(output / "training.json", summaries)
    shutil.rmtree(work)


def _phases(code: str) -> tuple[Phase, ...]:
    return {"": (), SOURCE: ENGLISH}.get(code, ADAPTED)


def _train(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    phase: Phase,
    speakers: list[Speaker],
    ratio: float,
    place: Path,
    progress: Progress | None,
) -> Summary:
    """One phase in `place`, resumable; what it was trained on."""
    parts = list(_write_parts(phase, speakers, ratio, place))
    mixture = Mixture(parts, speakers[0].code, SOURCE, SEED)
    report = _report_phase(progress, phase.name)
    return train_stage(
        model, tokenizer, mixture, phase.stage, output=place, seed=SEED, progress=report
    )


def _write_parts(
    phase: Phase, speakers: list[Speaker], ratio: float, place: Path
) -> Iterator[MixturePart]:
    """The rows of a phase: the same ones in two languages for a twin, as for English alone.

    Where less is read in the language, these rows are apart, so that no row in English holds a word
    of it: a translation does, in whatever language it is asked for.
    """
    few = round(ratio * phase.rows)
    whole = ("text", speakers, phase.rows, ratio)
    apart = (("target", speakers, few, 1.0), ("source", speakers[1:], phase.rows - few, 0.0))
    for name, some, rows, share in [whole] if len(speakers) < 2 or ratio == RATIO else apart:
        if not rows:
            continue
        if not (place / name / "corpus.json").exists():
            random = make_generator(SEED, len(some), rows)
            text.write(some, place / name, phase.kind(some, rows, random))
        yield MixturePart(Corpus.open(place / name), share)


def _start(code: str, root: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    if code == SOURCE:
        tokenizer = train_tokenizer(text.write_sentences(TOKENIZED))
        return make_llama(tokenizer), tokenizer
    own = root / f"llama-{SOURCE}"
    there = (own / "config.json").exists()
    return load_language_model(
        own if there else find_model(f"{PREFIX}llama-{SOURCE}"), torch.float32
    )


def _report_phase(progress: Progress | None, phase: str) -> ProgressCall | None:
    if progress is None:
        return None
    return lambda now: progress(now.step, now.total, f"{phase}: loss {now.loss:.3f}")


def make_llama(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A small Llama with random weights and tied embeddings."""
    torch.manual_seed(SEED)
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in (PAD, END)}
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=160,
        intermediate_size=432,
        num_hidden_layers=4,
        num_attention_heads=5,
        num_key_value_heads=5,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        pad_token_id=ids[PAD],
        eos_token_id=ids[END],
        bos_token_id=None,
    )
    return LlamaForCausalLM(config)


def train_tokenizer(texts: Iterator[str]) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer with the plain chat template; it can write any language.

    Every emoji is one token: a map of a scene then has one token a cell.
    """
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    signs = [*GROUND_SIGNS.values(), *(concept.emoji for concept in load_concepts())]
    backend.add_tokens([AddedToken(sign, normalized=False) for sign in signs])
    return make_plain_tokenizer(backend)
