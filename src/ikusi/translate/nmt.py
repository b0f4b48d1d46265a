"""Neural sentence-level translation by CTranslate2 (https://opennmt.net/CTranslate2).

Checkpoints of transformers (Marian, NLLB, M2M100, MADLAD) are converted when first used, and kept.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from ikusi import artifact, content, pretrained
from ikusi.errors import InputError
from ikusi.translate import vocabulary
from ikusi.translate.contract import Sentence
from ikusi.translate.engines.ctranslate2 import CTranslate2

logger = logging.getLogger(__name__)

VERSION = 1  # of the conversion
EOS = "</s>"
LONGEST = 512  # tokens of a translation; transformers' own limit for these models
# With 1, beam search ends at the first hypotheses that end, where transformers' looks on: of 300
# sentences of a small grammar 17 came out otherwise, and wrong; with 2, none.
PATIENCE = 2
NEEDED = ["*.json", "*.spm", "*.model", "*.safetensors", "pytorch_model*.bin", "model.bin", "*.txt"]


class CTranslate2Engine:
    """Translates sentences by a model in CTranslate2's form.

    Raises:
        InputError: there is no such model, none that can be converted, or one that lacks a token
            of a prefix.
    """

    batch = 8192

    def __init__(self, settings: CTranslate2) -> None:
        import ctranslate2

        self._settings = settings
        checkpoint = find_checkpoint(settings.model)
        self.folder = checkpoint if _is_converted(checkpoint) else convert_checkpoint(checkpoint)
        self.name = f"ctranslate2 {settings.model}"
        self._checkpoint = checkpoint
        self._limit = _positions(checkpoint)
        self._beams = settings.beam_size or read_beams(checkpoint)
        # Models that were converted from elsewhere may add it by themselves.
        self._end = [] if _settings_of(self.folder, "config.json").get("add_source_eos") else [EOS]
        self._check_prefixes()
        self._encode, self._decode = _pieces(checkpoint)
        on_gpu = settings.device != "cpu" and ctranslate2.get_cuda_device_count() > 0
        _check_device(settings, on_gpu)
        self._translator = ctranslate2.Translator(
            str(self.folder),
            device=settings.device,
            compute_type=settings.compute_type,
            inter_threads=1 if on_gpu else _cores(),
            intra_threads=1,
        )

    def _check_prefixes(self) -> None:
        for side in ("source", "target"):
            key = f"{side}_prefix"
            if tokens := getattr(self._settings, key):
                known = vocabulary.read_vocabulary(self.folder, side)
                vocabulary.expect_known(key, tokens, known, self._settings.model)

    def settings(self) -> dict[str, Any]:
        """All that its translations depend on, as JSON."""
        values = self._settings.model_dump(exclude={"batch_tokens", "device"})
        model = (
            Path(self._settings.model).name if Path(values["model"]).is_dir() else values["model"]
        )
        return values | {"model": model, "beam_size": self._beams, "weights": self._weights}

    @cached_property
    def _weights(self) -> str:
        return hash_weights(self._checkpoint)

    def translate(self, sentences: Sequence[str]) -> list[Sentence]:
        """Translate sentences, in order; scores are mean log-probabilities of a token.

        Raises:
            RuntimeError: CTranslate2 cannot (memory).
        """
        prefix, target = self._settings.source_prefix, self._settings.target_prefix
        room = self._limit - len(prefix) - 1  # the last is for the end
        longest = min(LONGEST, self._limit)
        encoded = self._encode(sentences)
        results = self._translator.translate_batch(
            [[*prefix, *tokens[:room], *self._end] for tokens in encoded],
            target_prefix=[target] * len(sentences) if target else None,
            beam_size=self._beams,
            patience=PATIENCE,
            batch_type="tokens",
            max_batch_size=self._settings.batch_tokens,
            max_input_length=self._limit,
            max_decoding_length=longest,
            disable_unk=True,
            return_scores=True,
        )
        written = [result.hypotheses[0] for result in results]
        texts = self._decode([tokens[len(target) :] for tokens in written])
        return [
            Sentence(text, result.scores[0], len(read) > room or len(wrote) >= longest)
            for text, result, read, wrote in zip(texts, results, encoded, written, strict=True)
        ]

    def close(self) -> None:
        """Free the model."""
        self._translator.unload_model()


def _check_device(settings: CTranslate2, on_gpu: bool) -> None:
    """Refuse what this machine cannot compute."""
    import ctranslate2

    if settings.device == "cuda" and not on_gpu:
        raise InputError("engine.device: expected cpu or auto, as there is no GPU, found cuda")
    device, asked = ("cuda" if on_gpu else "cpu"), settings.compute_type
    known = sorted(ctranslate2.get_supported_compute_types(device))
    if asked not in ("default", *known):
        raise InputError(
            f"engine.compute_type: expected default or what this {device} computes "
            f"({', '.join(known)}), found {asked}"
        )


def find_checkpoint(model: str) -> Path:
    """The folder of a checkpoint, on disk or from the hub (NAME or NAME@REVISION).

    Raises:
        InputError: it is not there.
    """
    if Path(model).is_dir():
        return Path(model)
    from huggingface_hub import snapshot_download

    name, pinned = pretrained.split_place(model)
    try:
        return Path(snapshot_download(name, revision=pinned.get("revision"), allow_patterns=NEEDED))
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"engine.model: expected a folder or a model of the hub, found {model}: {reason}"
        ) from error


def convert_checkpoint(checkpoint: Path) -> Path:
    """A checkpoint in CTranslate2's form, from the user's cache; made there if need be.

    Raises:
        InputError: CTranslate2 knows no such model.
    """
    import platformdirs
    from filelock import FileLock

    name = artifact.fingerprint(VERSION, hash_weights(checkpoint))
    folder = platformdirs.user_cache_path("ikusi") / "ctranslate2" / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not artifact.is_current(folder, name):
            logger.info("%s: converting for CTranslate2, once", checkpoint)
            with artifact.write_folder(
                folder, fingerprint=name, kind="conversion", settings=str(checkpoint)
            ) as staging:
                _convert(checkpoint, staging)
    return folder


def _convert(checkpoint: Path, folder: Path) -> None:
    from ctranslate2.converters import TransformersConverter

    with tempfile.TemporaryDirectory() as aside:
        try:
            TransformersConverter(str(checkpoint), trust_remote_code=False).convert(
                f"{aside}/converted"
            )
        except (OSError, ValueError, NotImplementedError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(
                f"{checkpoint}: expected a translation model, found: {reason}"
            ) from None
        for path in Path(aside, "converted").iterdir():
            shutil.move(path, folder / path.name)
    _warn_of_padding(checkpoint)


def _warn_of_padding(checkpoint: Path) -> None:
    """Say where a Marian model's translations differ from those that transformers gives.

    CTranslate2 begins Marian's output from a zero vector, transformers from the padding's. They
    are the same in Marian's own models, but training with transformers moves the padding's.
    """
    if _settings_of(checkpoint, "config.json").get("model_type") != "marian":
        return
    from transformers import MarianMTModel

    model = pretrained.load(MarianMTModel, checkpoint)
    if model.model.decoder.embed_tokens.weight[model.config.pad_token_id].any():
        logger.warning(
            "%s: the padding's embedding is not zero, as if trained with transformers; it is "
            "taken as zero, so some translations will differ from those of transformers",
            checkpoint,
        )


def _is_converted(folder: Path) -> bool:
    return (folder / "model.bin").is_file()


def hash_weights(checkpoint: Path) -> str:
    """Name a checkpoint by the bytes of all files that are read of it."""
    files = (path for path in checkpoint.iterdir() if path.is_file())
    return content.hash_files((path for path in files if any(map(path.match, NEEDED))), checkpoint)


def _settings_of(checkpoint: Path, *names: str) -> dict[str, Any]:
    """Several JSON files of a checkpoint in one; those that come first count."""
    merged: dict[str, Any] = {}
    for name in names:
        if (checkpoint / name).is_file():
            merged = json.loads((checkpoint / name).read_text("utf-8")) | merged
    return merged


def read_beams(checkpoint: Path) -> int:
    """The beam width that a checkpoint's authors set: what `generate()` does by itself."""
    config = _settings_of(checkpoint, "generation_config.json", "config.json")
    return int(config.get("num_beams") or 1)


