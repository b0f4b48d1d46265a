"""Rows of a corpus exactly as training sees them: which tokens are given, learnt, features of a
picture, or cut.

Every row goes through `ikusi.data.mixture.to_messages` and `ikusi.model.chat.encode`, which are
what training calls, and its text is read back from the tokens these give. Nothing is rendered in
another way, so what is shown is what is learnt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image
from transformers import AutoConfig, PreTrainedTokenizerBase

from ikusi import language, pretrained, yamlfile
from ikusi.data.corpus import Corpus
from ikusi.data.mixture import to_messages
from ikusi.errors import InputError
from ikusi.model import chat, hub
from ikusi.model.parts import load_processor, open_tokenizer, read_image_tokens
from ikusi.model.pixels import prepare

Kind = Literal["prompt", "supervised", "image", "cut"]


@dataclass(frozen=True)
class Reader:
    """Turns rows into tokens: a LLaVA's processor, or the tokenizer of a bare LLM.

    `image_tokens`: features per image, 0 for a bare LLM; `image_token_id`: what stands for one.
    """

    tokenizer: PreTrainedTokenizerBase
    processor: Any = None
    image_tokens: int = 0
    image_token_id: int | None = None


@dataclass(frozen=True)
class Piece:
    """Neighbouring tokens of one kind, as the text they spell; an image is a piece of its own."""

    kind: Kind
    text: str
    tokens: int


@dataclass(frozen=True)
class Row:
    """A row as training sees it.

    `tokens` are those a sample is trained with, `image_tokens` and `supervised` of them; `cut`
    are lost beyond the longest sample. `unknown`: tokens that stand for text the tokenizer cannot
    spell. `picture`: the row's own, and `seen`: what the encoder is given of it.
    """

    id: str
    language: str
    pieces: Sequence[Piece]
    tokens: int
    image_tokens: int
    supervised: int
    cut: int
    unknown: int
    picture: Image.Image | None
    seen: Image.Image | None


def open_reader(checkpoint: Path) -> Reader:
    """Open what a checkpoint makes tokens with; its weights are left alone.

    Raises:
        InputError: the folder holds no model.
    """
    if not checkpoint.is_dir():
        raise InputError(f"{checkpoint}: expected the folder of a model, found none")
    with hub.guard_opening(checkpoint, "a model"):
        config = pretrained.load(AutoConfig, checkpoint)
    if config.model_type != "llava":
        return Reader(open_tokenizer(checkpoint))
    processor: Any = load_processor(checkpoint)
    with hub.guard_opening(checkpoint, "a LLaVA's configuration"):
        features = read_image_tokens(config, processor)
    return Reader(processor.tokenizer, processor, features, config.image_token_id)


def read(
    reader: Reader,
    corpus: Corpus,
    code: str,
    places: Sequence[int],
    max_length: int,
) -> list[Row]:
    """The rows of `corpus` at `places`, in the language `code`.

    Raises:
        InputError: the corpus has no such language, or a row cannot be trained on (nothing to
            learn, an image beyond `max_length`, a picture for a bare LLM), and then it starts with
            the row's id.
    """
    corpus.expect_language(code)
    prompts = corpus.row_type.requests(language.load(code))
    return [_row(reader, corpus, code, place, prompts, max_length) for place in places]


def find_places(corpus: Corpus, count: int, ids: Sequence[str] = ()) -> list[int]:
    """Positions of the rows called `ids`; where none are named, of the first `count` rows.

    Raises:
        InputError: there is no such row.
    """
    for id in ids:
        if id not in corpus.ids:
            near = yamlfile.suggest(id, corpus.ids)
            hint = f"; did you mean {near}?" if near else ""
            raise InputError(f"{corpus.folder}: expected a row {id}, found none{hint}")
    return [corpus.ids.index(id) for id in ids] or list(range(min(count, len(corpus))))


def _row(
    reader: Reader,
    corpus: Corpus,
    code: str,
    place: int,
    prompts: Sequence[str],
    max_length: int,
) -> Row:
    row = corpus.row(code, place)
    messages = to_messages(row, corpus.row_type, prompts)
    if row["image_id"] is not None and reader.processor is None:
        raise InputError(f"{row['id']}: expected text alone for a bare LLM, found a picture")
    images = (reader.image_tokens, reader.image_token_id)
    kept = chat.encode(reader.tokenizer, messages, *images, max_length, row=row["id"])
    whole = chat.encode(reader.tokenizer, messages, *images, row=row["id"])
    picture = None if row["image_id"] is None else corpus.image(row["image_id"])
    return Row(
        id=row["id"],
        language=code,
        pieces=split_pieces(reader, whole, len(kept.input_ids)),
        tokens=len(kept.input_ids),
        image_tokens=kept.image_tokens,
        supervised=sum(kept.supervised),
        cut=kept.cut,
        unknown=_count_unknown(reader.tokenizer, kept.input_ids),
        picture=picture,
        seen=None if picture is None else _preprocess(reader.processor.image_processor, picture),
    )


def split_pieces(reader: Reader, whole: chat.Encoded, kept: int) -> list[Piece]:
    """An encoded conversation as pieces whose texts join to what its tokens spell.

    Tokens from number `kept` on are cut. An image's tokens are spelled once. A character whose
    bytes two pieces share stands in the second.
    """
    cells = _cells(reader, whole, kept)
    ids = [token for token, _ in cells]
    text, start, passed, pieces = _spell(reader.tokenizer, ids), 0, 0, []
    # Neighbouring images are distinguished by their place.
    neighbours = groupby(enumerate(cells), lambda cell: (cell[1][1], _place_of_image(*cell)))
    for (kind, _), run in neighbours:
        width = len(list(run))
        passed += width
        end = max(start, _count_agreeing(_spell(reader.tokenizer, ids[:passed]), text))
        pieces.append(
            Piece(kind, text[start:end], reader.image_tokens if kind == "image" else width)
        )
        start = end
    return pieces


def _cells(reader: Reader, whole: chat.Encoded, kept: int) -> list[tuple[int, Kind]]:
    """Each token with its kind, but one cell for all the tokens of an image."""
    cells: list[tuple[int, Kind]] = []
    place = 0
    while place < len(whole.input_ids):
        token = whole.input_ids[place]
        if token == reader.image_token_id:
            cells.append((token, "image"))
            place += reader.image_tokens
            continue
        learnt: Kind = "supervised" if whole.supervised[place] else "prompt"
        cells.append((token, learnt if place < kept else "cut"))
        place += 1
    return cells


def _place_of_image(place: int, cell: tuple[int, Kind]) -> int | None:
    return place if cell[1] == "image" else None


def _spell(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    """The text that tokens spell, control tokens included."""
    return str(
        tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)
    )


def _count_agreeing(beginning: str, text: str) -> int:
    """Length of the part of `beginning` that `text` has: it may end within a character."""
    return len(beginning if text.startswith(beginning) else beginning.rstrip("\ufffd"))


def _count_unknown(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> int:
    """Tokens for what the tokenizer cannot spell; some name a token that ends texts as theirs."""
    unknown = tokenizer.unk_token_id
    others = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
    return 0 if unknown is None or unknown in others else list(ids).count(unknown)


def _preprocess(image_processor: Any, picture: Image.Image) -> Image.Image:
    """A picture after preprocessing: what the encoder is given, as a picture again."""
    pixels = prepare(image_processor, [picture], "np")[0]
    values = np.moveaxis(np.asarray(pixels, dtype=np.float64), 0, -1)  # [H, W, 3]
    if image_processor.do_normalize:
        values = values * np.array(image_processor.image_std) + np.array(image_processor.image_mean)
    if image_processor.do_rescale:
        values = values / image_processor.rescale_factor
    return Image.fromarray(values.round().clip(0, 255).astype(np.uint8))


@dataclass(frozen=True)
class Total:
    """Sums over rows; `share` of the tokens are supervised."""

    rows: int
    tokens: int
    image_tokens: int
    supervised: int
    cut: int

    @property
    def share(self) -> float:
        """Supervised tokens among all."""
        return self.supervised / self.tokens if self.tokens else 0.0


def count_total(rows: Sequence[Row]) -> Total:
    """Add up the tokens of rows."""
    names = ("tokens", "image_tokens", "supervised", "cut")
    return Total(len(rows), *(sum(getattr(row, name) for row in rows) for name in names))


def describe_counts(of: Row | Total) -> str:
    """The counts in words."""
    counts = [
        f"{of.tokens:,} tokens",
        f"{of.image_tokens:,} of them image",
        f"{of.supervised:,} supervised",
        f"{of.cut:,} cut",
    ]
    if isinstance(of, Total):
        rows = "1 row" if of.rows == 1 else f"{of.rows:,} rows"
        return ", ".join([rows, *counts, f"{of.share:.1%} of all tokens supervised"])
    return ", ".join([*counts, f"{of.unknown:,} unknown"] if of.unknown else counts)
