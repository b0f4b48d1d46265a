"""Pictures resized across first, then down, whatever the version of Pillow.

A picture is resized by two passes, each of which rounds and clips to 8 bits, so that their order
shows. Pillow 13 goes down first where a picture loses more of its height than of its width; earlier
ones go across first, as PyTorch does, and with it all that prepares pictures by torchvision. Pixels
of one picture then differ by up to 16 of 255 between two programs that show it to one model.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from transformers.image_processing_backends import PilBackend
from transformers.image_utils import PILImageResampling, SizeDict


class AcrossFirst(PilBackend):
    """The last of an image processor's classes that resizes: by one pass, then by the other."""

    def resize(
        self, image: np.ndarray, size: SizeDict, resample: Any = None, **more: Any
    ) -> np.ndarray:
        """A picture [C, H, W] at `size`, as transformers says it."""
        if not (size.height and size.width):
            nothing = np.broadcast_to(np.uint8(0), image.shape[-3:])
            nearest = PILImageResampling.NEAREST  # the cheapest
            height, width = super().resize(nothing, size, nearest, **more).shape[-2:]
            size = SizeDict(height=height, width=width)
        across = SizeDict(height=image.shape[-2], width=size.width)
        for one in (across, size):
            if image.shape[-2:] != (one.height, one.width):
                image = super().resize(image, one, resample, **more)
        return image

    def __reduce__(self) -> tuple[Any, ...]:
        """For processes that read pictures: the class below is found under no name."""
        return _restore, (type(self).__mro__[1], self.__dict__)


def resize_across_first(image_processor: Any) -> Any:
    """The same image processor, changed to resize in this order; one without Pillow stays."""
    if isinstance(image_processor, PilBackend) and not isinstance(image_processor, AcrossFirst):
        kind: Any = type(image_processor)
        image_processor.__class__ = _derive(kind)
    return image_processor


@cache
def _derive(kind: Any) -> Any:
    # After it, so that what it does itself of resizing comes before. By its name, as it is saved.
    return type(kind.__name__, (kind, AcrossFirst), {"__module__": kind.__module__})


def _restore(kind: Any, state: dict[str, Any]) -> Any:
    restored = kind.__new__(kind)
    vars(restored).update(state)
    return resize_across_first(restored)