def _positions(checkpoint: Path) -> int:
    """The longest source in tokens: beyond its positions, Marian fails as a whole."""
    positions = _settings_of(checkpoint, "config.json").get("max_position_embeddings")
    return int(positions or 1024)


def _cores() -> int:
    # Short sentences gain more from several at once than from several cores on one.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


Encode = Callable[[Sequence[str]], list[list[str]]]
Decode = Callable[[Sequence[Sequence[str]]], list[str]]


def _pieces(checkpoint: Path) -> tuple[Encode, Decode]:
    """Return the functions by which a checkpoint takes sentences apart and puts them together.

    Marian's two SentencePiece models are used as they are, several times faster than through
    transformers' tokenizer, with the same pieces.
    """
    if (checkpoint / "source.spm").is_file():
        return _sentencepiece(checkpoint)
    from transformers import AutoTokenizer

    try:
        tokenizer = pretrained.load(AutoTokenizer, checkpoint)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{checkpoint}: expected a tokenizer, found: {reason}") from None

    def decode(pieces: Sequence[Sequence[str]]) -> list[str]:
        ids = [tokenizer.convert_tokens_to_ids(list(tokens)) for tokens in pieces]
        texts: list[str] = tokenizer.batch_decode(ids, skip_special_tokens=True)
        return texts

    return lambda sentences: [tokenizer.tokenize(text) for text in sentences], decode


def _sentencepiece(checkpoint: Path) -> tuple[Encode, Decode]:
    from sentencepiece import SentencePieceProcessor

    source, target = (
        SentencePieceProcessor(model_file=str(checkpoint / name))
        for name in ("source.spm", "target.spm")
    )
    return (
        lambda sentences: source.encode(list(sentences), out_type=str),
        lambda pieces: [target.decode_pieces(list(tokens)) for tokens in pieces],
    )
