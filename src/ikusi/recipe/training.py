"""The part of a recipe that says how models are trained: two stages, and what they run on."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from ikusi import yamlfile
from ikusi.recipe.values import Corpus, Positive, Share, Text, check_no_repeats, make_error
from ikusi.yamlfile import Section

READERS_BESIDE_GPU = 4
DIVIDING = ("fsdp", "zero2", "zero3")  # of `Compute.parallel`: those that divide matrices

Part = Literal["connector", "llm", "vision"]
Tracker = Literal[
    "clearml", "codecarbon", "comet_ml", "dagshub", "dvclive", "kubeflow",
    "mlflow", "neptune", "swanlab", "tensorboard", "trackio", "wandb",
]  # fmt: skip


class Lora(Section):
    """Low-rank adapters in a part in place of its own weights (arXiv 2106.09685)."""

    parts: Annotated[list[Part], AfterValidator(check_no_repeats)] = Field(
        default=["llm"],
        min_length=1,
        description="Parts of `trainable` that get adapters; the others learn in full.",
    )
    rank: int = Field(default=64, ge=1, description="Rank of each adapter.")
    alpha: Positive = Field(default=128, description="Adapters are scaled by alpha / rank.")
    dropout: Share = Field(default=0.05, description="Dropout before each adapter.")
    targets: Annotated[list[str], AfterValidator(check_no_repeats)] = Field(
        default=["all-linear"],
        min_length=1,
        description="Layers that get one, by the ends of their names; all-linear: every one.",
    )
    quantize: Literal["none", "nf4"] = Field(
        default="none", description="Hold these parts' own weights in 4 bits meanwhile (QLoRA)."
    )


class Stage(Section):
    """One training stage."""

    corpus: Corpus = Field(
        description="Corpus it trains on: `miniature/...`, a folder, or `hub:ORG/NAME@REVISION`."
    )
    trainable: Annotated[list[Part], AfterValidator(check_no_repeats)] = Field(
        min_length=1, description="Parts that learn: connector, llm, vision; the rest is frozen."
    )
    ratio: Share | None = Field(
        default=None,
        description="Share of rows in the target language; none where the grid sets it.",
    )
    lora: Lora | None = Field(
        default=None, description="Adapters instead of own weights; none: no adapters."
    )
    optimizer: Literal["adamw", "adamw8bit", "muon"] = Field(
        default="adamw",
        description="AdamW, AdamW with 8-bit moments, or Muon for matrices and AdamW for the rest.",
    )
    learning_rate: Positive = Field(description="Peak learning rate.")
    batch_size: int = Field(ge=1, description="Samples in one optimiser step.")
    group_by_task: bool = Field(
        default=False,
        exclude_if=lambda grouped: not grouped,  # recipes from before it stay what they were
        description="Fill each step with rows of one `task` of one corpus, as far as there are "
        "enough; the steps then come in any order.",
    )
    epochs: Positive = Field(description="Passes over the stage's rows.")
    max_steps: int | None = Field(
        default=None, ge=1, description="End after so many steps; none: after all epochs."
    )
    weight_decay: float = Field(default=0.0, ge=0, description="Weight decay.")
    warmup_ratio: Share = Field(
        default=0.03, description="Share of the steps in which the learning rate rises."
    )
    scheduler: Literal["cosine"] = Field(
        default="cosine", description="How the learning rate falls after warm-up."
    )
    precision: Literal["bf16", "fp32", "auto"] = Field(
        default="bf16",
        description="Number format of the computation; what learns stays in fp32. `auto`: bf16 "
        "where the hardware has instructions for it, else fp32.",
    )
    max_length: int = Field(
        default=8192, ge=16, description="Longest sample, in tokens; text beyond it is cut."
    )
    gradient_checkpointing: bool = Field(
        default=False, description="Compute activations twice to hold fewer in memory."
    )
    save_every: int = Field(
        default=100, ge=1, description="Optimiser steps between checkpoints to resume from."
    )

    @model_validator(mode="after")
    def _lora_fits(self) -> "Stage":
        for part in self.lora.parts if self.lora else []:
            if part not in self.trainable:
                expected = f"nothing, as {part} is not trainable"
                raise make_error(expected, ("lora",), found=part)
        return self

    @property
    def grouped(self) -> int | None:
        """Batch size of a mixture that is grouped by task; none where it is not grouped."""
        return self.batch_size if self.group_by_task else None

    def find_undivided(self) -> tuple[yamlfile.Key, str, str] | None:
        """The setting that needs whole matrices: its key, the expected and the actual value; or
        none."""
        if self.optimizer != "adamw":
            return ("optimizer",), "adamw", self.optimizer
        if self.lora and self.lora.quantize != "none":
            return ("lora", "quantize"), "none", self.lora.quantize
        return None


class Slurm(Section):
    """Settings for jobs on a SLURM cluster, in sbatch's words."""

    nodes: int = Field(
        default=1, ge=1, description="Machines for a training, each with `processes` processes."
    )
    minutes: int = Field(
        ge=3,  # a job gets a signal 90 seconds before its end, and must have begun by then
        description="Longest time of a job. A step that is not done by then queues again and goes "
        "on from its last checkpoint.",
    )
    partition: Text | None = Field(default=None, description="Partition; none: the cluster's own.")
    account: Text | None = Field(default=None, description="Account that is charged.")
    gpus: bool = Field(default=True, description="Ask for a GPU for each process.")
    cpus_per_task: int | None = Field(
        default=None, ge=1, description="Processor cores for each process."
    )
    mem: Text | None = Field(default=None, description="Memory of each machine, such as 400G.")
    setup: list[Text] = Field(
        default=[], description="Shell commands that come first on the machine: module load ..."
    )
    options: dict[str, str | int | bool] = Field(
        default={}, description="Any other option of sbatch: {qos: high, constraint: a100}."
    )


