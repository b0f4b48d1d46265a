"""What a step of training costs in floating-point operations and in memory, and how fast the device
could be.

Counted is what the model needs, as is usual for MFU (arXiv 2204.02311, appendix B): activations
that gradient checkpointing computes again are not, nor is padding, of which there is none. Memory
is the sum of what a stage holds at its worst moment; `bench/train_gpu.py` holds it against what was
really there.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn
from transformers import LlavaForConditionalGeneration, PreTrainedModel

from ikusi.recipe import Stage
from ikusi.train.features import IMAGES_AT_ONCE
from ikusi.train.lora import list_linear_layers
from ikusi.train.packed import MOST_LOGITS

PEAKS = {
    "B200": 2250e12,
    "H200": 989e12,
    "H100": 989e12,
    "GH200": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "RTX 4090": 165e12,
    "L4": 121e12,
    "RTX A6000": 155e12,
    "RTX 3090": 71e12,
    "A10": 125e12,
    "V100": 125e12,
    "T4": 65e12,
}
"""Part of a GPU's name -> its vendor's figure for dense half-precision operations a second."""

MATRIX, TRIES = 1024, 5

NF4 = 0.5 + 1 / 64 + 4 / (64 * 256)
"""Bytes of a weight in 4 bits: a scale of one byte for 64, and one of four bytes for 256 scales."""

GATHERED, BUCKET = 1e9, 5e8
"""Weights and gradients that DeepSpeed puts together at once by default, each of two bytes."""


@dataclass(frozen=True)
class Cost:
    """Floating-point operations of one pass forward, by what they are for.

    `token`: of the LLM's layers for each token. `pair`: of attention for each pair of tokens that
    see each other. `prediction`: of the output layer for each supervised token. `image`: of the
    encoder, and `feature_tokens` tokens of each image through the connector. `backward`: how many
    times as much the way back takes in the LLM: twice where it learns, once where gradients only
    pass through it.
    """

    token: float
    pair: float
    prediction: float
    image: float
    connector: float
    backward: int
    backward_image: int

    @classmethod
    def of(cls, model: PreTrainedModel, tower: nn.Module | None, image_tokens: int) -> Cost:
        """The cost for a model whose learning parts are set; `tower`: its encoder, if any."""
        multimodal = isinstance(model, LlavaForConditionalGeneration)
        whole: Any = model
        llm = whole.model.language_model if multimodal else whole.base_model
        config = whole.config.text_config if multimodal else whole.config
        heads = config.num_attention_heads
        width = heads * (getattr(config, "head_dim", None) or config.hidden_size // heads)
        head = whole.get_output_embeddings().weight
        body = _size(llm) - _size(llm.get_input_embeddings())
        projector = whole.model.multi_modal_projector if multimodal else None
        vision_learns = tower is not None and _learns(tower)
        return cls(
            token=2 * body,
            pair=4 * width * config.num_hidden_layers,
            prediction=2 * head.shape[0] * head.shape[1],
            image=2 * _size(tower) * image_tokens if tower is not None else 0,
            connector=2 * _size(projector) * image_tokens if projector is not None else 0,
            backward=2 if _learns(llm) else 1,
            backward_image=2 if vision_learns else 0,
        )

    def step(self, lengths: Sequence[int], supervised: int, images: int) -> float:
        """Operations of one step, there and back, over samples of these lengths."""
        pairs = sum(length * (length + 1) / 2 for length in lengths)
        forward = self.token * sum(lengths) + self.pair * pairs + self.prediction * supervised
        seen = images * (self.image * (1 + self.backward_image) + 3 * self.connector)
        return forward * (1 + self.backward) + seen


def find_peak(device: torch.device, dtype: torch.dtype) -> float:
    """Operations a second that a device could make: by the vendor, else as measured on products of
    matrices."""
    if device.type == "cuda" and dtype == torch.bfloat16:
        name = torch.cuda.get_device_name(device)
        known = [speed for part, speed in PEAKS.items() if part in name.replace("-", " ").split()
                 or (" " in part and part in name)]  # fmt: skip
        if known:
            return known[0]
    left, right = (torch.randn(MATRIX, MATRIX, device=device, dtype=dtype) for _ in range(2))
    return 2 * MATRIX**3 / min(_seconds(left, right) for _ in range(TRIES))


@dataclass(frozen=True)
class Memory:
    """Bytes that one process holds on its device at a step's worst moment, by what they are for.

    `frozen`: weights that do not learn, the encoder's apart (`encoder`). `learning`: those that do,
    in fp32. `copies`: of weights in fp32, in the type that is computed in; with
    4 bits also of one matrix. `saved`: activations of
    all layers, kept for the way back. `layer`: those of the one layer that is computed again, and
    its gradients. `logits`: of one piece, there and back. `images`: the encoder's own pass, over
    before the LLM's begins. `gathered`: what others lend, where weights are divided.
    """

    frozen: float
    encoder: float
    learning: float
    gradients: float
    optimizer: float
    copies: float
    saved: float
    layer: float
    logits: float
    images: float
    gathered: float

    @classmethod
    def of(
        cls,
        model: PreTrainedModel,
        stage: Stage,
        *,
        tokens: int,
        supervised: int,
        images: int = 0,
        processes: int = 1,
    ) -> Memory:
        """What `stage` needs for a model (Llama's layers; it may be on the device "meta"), as
        `fusion.set_trainable` set it, that came in its dtype.

        `tokens`, `supervised`, `images`: of the longest forward pass of one process. `processes`:
        among which ZeRO-3 divides; beside 1, its formats are counted.
        """
        sizes = _Sizes.of(model, stage, processes)
        layers = sizes.config.num_hidden_layers
        of_layer = tokens * sizes.activations()
        kept = tokens * sizes.stream * sizes.config.hidden_size
        again = stage.gradient_checkpointing
        return cls(
            frozen=sizes.frozen_bytes,
            encoder=sizes.encoder * sizes.held,
            learning=sizes.learning * (4 if processes == 1 else 6) / processes,
            gradients=sizes.learning * (4 if processes == 1 else 2) / processes,
            optimizer=sizes.learning * (2 if stage.optimizer == "adamw8bit" else 8) / processes,
            copies=sizes.copied * sizes.computed,
            saved=layers * (kept if again else of_layer) + 3 * kept,
            layer=(of_layer if again else 0) + tokens * sizes.passing(),
            logits=12 * min(supervised * sizes.config.vocab_size, MOST_LOGITS),
            images=min(images, IMAGES_AT_ONCE) * sizes.seen,
            gathered=0 if processes == 1 else 2 * GATHERED + 2 * 2 * BUCKET,
        )

    @property
    def peak(self) -> float:
        """Most bytes at once: when the encoder looks, when the way back begins, or when it ends.
        (Gradients are there from the start where a step has several parts.)"""
        resting = self.frozen + self.encoder + self.learning + self.optimizer + self.gathered
        begins = self.copies + self.saved + max(self.logits, self.layer)
        return resting + max(self.images, begins, self.gradients + self.layer)

    @property
    def peak_in_parts(self) -> float:
        """The same for a step of several parts."""
        begins = self.copies + self.saved + max(self.logits, self.layer)
        rest = ("frozen", "encoder", "learning", "gradients", "optimizer", "gathered")
        return sum(asdict(self)[name] for name in rest) + max(self.images, begins)


@dataclass(frozen=True)
class _Sizes:
    """What `Memory` is reckoned from.

    `learning`, `encoder`, `copied`: numbers of weights. `held`, `computed`, `stream`: bytes of a
    frozen weight, of a number in a layer, of one between layers. `seen`: bytes of a picture's pass.
    """

    config: Any
    stage: Stage
    learns: bool
    learning: float
    frozen_bytes: float
    encoder: float
    copied: float
    held: int
    computed: int
    stream: int
    seen: float

    @classmethod
    def of(cls, model: PreTrainedModel, stage: Stage, processes: int) -> _Sizes:
        whole: Any = model
        multimodal = isinstance(model, LlavaForConditionalGeneration)
        tower = whole.model.vision_tower if multimodal else None
        if tower is not None and _learns(tower):
            raise ValueError("expected a frozen encoder; the memory of others is not reckoned")
        llm = whole.model.language_model if multimodal else whole.base_model
        matrices = list_linear_layers(model)
        shapes = [model.get_submodule(name).weight.shape for name in matrices]
        encoder = _size(tower) if tower is not None else 0
        learns = stage.lora is None and _learns(llm)
        learning = sum(p.numel() for p in model.parameters() if p.requires_grad)
        of_llm = (
            _size(model) - encoder - (_size(whole.model.multi_modal_projector) if multimodal else 0)
        )
        adapters = stage.lora.rank * sum(map(sum, shapes)) if stage.lora else 0
        if stage.lora:
            learning += adapters - of_llm
        bf16 = stage.precision == "bf16"
        held = 2 if bf16 and model.dtype == torch.bfloat16 else 4
        in_four = sum(map(torch.Size.numel, shapes)) if _in_four(stage) else 0
        frozen = _size(model) - encoder - (learning - adapters)
        divided = processes > 1
        computed = 2 if bf16 else 4
        unpacked = max(map(torch.Size.numel, shapes)) if in_four else 0
        in_fp32 = of_llm if learns or held == 4 else 0
        return cls(
            config=whole.config.text_config if multimodal else whole.config,
            stage=stage,
            learns=learns,
            learning=learning,
            frozen_bytes=(frozen - in_four) * held / processes + in_four * NF4,
            encoder=encoder,
            copied=(in_fp32 + adapters if bf16 and not divided else 0) + unpacked,
            held=held,
            computed=computed,
            stream=computed if divided or (held == 2 and not learns) else 4,
            seen=_picture(tower.config, computed) if tower is not None else 0,
        )

    def activations(self) -> float:
        """Bytes that one layer keeps of a token for the way back: both norms (in fp32), attention,
        the gated MLP, and what its matrices need for gradients of their own."""
        config, byte = self.config, self.computed
        hidden, inner = config.hidden_size, config.intermediate_size
        queries, keys = _widths(config)
        norms = 2 * 4 * hidden
        mixed = byte * 2 * (queries + keys) + 4 * config.num_attention_heads
        if self.learns:
            norms += 2 * self.stream * hidden
            # Each matrix casts its input anew where that is in another type.
            inputs = inner + (5 if self.stream != byte else 2) * hidden
        else:
            inputs = 0
        if self.stage.lora:
            wide = 5 * hidden + queries + inner
            inputs += wide + 7 * self.stage.lora.rank
            mixed += wide * bool(self.stage.lora.dropout)  # a byte of mask
        return norms + mixed + byte * (3 * inner + inputs)

    def passing(self) -> float:
        """Bytes of the gradients of a token that are in a layer at once: about those of its MLP."""
        return 3 * self.computed * self.config.intermediate_size + 8 * self.config.hidden_size


def _widths(config: Any) -> tuple[int, int]:
    """Of all queries and of all keys of a token."""
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return width * config.num_attention_heads, width * config.num_key_value_heads


def _picture(config: Any, computed: int) -> float:
    """Bytes of one picture in the encoder: the states of every layer, and its MLP at work."""
    patches = (config.image_size // config.patch_size) ** 2 + 1
    return (
        patches
        * computed
        * (config.hidden_size * (config.num_hidden_layers + 4) + 2 * config.intermediate_size)
    )


def _in_four(stage: Stage) -> bool:
    return stage.lora is not None and stage.lora.quantize == "nf4"


def _seconds(left: torch.Tensor, right: torch.Tensor) -> float:
    began = time.perf_counter()
    (left @ right).sum().item()
    return time.perf_counter() - began


def _size(module: Any) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _learns(module: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in module.parameters())
