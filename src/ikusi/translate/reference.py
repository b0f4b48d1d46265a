"""The models of `nmt`, run by transformers: what CTranslate2 is held against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ikusi import pretrained
from ikusi.translate.contract import Sentence
from ikusi.translate.engines.transformers import Transformers
from ikusi.translate.nmt import LONGEST, find_checkpoint, hash_weights, read_beams
from ikusi.translate.vocabulary import expect_known


class TransformersEngine:
    """Translates sentences with transformers' `generate`.

    Raises:
        InputError: there is no such model, or it lacks a token of a prefix.
    """

    batch = 1024

    def __init__(self, settings: Transformers) -> None:
        import torch
        from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

        self._settings, folder = settings, find_checkpoint(settings)
        self.name = f"transformers {settings.model}"
        self._beams = settings.beam_size or read_beams(folder)
        self._weights = hash_weights(folder)
        on_gpu = settings.device == "auto" and torch.cuda.is_available()
        self._device = "cuda" if on_gpu else settings.device.replace("auto", "cpu")
        self._tokenizer = pretrained.load(AutoTokenizer, folder)
        for key in ("source_prefix", "target_prefix"):
            tokens = getattr(settings, key)
            expect_known(key, tokens, self._tokenizer.get_vocab(), settings.model)
        self._model = pretrained.load(AutoModelForSeq2SeqLM, folder).to(self._device).eval()
        self._limit = getattr(self._model.config, "max_position_embeddings", None) or 1024

    def settings(self) -> dict[str, Any]:
        """All that its translations depend on, as JSON."""
        told = self._settings.model_dump(exclude={"batch_size", "device"})
        return told | {"beam_size": self._beams, "weights": self._weights}

    def translate(self, sentences: Sequence[str]) -> list[Sentence]:
        """Translate sentences, in order; similar lengths go together."""
        order = sorted(range(len(sentences)), key=lambda place: len(sentences[place]))
        said: dict[int, Sentence] = {}
        for start in range(0, len(order), self._settings.batch_size):
            places = order[start : start + self._settings.batch_size]
            texts = self._batch([sentences[place] for place in places])
            said.update(zip(places, texts, strict=True))
        return [said[place] for place in range(len(sentences))]

    def _batch(self, sentences: Sequence[str]) -> list[Sentence]:
        import torch

        rows = [self._ids(text) for text in sentences]
        cut = [len(row) > self._limit for row in rows]
        rows = [
            row[: self._limit - 1] + row[-1:] if long else row
            for row, long in zip(rows, cut, strict=True)
        ]
        batch = self._tokenizer.pad({"input_ids": rows}, return_tensors="pt").to(self._device)
        begin = torch.tensor([self._begin()] * len(rows), device=self._device)
        with torch.inference_mode():
            written = self._model.generate(
                **batch,
                decoder_input_ids=begin,
                num_beams=self._beams,
                do_sample=False,
                max_new_tokens=min(LONGEST, self._limit) - begin.shape[1],
            )[:, begin.shape[1] :]
        ended = (written == self._tokenizer.eos_token_id).any(1).tolist()
        texts = self._tokenizer.batch_decode(written, skip_special_tokens=True)
        return [
            Sentence(text, cut=long or not whole)
            for text, long, whole in zip(texts, cut, ended, strict=True)
        ]

    def _ids(self, text: str) -> list[int]:
        tokens = [*self._settings.source_prefix, *self._tokenizer.tokenize(text)]
        ids: list[int] = self._tokenizer.convert_tokens_to_ids(tokens)
        return [*ids, self._tokenizer.eos_token_id]

    def _begin(self) -> list[int]:
        """What every translation is made to begin with."""
        prefix: list[int] = self._tokenizer.convert_tokens_to_ids(self._settings.target_prefix)
        return [self._model.generation_config.decoder_start_token_id, *prefix]

    def close(self) -> None:
        """Free the model."""
        del self._model