class Compute(Section):
    """Settings of processes and hardware; none changes results beyond their last bits."""

    parallel: Literal["ddp", "fsdp", "zero2", "zero3"] = Field(
        default="ddp",
        description="What several processes share: each holds everything (ddp), or PyTorch (fsdp) "
        "or DeepSpeed (zero2, zero3) divide weights, gradients and optimiser among them.",
    )
    processes: int = Field(
        default=1,
        ge=1,
        description="Processes for a training, one a GPU; with `slurm`, on each of its machines.",
    )
    micro_tokens: int | None = Field(
        default=None,
        ge=1,
        description="Most tokens in one forward pass; none: 16,384.",
    )
    eval_batch_size: int = Field(
        default=64,
        ge=1,
        description="Pictures, and sequences, that a measurement works on at once; fewer take less "
        "memory.",
    )
    data_workers: int | None = Field(
        default=None,
        ge=0,
        description="Processes that read pictures ahead for each training process; none: 4 "
        "beside a GPU, 0 on the CPU.",
    )
    report_to: Annotated[list[Tracker], AfterValidator(check_no_repeats)] = Field(
        default=[], description="Trackers that transformers knows: tensorboard, wandb, trackio."
    )
    slurm: Slurm | None = Field(
        default=None,
        description="Hand trainings, features and measurements to a SLURM cluster as jobs; none: "
        "they run here.",
    )

    @property
    def together(self) -> int:
        """Processes for a training, on all its machines."""
        return self.processes * (self.slurm.nodes if self.slurm else 1)

    def readers(self, *, beside_gpu: bool) -> int:
        """Processes that read pictures ahead for one training process."""
        if self.data_workers is not None:
            return self.data_workers
        return READERS_BESIDE_GPU if beside_gpu else 0


class Stages(Section):
    """The two stages of late fusion (paper, section 3.2)."""

    align: Stage | None = Field(
        default=None,
        description="Alignment: only the connector is trained, on captions; none where every "
        "backbone sees already and is trained on instructions as it is.",
    )
    instruct: Stage = Field(description="Instruction tuning of the connector and the LLM.")

    @property
    def alignment(self) -> Stage:
        """The first stage, where it is known that there is one."""
        assert self.align is not None
        return self.align

    @property
    def named(self) -> list[tuple[str, Stage]]:
        """The stages that there are by their names, the first first."""
        every = [("align", self.align), ("instruct", self.instruct)]
        return [(name, stage) for name, stage in every if stage]

    @property
    def every(self) -> list[Stage]:
        """The same without their names."""
        return [stage for _, stage in self.named]
