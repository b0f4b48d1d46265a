"""Whether the hardware computes in bf16, or only emulates it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ikusi.recipe import Stage

if TYPE_CHECKING:
    import torch

EMULATED = (
    "bf16 is emulated on this processor, which has no instructions for it: a training can take ten "
    "times as long; precision: auto or fp32 in its stage computes without"
)


def settle(stage: Stage) -> Stage:
    """A stage whose precision is known: `auto` becomes bf16 where the hardware has it, else fp32.

    In fp32 also where torch does not know what a processor has.
    """
    import torch

    if stage.precision != "auto":
        return stage
    if torch.cuda.is_available():
        has = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        has = torch.accelerator.is_available() or any(_instructions())
    return stage.model_copy(update={"precision": "bf16" if has else "fp32"})


def has_bf16(device: torch.device) -> bool:
    """Whether a device computes in bf16 itself; not taken for granted of a processor that torch
    does not know."""
    return device.type != "cpu" or any(_instructions())


def describe_emulated_bf16() -> str | None:
    """A warning where the processor has no instructions for bf16; None where it has them, or where
    torch does not know."""
    known = _instructions()
    return EMULATED if known and not any(known) else None


def _instructions() -> list[bool]:
    """For each kind of bf16 instructions that torch knows of, whether the processor has them."""
    import torch

    ask = getattr(torch.cpu, "get_capabilities", dict)  # which the oldest torch may not have
    return [bool(has) for name, has in ask().items() if "bf16" in name]
