"""The base of the families of models that see, with what most of them have in common.

Models and processors are transformers' own. What a family adds is how its parts are named, what its
processor leaves to whoever trains (which tokens stand for a picture, where they stand, which of
them see each other), and how features take the places of these tokens.

Legend of shapes: T tokens of a row, N tokens of a picture, P tokens of all pictures of a row, F
features of all distinct pictures, H the LLM's width.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from ikusi.errors import InputError
from ikusi.model.pixels import check_sizes
from ikusi.model.processors import open_processor
from ikusi.model.tokens import compile_control, set_image_token
from ikusi.model.vision import list_unreached

PARTS = ("connector", "llm", "vision")

CHANNELS = 3

SMALL = (64, 64)
"""Size of a picture of nothing, in pixels."""

Pixels = dict[str, Tensor]
"""What the vision part of a model is given, by the names of its `get_image_features`."""


@dataclass(frozen=True)
class Shown:
    """The tokens that stand for a picture in a row, and what places them.

    `ids`: the tokens. `features`: how many of them stand for a feature. `inputs`: what else the
    model must know of the picture to place them, such as the shape of its grid.
    """

    ids: tuple[int, ...]
    features: int
    inputs: Mapping[str, Tensor] = field(default_factory=dict)


class Family:
    """A family: the model types of transformers that it covers, and how they are trained and asked.

    Attributes:
        name: for errors and logs.
        model_types: as `config.json` says.
        parts: beginnings of the names of each part's parameters; the longest that fits counts.
        placeholder: what the chat template writes for a picture; none: the processor's image token.
        around: text that the processor puts before and after a picture's tokens, which therefore is
            read together with the texts beside it.
        sized: whether the size of a picture decides which tokens stand for it.
        alone: whether a picture has other tokens where a row shows it more than once; such rows are
            refused.
        placing: names of `Shown.inputs`.
        answering: what a token of an answer is, by the names of what the processor gives, where it
            is another than the prompt's last one; such a prompt is read whole.
    """

    name: str
    model_types: tuple[str, ...]
    parts: Mapping[str, tuple[str, ...]] = {
        "vision": ("model.vision_tower.",),
        "connector": ("model.multi_modal_projector.", "model.image_newline"),
        "llm": ("model.language_model.", "lm_head."),
    }
    placeholder: str | None = None
    around: tuple[str, str] = ("", "")
    sized = True
    alone = False
    placing: tuple[str, ...] = ()
    answering: Mapping[str, int] = {}

    def open_processor(self, folder: str | Path) -> Any:
        """The model's own processor, which needs no torchvision.

        Raises:
            InputError: there is none, or it cannot do without torchvision.
        """
        return open_processor(folder)

    def find_part(self, name: str) -> str:
        """The part that a parameter or a module belongs to, by its name in the model.

        Raises:
            InputError: it belongs to none.
        """
        fitting = [
            (len(start), part)
            for part, starts in self.parts.items()
            for start in starts
            if f"{name}.".startswith(start) or name == start
        ]
        if not fitting:
            raise InputError(f"{self.name}: expected a parameter of a known part, found {name}")
        return max(fitting)[1]

    def list_fixed(self, model: Any) -> list[nn.Parameter]:
        """Parameters that never learn, whatever part does."""
        return []

    def list_unreached(self, model: Any, processor: Any) -> list[nn.Parameter]:
        """Parameters of the encoder that no feature depends on: they could never learn."""
        with torch.enable_grad():
            pixels = self.prepare(model, processor, [])
            moved = {name: value.to(model.device) for name, value in pixels.items()}
            features = torch.cat(self.compute_features(model, moved))
        own = [p for name, p in model.named_parameters() if self.find_part(name) == "vision"]
        return list_unreached(own, features)

    def make_tokenizer(self, processor: Any) -> Any:
        """The tokenizer as conversations are written with it: its image token is what the chat
        template writes for a picture, with the text `around` it."""
        tokenizer = deepcopy(processor.tokenizer)
        tokenizer.chat_template = processor.chat_template or tokenizer.chat_template
        image = self.placeholder or processor.image_token
        set_image_token(tokenizer, image)
        if any(self.around):
            before, after = self.around
            body = str(tokenizer.chat_template).removesuffix("\n")
            shown = f"replace({image!r}, {before + image + after!r})"
            tokenizer.chat_template = (
                f"{{%- set written %}}{body}{{% endset -%}}{{{{- written | {shown} -}}}}"
            )
        return tokenizer

    def process(self, processor: Any, images: Sequence[Image.Image]) -> dict[str, Any]:
        """All that the processor makes of prompts of one picture each.

        Raises:
            InputError: a picture would take too much memory.
        """
        check_sizes(processor.image_processor, images)
        image = self.placeholder or processor.image_token
        made = processor(
            text=[image] * len(images),
            images=[[one] for one in images],
            padding=True,
            add_special_tokens=False,
            return_tensors="pt",
        )
        return dict(made)

    def prepare(self, model: Any, processor: Any, images: Sequence[Image.Image]) -> Pixels:
        """Inputs of the vision part for some pictures; where there are none, for a blank one."""
        wanted = inspect.signature(type(model).get_image_features).parameters
        made = self.process(processor, images or [Image.new("RGB", SMALL, "grey")])
        return {name: value for name, value in made.items() if name in wanted}

    def count_patches(self, model: Any, processor: Any, size: tuple[int, int]) -> int:
        """Places that the encoder sees in a picture of a size, those of all its tiles together."""
        pixels = self.prepare(model, processor, [Image.new("RGB", size, "grey")])["pixel_values"]
        vision = model.config.vision_config
        sides = vision.patch_size
        area = sides**2 if isinstance(sides, int) else sides[0] * sides[1]
        return pixels.numel() // (CHANNELS * area * getattr(vision, "temporal_patch_size", 1))

    def show(self, model: Any, processor: Any, size: tuple[int, int]) -> Shown:
        """The tokens that stand for a picture of a size (width, height).

        Raises:
            InputError: the processor writes more than a picture's tokens with `around` them.
        """
        made = self.process(processor, [Image.new("RGB", size, "grey")])
        ids, tokenizer = made["input_ids"][0].tolist(), processor.tokenizer
        ends = compile_control(tokenizer).ids
        places = [place for place, token in enumerate(ids) if token in ends]
        core = ids[places[0] : places[-1] + 1] if places else []
        before, after = self.around
        if before + str(tokenizer.decode(core)) + after != tokenizer.decode(ids):
            raise InputError(
                f"{self.name}: expected a picture's tokens alone, found its processor to write "
                f"text with them: {tokenizer.decode(ids[: places[0]] if places else ids)!r}"
            )
        features = sum(token == model.config.image_token_id for token in core)
        placing = {name: made[name] for name in self.placing}
        return Shown(tuple(core), features, placing)

    def compute_positions(self, model: Any, ids: Tensor, shown: Sequence[Shown]) -> Tensor:
        """Positions of a sample's tokens, [T] or with several axes [A, T].

        `model`: what has the model's configuration and its functions; no weights are read. `ids`
        [T]; `shown`: what stands for each of its pictures.
        """
        return torch.arange(len(ids))

    def find_blocks(self, model: Any, ids: Tensor, learned: Sequence[int]) -> Tensor | None:
        """Number the blocks of tokens that see each other (`Packing.blocks`), [T]; None for none.

        `learned`: the places of its supervised tokens.
        """
        return None

    def compute_features(self, model: Any, pixels: Pixels) -> list[Tensor]:
        """Features of pictures, one after the other: [F, H]; some families have further ones for
        later layers."""
        made = model.get_image_features(**pixels, return_dict=True).pooler_output
        return [made.flatten(0, -2) if isinstance(made, Tensor) else torch.cat(list(made))]

    def fill_in(self, model: Any, input_ids: Tensor, features: list[Tensor]) -> dict[str, Any]:
        """The model's inputs in place of `input_ids` [1, T], whose image tokens stand for
        `features` [P, H], in order."""
        embeddings = model.get_input_embeddings()(input_ids)
        mask = (input_ids == model.config.image_token_id).unsqueeze(-1)
        filled = embeddings.masked_scatter(mask, features[0].to(embeddings.dtype))
        return {"inputs_embeds": filled}

    def read(self, model: Any, input_ids: Tensor, pixels: Any, index: Tensor) -> dict[str, Any]:
        """The model's inputs for a row.

        Args:
            input_ids: [1, T].
            pixels: of the distinct pictures; of some picture or other where the row shows none.
            index: [P], which feature each image token stands for.
        """
        return self.place(model, input_ids, self.compute_features(model, pixels), index)

    def place(
        self, model: Any, input_ids: Tensor, features: list[Tensor], index: Tensor
    ) -> dict[str, Any]:
        """The same, once the features are known; arguments as for `read` and `fill_in`."""
        if len(index):
            return self.fill_in(model, input_ids, [one.index_select(0, index) for one in features])
        # Text alone goes through encoder and connector too, with nothing: processes that share
        # weights must meet at every layer, and a stage that trains the connector alone would
        # have nothing to differentiate.
        embeddings = model.get_input_embeddings()(input_ids)
        nothing = torch.stack([0.0 * one.sum() for one in features]).sum()
        return {"inputs_embeds": embeddings + nothing.to(embeddings.dtype)}

    def has_plain_head(self, model: Any) -> bool:
        """Whether logits are what the output layer gives, with nothing after it."""
        return True
