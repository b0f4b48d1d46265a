"""Parts that the benchmarks of training share: the miniature's own model, a made-up corpus of
photographs, and the line that says where they ran."""

import io
import os
import platform
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image
from study_times import processor as processor_name

from ikusi.data.corpus import Corpus, CorpusWriter
from ikusi.data.mixture import Mixture, MixturePart
from ikusi.miniature.bases import shipped
from ikusi.model import fusion

LANGUAGES = ("eu", "en")


def model() -> tuple[Any, Any]:
    """The miniature's encoder and English LLM as one LLaVA, and its processor."""
    encoder, llm = (shipped.find_model(f"miniature/{name}") for name in ("encoder", "llama-en"))
    return fusion.assemble(encoder, llm, feature_layer=-1)


def photograph(number: int, width: int, height: int) -> bytes:
    """A JPEG as costly to decode as a photograph: smooth colours, edges and the noise of a camera.

    It takes about as many bytes as a photograph of its size: 100 kB for 640 x 480.
    """
    generator = np.random.default_rng(number)
    across, down = np.linspace(0, 1, width), np.linspace(0, 1, height)[:, None]
    waves = [
        np.sin(6 * (across * generator.uniform(-1, 1) + down * generator.uniform(-1, 1)) + phase)
        for phase in generator.uniform(0, 6, 3)
    ]
    pixels = 128 + 80 * np.stack(waves, -1)
    left, top = generator.integers(0, width // 2), generator.integers(0, height // 2)
    pixels[top : top + height // 3, left : left + width // 3] += generator.uniform(-60, 60, 3)
    pixels += generator.normal(0, 10, (height, width, 1))
    data = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(data, "JPEG", quality=85)
    return data.getvalue()


def mixture(folder: Path, rows: int, width: int, height: int) -> Mixture:
    """Questions about photographs, a new one in each row; made where the folder is not there."""
    if not folder.exists():
        with CorpusWriter(folder, "instruction", list(LANGUAGES)) as writer:
            for number in range(rows):
                data = photograph(number, width, height)
                writer.add_image(str(number), data, "JPEG", width, height, "made up")
                turns = [
                    {"role": "user", "content": "what is on the left?"},
                    {"role": "assistant", "content": f"a red cat and {number % 7} dogs"},
                ]
                texts = {code: {"turns": turns} for code in LANGUAGES}
                writer.add_row(str(number), str(number), texts)
    return Mixture([MixturePart(Corpus.open(folder), 0.5)], *LANGUAGES, seed=0)


def machine() -> str:
    """Processor, GPU and versions with which this runs."""
    gpu = f"one {torch.cuda.get_device_name()}, " if torch.cuda.is_available() else ""
    return (
        f"{gpu}{os.cpu_count()} cores of {processor_name()}, Python {platform.python_version()}, "
        f"torch {torch.__version__}, transformers {transformers.__version__}"
    )
