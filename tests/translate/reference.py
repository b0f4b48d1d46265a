"""The models of `nmt`, run by transformers: what CTranslate2 is compared with."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from ikusi import pretrained
from ikusi.translate.contract import Sentence
from ikusi.translate.engines.ctranslate2 import CTranslate2
from ikusi.translate.nmt import LONGEST, find_checkpoint, read_beams

BATCH = 32


class TransformersEngine:
    """Translates sentences with transformers' `generate`, by the same settings."""

    def __init__(self, settings: CTranslate2) -> None:
        self._settings, folder = settings, find_checkpoint(settings.model)
        self._beams = settings.beam_size or read_beams(folder)
        self._tokenizer = pretrained.load(AutoTokenizer, folder)
        self._model = pretrained.load(AutoModelForSeq2SeqLM, folder).eval()
        self._limit = getattr(self._model.config, "max_position_embeddings", None) or 1024

    def translate(self, sentences: Sequence[str]) -> list[Sentence]:
        """Translate sentences, in order; similar lengths go together."""
        order = sorted(range(len(sentences)), key=lambda place: len(sentences[place]))
        translated: dict[int, Sentence] = {}
        for start in range(0, len(order), BATCH):
            places = order[start : start + BATCH]
            texts = self._batch([sentences[place] for place in places])
            translated.update(zip(places, texts, strict=True))
        return [translated[place] for place in range(len(sentences))]

    def _batch(self, sentences: Sequence[str]) -> list[Sentence]:
        rows = [self._ids(text) for text in sentences]
        cut = [len(row) > self._limit for row in rows]
        rows = [
            row[: self._limit - 1] + row[-1:] if long else row
            for row, long in zip(rows, cut, strict=True)
        ]
        batch = self._tokenizer.pad({"input_ids": rows}, return_tensors="pt")
        begin = torch.tensor([self._begin()] * len(rows))
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
        prefix: list[int] = self._tokenizer.convert_tokens_to_ids(self._settings.target_prefix)
        return [self._model.generation_config.decoder_start_token_id, *prefix]
