"""torchvision beside a PyTorch for CPUs, as far as image processors need it.

The package index has torchvision for CUDA alone. Beside another PyTorch its compiled operators are
not loaded, and its import fails as it tells PyTorch of the shapes of two that do not exist. Both
choose among boxes, and no picture is resized by them: that is done by PyTorch's `interpolate`.
"""

from torch.library import Library

MISSING = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
"""Operators that torchvision speaks of when it is imported, whether it has them or not."""

DECLARED: list[Library] = []
"""Kept: what a library has declared goes when it does."""


def import_torchvision() -> str:
    """Import torchvision, declaring what it lacks, and give its version.

    Raises:
        ImportError: it is not installed.
    """
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
        DECLARED.append(Library("torchvision", "DEF"))
        for operator in MISSING:
            DECLARED[0].define(operator)
        import torchvision
    return str(torchvision.__version__)
