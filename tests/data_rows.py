"""A small corpus of every kind, written by the real writer."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from ikusi.data.corpus import CorpusWriter

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


def coloured(folder: Path, row_type: str, colours: Sequence[str | None]) -> Path:
    """Write a corpus of a row about a picture of each colour; None is a row without one."""
    with CorpusWriter(folder, row_type, ["en", "eu"]) as writer:
        for number, colour in enumerate(colours):
            texts = instruction(number)
            if row_type == "vqa":
                texts = {
                    code: {"question": f"{code} {number}?", "answers": ["a"]} for code in texts
                }
            image_id = colour and f"{folder.name}-{colour}"
            if image_id and colour not in colours[:number]:
                writer.add_image(image_id, picture(str(colour)), "PNG", 8, 8, "test")
            writer.add_row(str(number), image_id, texts)
    return folder
