"""An image processor that keeps what it made last: the same pictures are asked about again."""

from collections.abc import Iterator
from typing import Any

from transformers import BatchFeature


class Remembering:
    """Stands for an image processor, and makes nothing anew of the pictures it was given last."""

    def __init__(self, image_processor: Any) -> None:
        self.image_processor = image_processor
        self._last: tuple[list[Any], str, Any] = ([], "", None)

    def __call__(self, images: Any, **settings: Any) -> Any:
        """Process pictures as the image processor does; returns a new mapping each time."""
        shown, asked = list(_flatten(images)), f"{_nest(images)} {settings!r}"
        before, same, made = self._last
        if asked != same or [*map(id, shown)] != [*map(id, before)]:
            made = self.image_processor(images, **settings)
            self._last = (shown, asked, BatchFeature(dict(made)))
        return BatchFeature(dict(self._last[2]))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.image_processor, name)


def _flatten(images: Any) -> Iterator[Any]:
    if isinstance(images, list | tuple):
        for one in images:
            yield from _flatten(one)
    else:
        yield images


def _nest(images: Any) -> Any:
    """The nesting of lists of pictures, with 0 for each picture."""
    return [_nest(one) for one in images] if isinstance(images, list | tuple) else 0
