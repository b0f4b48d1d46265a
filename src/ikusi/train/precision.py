"""Whether a processor computes in bf16, or only does as if."""

EMULATED = (
    "bf16 is emulated on this processor, which has no instructions for it: a training can take ten "
    "times as long; precision: fp32 in its stage computes without"
)


def emulated_bf16() -> str | None:
    """What to say where the processor has no instructions for bf16; None where it has them, or
    where torch does not know."""
    import torch

    ask = getattr(torch.cpu, "get_capabilities", dict)  # which the oldest torch may not have
    known = [has for name, has in ask().items() if "bf16" in name]
    return EMULATED if known and not any(known) else None
