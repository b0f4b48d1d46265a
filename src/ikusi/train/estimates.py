"""Cost of a step of training in floating-point operations and in memory, from sizes alone: no
model is opened and no tensor library loaded, so that a plan answers at once.

Counted is what the model needs, as is usual for MFU (arXiv 2204.02311, appendix B): activations
that gradient checkpointing computes again are not, nor is padding, of which there is none. Memory
is the sum of what a stage holds at its worst moment; `bench/train_gpu.py` holds it against what was
really there. `cost` reads the sizes of a model that is there, `ikusi.plan` those that a
`config.json` gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from ikusi.errors import InputError
from ikusi.recipe import Stage

IMAGES_AT_ONCE = 32
MOST_LOGITS = 1 << 28  # kept at once: 1 GB in fp32, and as much again for their gradient

NF4 = 0.5 + 1 / 64 + 4 / (64 * 256)
"""Bytes of a weight in 4 bits: a scale of one byte for 64, and one of four bytes for 256 scales."""

GATHERED, BUCKET = 1e9, 5e8
"""Weights and gradients that DeepSpeed puts together at once by default, each of two bytes."""


@dataclass(frozen=True)
class Matrix:
    """A linear layer of an LLM: the end of its name, and its numbers of outputs and inputs."""

    name: str
    outputs: int
    inputs: int

    @property
    def size(self) -> int:
        """Its weights, without a bias."""
        return self.outputs * self.inputs


@dataclass(frozen=True)
class Sizes:
    """Sizes of the parts of a model.

    Attributes:
        hidden, inner, layers, heads: of the LLM; `inner` is the width of its MLP.
        queries, keys: width of all queries and of all keys of a token.
        vocabulary: tokens that it knows.
        embedding, head, body: weights of the input embeddings, of an output layer of its own (0
            where that is the embeddings), and of all else in the LLM.
        matrices: the LLM's linear layers, but for its output layer.
        encoder: weights of the vision encoder; 0 for none.
        encoder_hidden, encoder_inner, encoder_layers: of the encoder.
        patches: places that the encoder sees in a picture, a class token included.
        connector: weights between both, those that never learn included (`identity`).
    """

    hidden: int
    inner: int
    layers: int
    heads: int
    queries: int
    keys: int
    vocabulary: int
    embedding: int
    head: int
    body: int
    matrices: tuple[Matrix, ...]
    encoder: int = 0
    encoder_hidden: int = 0
    encoder_inner: int = 0
    encoder_layers: int = 0
    patches: int = 0
    connector: int = 0
    identity: int = 0

    @property
    def llm(self) -> int:
        """Weights of the LLM."""
        return self.embedding + self.head + self.body

    @property
    def total(self) -> int:
        """Weights of all parts."""
        return self.llm + self.encoder + self.connector

    def count_adapters(self, stage: Stage) -> int:
        """Weights of the adapters that a stage puts into the LLM."""
        if stage.lora is None:
            return 0
        wanted = stage.lora.targets
        chosen = [one for one in self.matrices if wanted == ["all-linear"] or one.name in wanted]
        return stage.lora.rank * sum(one.outputs + one.inputs for one in chosen)

    def count_learning(self, stage: Stage) -> int:
        """Weights that learn in a stage.

        Raises:
            InputError: the encoder learns, whose activations are not estimated.
        """
        if "vision" in stage.trainable:
            raise InputError(
                "trainable: expected connector and llm, as the memory of an encoder that learns is "
                "not estimated; found vision"
            )
        connector = self.connector - self.identity if "connector" in stage.trainable else 0
        if stage.lora:
            return connector + self.count_adapters(stage)
        return connector + (self.llm if "llm" in stage.trainable else 0)


@dataclass(frozen=True)
class Cost:
    """Floating-point operations of one pass forward, by what they are for.

    `token`: of the LLM's layers for each token. `pair`: of attention for each pair of tokens that
    see each other. `prediction`: of the output layer for each supervised token. `image`: of the
    encoder, and `connector`, of each image. `backward`: how many times as much the way back takes
    in the LLM: twice where all of it learns, once where gradients only pass through it, and little
    more with adapters.
    """

    token: float
    pair: float
    prediction: float
    image: float
    connector: float
    backward: float
    backward_image: int

    @classmethod
    def of(
        cls,
        sizes: Sizes,
        image_tokens: float,
        *,
        learns: float,
        encodes: bool,
        vision_learns: bool,
        patches: float | None = None,
    ) -> Cost:
        """The cost for a model of these sizes.

        Args:
            image_tokens: tokens of each picture.
            patches: places of it that the encoder sees, where these are not as many.
            learns: share of the LLM's weights that learn.
            encodes: whether pictures are looked at, rather than their features read.
        """
        return cls(
            token=2 * sizes.body,
            pair=4 * sizes.queries * sizes.layers,
            prediction=2 * sizes.vocabulary * sizes.hidden,
            image=2 * sizes.encoder * (patches or image_tokens) if encodes else 0,
            connector=2 * sizes.connector * image_tokens,
            backward=1 + learns,
            backward_image=2 if vision_learns else 0,
        )

    def step(self, lengths: Sequence[int], supervised: int, images: int) -> float:
        """Operations of one step, there and back, over samples of these lengths."""
        pairs = sum(length * (length + 1) / 2 for length in lengths)
        return self.total(sum(lengths), pairs, supervised, images)

    def total(self, tokens: float, pairs: float, supervised: float, images: float) -> float:
        """The same of so many tokens, pairs of tokens that see each other, and pictures."""
        forward = self.token * tokens + self.pair * pairs + self.prediction * supervised
        seen = images * (self.image * (1 + self.backward_image) + 3 * self.connector)
        return forward * (1 + self.backward) + seen


@dataclass(frozen=True)
class Memory:
    """Bytes that one process holds on its device at a step's worst moment, by what they are for.

    `frozen`: weights that do not learn, the encoder's apart (`encoder`). `learning`: those that do,
    in fp32. `copies`: of weights in fp32, in the type that is computed in; with
    4 bits also of one matrix. `saved`: activations of
    all layers, kept for the way back. `layer`: those of the one layer that is computed again, and
    its gradients. `logits`: of one piece, there and back. `images`: the encoder's own pass, over
    before the LLM's begins. `gathered`: weights that processes gather from each other.
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
        sizes: Sizes,
        stage: Stage,
        *,
        half: bool,
        tokens: int,
        supervised: int,
        images: int = 0,
        processes: int = 1,
        parallel: str = "zero3",
        encoder: bool = True,
    ) -> Memory:
        """Estimate what `stage` needs for a model of these sizes (Llama's layers).

        Args:
            half: it came in bf16.
            tokens, supervised, images: of the longest forward pass of one process.
            processes: among which it is divided, or that each hold it, by `parallel`, which is
                `compute.parallel` of a recipe.
            encoder: whether the encoder is held, rather than its features read.

        Raises:
            InputError: the encoder learns.
        """
        formats = _Formats.of(sizes, stage, half, parallel if processes > 1 else "single")
        learning, share = sizes.count_learning(stage), formats.share(processes)
        of_layer = tokens * formats.activations()
        unread = (tokens - supervised) * formats.mlp()  # which the last layer leaves out
        kept = tokens * formats.stream * sizes.hidden
        again = stage.gradient_checkpointing
        return cls(
            frozen=formats.frozen_bytes(learning, processes),
            encoder=sizes.encoder * formats.held * encoder,
            learning=learning * share.weights,
            gradients=learning * share.gradients,
            optimizer=learning * share.moments,
            copies=formats.copied * formats.computed,
            saved=sizes.layers * (kept if again else of_layer) + 3 * kept - unread * (not again),
            layer=(of_layer if again else 0) + tokens * formats.passing(),
            logits=formats.logit() * min(supervised * sizes.vocabulary, MOST_LOGITS)
            + formats.head_gradients(supervised),
            images=min(images, IMAGES_AT_ONCE) * formats.picture() * encoder,
            gathered=formats.count_gathered(learning),
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
class _Share:
    """Bytes that one process holds for each weight that learns."""

    weights: float
    gradients: float
    moments: float


@dataclass(frozen=True)
class _Formats:
    """Sizes of the numbers in a stage, in bytes.

    `held`, `computed`, `stream`: bytes of a frozen weight, of a number in a layer, of one between
    layers. `copied`: weights that are also held in the type that is computed in. `learns`: whether
    the LLM's own weights do.
    """

    sizes: Sizes
    stage: Stage
    parallel: str
    learns: bool
    copied: float
    held: int
    computed: int
    stream: int

    @classmethod
    def of(cls, sizes: Sizes, stage: Stage, half: bool, parallel: str) -> _Formats:
        bf16 = stage.precision == "bf16"
        held, computed = 2 if bf16 and half else 4, 2 if bf16 else 4
        learns = stage.lora is None and "llm" in stage.trainable
        divided = parallel in ("fsdp", "zero2", "zero3")
        in_fp32 = sizes.llm if learns or held == 4 else 0
        cast = in_fp32 + sizes.count_adapters(stage) if bf16 and not divided else 0
        unpacked = max(one.size for one in sizes.matrices) if _in_four(stage) else 0
        stream = computed if divided or (held == 2 and not learns) else 4
        copied = cast + unpacked
        return cls(sizes, stage, parallel, learns, copied, held, computed, stream)

    def share(self, processes: int) -> _Share:
        """Bytes of each process for each weight that learns.

        DeepSpeed computes with weights of two bytes, and holds those in fp32 besides.
        """
        moments = 2 if self.stage.optimizer == "adamw8bit" else 8
        if self.parallel == "zero3":
            return _Share(6 / processes, 2 / processes, moments / processes)
        if self.parallel == "zero2":
            return _Share(2 + 4 / processes, 2 / processes, moments / processes)
        if self.parallel == "fsdp":
            return _Share(4 / processes, 4 / processes, moments / processes)
        return _Share(4, 4, moments)

    def frozen_bytes(self, learning: int, processes: int) -> float:
        """All that does not learn, but for the encoder, which is never divided."""
        adapters = self.sizes.count_adapters(self.stage)
        packed = sum(one.size for one in self.sizes.matrices) if _in_four(self.stage) else 0
        frozen = self.sizes.total - self.sizes.encoder - (learning - adapters)
        divided = processes if self.parallel in ("fsdp", "zero3") else 1
        return (frozen - packed) * self.held / divided + packed * NF4

    def count_gathered(self, learning: int) -> float:
        """Bytes gathered at a time: DeepSpeed's buckets, FSDP's layers (one at work and the next)
        with what stands outside them, DDP's buckets, which hold each gradient once more."""
        if self.parallel == "zero3":
            return 2 * GATHERED + 2 * 2 * BUCKET
        if self.parallel == "zero2":
            return 2 * 2 * BUCKET
        if self.parallel == "fsdp":
            outside = self.sizes.embedding + self.sizes.head + self.sizes.connector
            return self.computed * (outside + 2 * self.sizes.body / self.sizes.layers)
        return 4.0 * learning if self.parallel == "ddp" else 0

    def activations(self) -> float:
        """Bytes that one layer keeps of a token for the way back: both norms, attention, the gated
        MLP, and what its matrices need for gradients of their own."""
        sizes, byte = self.sizes, self.computed
        hidden, inner = sizes.hidden, sizes.inner
        norms = 2 * byte * hidden
        mixed: float = byte * 2 * (sizes.queries + sizes.keys) + 4 * sizes.heads
        inputs = 0
        if self.learns:
            inputs = inner + 2 * hidden
        if self.stage.lora:
            wide = 5 * hidden + sizes.queries + inner
            inputs += wide + 7 * self.stage.lora.rank
            mixed += wide * bool(self.stage.lora.dropout)  # a byte of mask
        return norms + mixed + byte * (3 * inner + inputs)

    def mlp(self) -> float:
        """Bytes of them that are its gated MLP's alone."""
        return self.computed * (3 + self.learns) * self.sizes.inner

    def passing(self) -> float:
        """Bytes of the gradients of a token that are in a layer at once: about those of its MLP."""
        return 3 * self.computed * self.sizes.inner + 8 * self.sizes.hidden

    def logit(self) -> int:
        """Bytes of a logit while its loss is computed: itself in fp32 and its exponential, and
        where processes share the output layer its gradient too."""
        return 12 if self.parallel in ("fsdp", "zero3") else 8

    def head_gradients(self, supervised: int) -> float:
        """Bytes of gradients that such a loss keeps for the way back: of the states that it is
        computed from, and of an output layer that learns."""
        if self.parallel in ("fsdp", "zero3"):
            return 0
        of_weight = 4 * self.sizes.vocabulary * self.sizes.hidden * self.learns
        return supervised * self.sizes.hidden * self.stream + of_weight

    def picture(self) -> float:
        """Bytes of one picture in the encoder: the states of every layer, and its MLP at work."""
        sizes = self.sizes
        width = sizes.encoder_hidden * (sizes.encoder_layers + 4) + 2 * sizes.encoder_inner
        return sizes.patches * self.computed * width


def _in_four(stage: Stage) -> bool:
    return stage.lora is not None and stage.lora.quantize == "nf4"
