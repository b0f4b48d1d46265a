"""Qwen2.5-VL of random weights, at its published size or in small, and rows whose pictures have
several sizes, so that each takes another number of tokens (`train_gpu.py`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

from ikusi.model import families
from ikusi.model.families.base import Pixels, Shown
from ikusi.plan import seeing, shapes
from ikusi.plan.amounts import USUAL
from ikusi.plan.shapes import Place
from ikusi.train.batches import EncodedSample, list_distinct_pictures
from ikusi.train.estimates import Sizes

ROPE = {"rope_type": "default", "rope_theta": 1e6}
IDS = {
    "image_token_id": 151655,
    "video_token_id": 151656,
    "vision_start_token_id": 151652,
    "vision_end_token_id": 151653,
}
"""With `ROPE`, `window_size`, `fullatt_block_indexes` and `num_heads` what the model's config.json
says beside its sizes (https://huggingface.co/Qwen/Qwen2.5-VL-7B-Instruct/blob/main/config.json)."""


@dataclass(frozen=True)
class SeeingShape:
    """A model that sees, by its configuration.

    Attributes:
        config: as in its `config.json`.
        pictures: sizes in pixels that pictures have in turn; `fewest` and `most`: pixels that the
            processor brings each to.
        stages: as of `train_shapes.Shape`.
    """

    config: dict[str, Any]
    pictures: tuple[tuple[int, int], ...]
    fewest: int
    most: int
    stages: tuple[tuple[str, int], ...]

    @property
    def layers(self) -> int:
        """Of the LLM."""
        return int(self.config["text_config"]["num_hidden_layers"])

    def build(self, layers: int, device: str) -> Any:
        """A model with random weights in bf16."""
        text = {**self.config["text_config"], "num_hidden_layers": layers}
        config = Qwen2_5_VLConfig(**{**self.config, "text_config": text})
        torch.manual_seed(0)
        kind: Any = Qwen2_5_VLForConditionalGeneration
        with torch.device(device):
            return kind._from_config(config, dtype=torch.bfloat16)

    def size_up(self, model: Any, rows: Sequence[EncodedSample]) -> Sizes:
        """Sizes of its parts, as `ikusi plan` reads them off the configuration, for the pictures
        of these rows."""
        sizes, _ = seeing.read_seeing(Place("model", model.config.to_dict(), "published"))
        return replace(sizes, patches=self.count_places(rows)[1])

    def count_places(self, rows: Sequence[EncodedSample]) -> tuple[int, int]:
        """Tokens of a picture, and places that the encoder sees in it, on average."""
        tokens = sum(row.shown.features for row in rows if row.shown) / len(rows)
        merged = self.config["vision_config"]["spatial_merge_size"] ** 2
        return round(tokens), round(tokens * merged)

    def lay(self, model: Any) -> "Layout":
        """Places of tokens, in three axes."""
        return Layout(model)

    def draw(self, model: Any, rows: int, text: int, seed: int) -> list[EncodedSample]:
        """Rows of a picture and random words; the second half of the words is supervised."""
        random, sizes = np.random.default_rng(seed), self.pictures
        made = []
        for number in range(rows):
            shown = self._show(sizes[(seed * rows + number) % len(sizes)])
            words = random.integers(100, 1000, text).astype(np.int32)
            ids = np.concatenate([np.asarray(shown.ids, dtype=np.int32), words])
            learnt = np.arange(len(ids) - text // 2, len(ids), dtype=np.int32)
            name = f"{number}"
            made.append(EncodedSample(name, "eu", (seed, name), ids, learnt, 1, 0, shown))
        return made

    def _show(self, size: tuple[int, int]) -> Shown:
        vision = self.config["vision_config"]
        side, merge = vision["patch_size"], vision["spatial_merge_size"]
        width, height = size
        down, across = smart_resize(
            height, width, factor=side * merge, min_pixels=self.fewest, max_pixels=self.most
        )
        grid = torch.tensor([[1, down // side, across // side]])
        count = int(grid.prod()) // merge**2
        image = (self.config["image_token_id"],) * count
        ends = self.config["vision_start_token_id"], self.config["vision_end_token_id"]
        return Shown((ends[0], *image, ends[1]), count, {"image_grid_thw": grid})

    def look(self, rows: Sequence[EncodedSample], seed: int) -> Pixels:
        """Random pictures of these rows, as the encoder is given them."""
        vision = self.config["vision_config"]
        shown = {row.picture: row.shown.inputs["image_grid_thw"] for row in rows if row.shown}
        grid = torch.cat([shown[one] for one in list_distinct_pictures(rows)])
        values = 3 * vision["temporal_patch_size"] * vision["patch_size"] ** 2
        generator = torch.Generator().manual_seed(seed)
        pixels = torch.randn(int(grid.prod(1).sum()), values, generator=generator)
        return {"pixel_values": pixels, "image_grid_thw": grid}


class Layout:
    """Places of tokens in a model, as `collate` asks for them."""

    def __init__(self, model: Any) -> None:
        self._model: Any = model.model
        self._family: Any = families.find_of(model)

    def compute_positions(self, ids: torch.Tensor, shown: Sequence[Shown]) -> torch.Tensor:
        """Positions of a row's tokens, [3, T]."""
        positions: torch.Tensor = self._family.compute_positions(self._model, ids, shown)
        return positions

    def find_blocks(self, ids: torch.Tensor, learned: Sequence[int]) -> None:
        """No token sees one that comes later."""


def _complete(published: Mapping[str, Any]) -> dict[str, Any]:
    """A published shape with what it leaves out, as it has no part in sizes."""
    vision = {"num_heads": 16, "window_size": 112, "fullatt_block_indexes": [7, 15, 23, 31]}
    rope = {"rope_parameters": {**ROPE, "mrope_section": [16, 24, 24]}}
    return {
        **published,
        **IDS,
        "text_config": {**published["text_config"], **rope},
        "vision_config": {**published["vision_config"], **vision},
    }


def qwen(hidden: int, layers: int, vocabulary: int, seen: int, depth: int) -> dict[str, Any]:
    """The configuration of a small Qwen2.5-VL: widths of LLM and encoder, layers of both."""
    half = hidden // 8  # of a head's width, in pairs
    ids = {name: number for number, name in enumerate(IDS, 1)}
    return {
        "model_type": "qwen2_5_vl",
        "tie_word_embeddings": False,
        **ids,
        "text_config": {
            "model_type": "qwen2_5_vl_text",
            "hidden_size": hidden,
            "intermediate_size": 3 * hidden,
            "num_hidden_layers": layers,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "vocab_size": vocabulary,
            "rope_parameters": {
                **ROPE,
                "mrope_section": [half - 2 * (half // 3), *[half // 3] * 2],
            },
            "bos_token_id": 0,
            "eos_token_id": 0,
        },
        "vision_config": {
            "model_type": "qwen2_5_vl",
            "depth": depth,
            "hidden_size": seen,
            "intermediate_size": 3 * seen,
            "out_hidden_size": hidden,
            "patch_size": 14,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "num_heads": 2,
            "window_size": 56,
            "fullatt_block_indexes": [depth - 1],
        },
    }


LONG, SHORT = ((("adapters", count), ("llm", count)) for count in (424, 48))
SMALL = ((112, 84), (224, 168), (336, 252))
SEEING = {
    "qwen2.5-vl-7b": SeeingShape(
        _complete(shapes.find("Qwen/Qwen2.5-VL-7B-Instruct").config),
        USUAL,
        seeing.FEWEST,
        seeing.MOST,
        LONG,
    ),
    "qwen-small": SeeingShape(qwen(384, 8, 8192, 128, 4), SMALL, 56 * 56, seeing.MOST, LONG),
    "qwen-tiny": SeeingShape(qwen(64, 3, 4096, 32, 3), SMALL[:2], 56 * 56, seeing.MOST, SHORT),
}
