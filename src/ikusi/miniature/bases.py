"""The models a study starts from: encoder, tokenizer, an English LLM, its adapted twin.

They ship as package data, because the encoder takes longer than a newcomer should wait. `build`
makes them again, or makes a twin for another language, from the same packages and with the same
training code as a study's stages.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
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
from ikusi.artifact import fingerprint, folder, write_json
from ikusi.data.corpus import Corpus, CorpusWriter
from ikusi.data.mixture import Mixture, MixturePart
from ikusi.errors import InputError
from ikusi.miniature import encoder as vision
from ikusi.miniature import teacher
from ikusi.miniature.augment import Thumbnails
from ikusi.miniature.concepts import Concept, catalogue, named
from ikusi.miniature.contrastive import EncoderSettings, standardise
from ikusi.miniature.corpora import ask_caption, conversation, conversations, speaker
from ikusi.miniature.drawings import drawings, further_drawings
from ikusi.miniature.knowledge import (
    EMOJI_TASKS,
    FACTS,
    ask_emoji,
    ask_fact,
    ask_translation,
    speakable,
)
from ikusi.miniature.questions import Asker, Drawn, Told
from ikusi.miniature.scenes import GROUND_SIGNS, GROUNDS, cells, places
from ikusi.miniature.shipped import PREFIX, path
from ikusi.miniature.speaker import VARIANTS, Exchange, Speaker
from ikusi.miniature.splits import generator, split
from ikusi.miniature.teacher import TeacherSettings
from ikusi.model.fusion import load_language_model, save
from ikusi.model.tokens import END, PAD, SPECIAL_TOKENS, plain_tokenizer
from ikusi.recipe import Stage
from ikusi.train.stages import ProgressCall, train_stage

Progress = Callable[[int, int, str], None]
SOURCE = "en"
VOCABULARY = 3072
CONCEPTS = 250
ROWS, ADAPTED_ROWS = 64_000, 32_000  # of text, of the English backbone and of a twin
SEED = 7
GRID = 6  # cells a side of a scene told in emoji
MAPS, CAPTIONS = 0.4, 0.2  # shares of told scenes: as such a map, and with a caption asked for
TAUGHT = EncoderSettings(steps=2400, learning_rate=1e-3)  # after it has learnt alone
RATIO = 0.8  # of an adapted twin's rows are in its language
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


def build(name: str, root: Path, progress: Progress | None = None) -> Path:
    """Make one base model in `root`: encoder, llama-en, or llama-<language> from llama-en.

    An interrupted build goes on where it stopped.

    Raises:
        InputError: there is no such base model, or a language lacks words or a pack.
    """
    kind, _, code = name.partition("-")
    if name != "encoder" and (kind != "llama" or not code):
        raise InputError(f"{name}: expected encoder or llama-<language>")
    settings = {"name": name, "rows": _rows_of(code), "stage": STAGE.model_dump(mode="json")}
    with folder(
        root / name, fingerprint=fingerprint(settings), settings=settings, keep_partial=True
    ) as staging:
        if name == "encoder":
            build_encoder(staging, progress)
        else:
            build_llama(code, root, staging, progress)
    return root / name


def build_encoder(output: Path, progress: Progress | None = None) -> None:
    """Train a teacher, the encoder alone, and the encoder as the teacher says; measure it."""
    work = output / "work"
    made = drawings(progress)
    splits = split(made, CONCEPTS)
    thumbnails = Thumbnails(made, further_drawings(progress), splits)
    guide = teacher.train(thumbnails, TeacherSettings(), work / "teacher", progress)
    names, count = vision.names_of(splits), len(splits.concepts)
    alone = vision.Pictures(thumbnails, count, EncoderSettings())
    taught = vision.Pictures(thumbnails, count, TAUGHT, guide)
    start = vision.train(alone, names, work / "alone", progress)
    trained = vision.train(taught, names, work / "taught", progress, start)
    write_json(output / "retrieval.json", vision.measure(trained, made, splits, TAUGHT))
    standardise(trained.vision, taught[0]["pixels"])
    vision.save_encoder(trained.vision, TAUGHT, output)
    phases = {
        "teacher": asdict(TeacherSettings()),
        "alone": asdict(EncoderSettings()),
        "taught": asdict(TAUGHT),
    }
    write_json(output / "training.json", phases)
    shutil.rmtree(work)


def build_llama(code: str, root: Path, output: Path, progress: Progress | None = None) -> None:
    """Train the English backbone from scratch, or another language's twin from it."""
    languages = [SOURCE] if code == SOURCE else [code, SOURCE]
    speakers = [speaker(language.load(one)) for one in languages]
    work = output / "work"
    corpus = work / "text"
    if not (corpus / "corpus.json").exists():
        write_text(speakers, corpus, _rows_of(code), generator(SEED, len(languages)))
    model, tokenizer = _start(code, root)
    ratio = 0.0 if code == SOURCE else RATIO
    mixture = Mixture([MixturePart(Corpus.open(corpus), ratio)], code, SOURCE, SEED)
    summary = train_stage(
        model, tokenizer, mixture, STAGE, output=work, seed=SEED, progress=_told(progress)
    )
    save(model.to(torch.float16), tokenizer, output)
    write_json(output / "training.json", summary)
    shutil.rmtree(work)


