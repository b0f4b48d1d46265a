"""A small corpus of every kind, written by the real writer."""

import io
from typing import Any

from PIL import Image

Texts = dict[str, dict[str, Any]]


def picture(colour: str = "red", side: int = 8) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(buffer, "PNG")
    return buffer.getvalue()


def instruction(number: int) -> Texts:
    return {
        code: {
            "turns": [
                {"role": "user", "content": f"{word} {number}?"},
                {"role": "assistant", "content": f"{number} {code}"},
            ]
        }
        for code, word in (("eu", "zer"), ("en", "what"))
    }