def _rows_of(code: str) -> int:
    return ROWS if code == SOURCE else ADAPTED_ROWS


def _start(code: str, root: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    if code == SOURCE:
        tokenizer = train_tokenizer(sentences(ROWS // 4))
        return new_llama(tokenizer), tokenizer
    own = root / f"llama-{SOURCE}"
    there = (own / "config.json").exists()
    return load_language_model(own if there else path(f"{PREFIX}llama-{SOURCE}"), torch.float32)


def _told(progress: Progress | None) -> ProgressCall | None:
    if progress is None:
        return None
    return lambda now: progress(now.step, now.total, f"loss {now.loss:.3f}")


def new_llama(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
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
    signs = [*GROUND_SIGNS.values(), *(concept.emoji for concept in catalogue())]
    backend.add_tokens([AddedToken(sign, normalized=False) for sign in signs])
    return plain_tokenizer(backend)


def sentences(rows: int) -> Iterator[str]:
    """What the shipped tokenizer learns from: the backbones' text in both shipped languages."""
    random = generator(SEED, 9)
    for code in (SOURCE, "eu"):
        one = speaker(language.load(code))
        for exchanges in _rows([one], rows, random):
            for exchange in exchanges:
                yield exchange.question(one)
                yield exchange.answer(one)


def write_text(
    speakers: Sequence[Speaker], output: Path, rows: int, random: np.random.Generator
) -> None:
    """The backbones' text: scenes told in emoji and asked about, facts, emoji, translations."""
    codes = [one.code for one in speakers]
    with CorpusWriter(output, "instruction", codes) as writer:
        for number, exchanges in enumerate(_rows(speakers, rows, random)):
            texts = conversations(exchanges, {one.code: one for one in speakers})
            writer.add_row(f"text-{number:06d}", None, texts, task=exchanges[0].task)


def _rows(
    speakers: Sequence[Speaker], rows: int, random: np.random.Generator
) -> Iterator[list[Exchange]]:
    codes = [one.code for one in speakers]
    splits = split(drawings(), CONCEPTS)
    concepts = named((*splits.concepts, *splits.unseen_concepts), *codes)
    known = speakable(*codes)
    for _ in range(rows):
        chance = random.random()
        variant = int(random.integers(VARIANTS))
        if chance < 0.6:
            yield _told_scene(concepts, random)
        elif chance < 0.8:
            country = known[random.integers(len(known))]
            yield [ask_fact(country, str(task), variant) for task in random.permutation(FACTS)]
        elif chance < 0.9 and len(codes) > 1:
            pair = codes if random.random() < 0.5 else codes[::-1]
            picked = random.choice(len(concepts), 3, replace=False)
            yield [ask_translation(concepts[i], pair[0], pair[1], variant) for i in picked]
        else:
            tasks = random.choice(EMOJI_TASKS, 2, replace=False)
            yield [ask_emoji(str(task), concepts, random, variant) for task in tasks]


def _told_scene(concepts: Sequence[Concept], random: np.random.Generator) -> list[Exchange]:
    """A conversation about a scene that is told in emoji, where a study shows a picture."""
    picked = random.choice(len(concepts), int(random.integers(1, 4)), replace=False)
    ground = list(GROUNDS)[random.integers(len(GROUNDS))]
    drawn = Drawn(tuple(concepts[i] for i in picked), "emoji", ground)
    signs = [GROUND_SIGNS[ground], *(concept.emoji for concept in drawn.concepts)]
    scene = emoji_map(signs, random) if random.random() < MAPS else "".join(signs)
    asked = list(conversation(Asker(concepts), drawn, random))
    if random.random() < CAPTIONS:
        asked[0] = ask_caption(drawn, int(random.integers(VARIANTS)))
    return [Told(**vars(asked[0]), scene=scene), *asked[1:]]


def emoji_map(signs: Sequence[str], random: np.random.Generator) -> str:
    """A scene as text: for each cell of a grid, row by row, the sign of what is there.

    Args:
        signs: the ground's, then those of the things from left to right.
    """
    shown = cells(places(len(signs) - 1, random), GRID)
    return "".join(signs[cell] for cell in shown)
