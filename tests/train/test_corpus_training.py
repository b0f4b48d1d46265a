"""Training straight from corpora on disk, mixed in two languages."""

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from ikusi.data.corpus import Corpus, CorpusWriter
from ikusi.data.mixture import Mixture, MixturePart
from ikusi.train.stages import train_stage
from train.samples import multimodal_model, stage


def corpus(folder: Path, row_type: str, rows: int, pictures: int) -> Corpus:
    with CorpusWriter(folder, row_type, ["en", "eu"]) as writer:
        for number in range(pictures):
            data = io.BytesIO()
            Image.new("RGB", (16, 16), (number * 40, 90, 200)).save(data, "PNG")
            writer.add_image(str(number), data.getvalue(), "PNG", 16, 16, "made up")
        for number in range(rows):
            turns = [
                {"role": "user", "content": "what is on the left ?"},
                {"role": "assistant", "content": "a dog" if number % 2 else "a cat"},
            ]
            told = {"text": "a red cat"} if row_type == "caption" else {"turns": turns}
            image_id = str(number % pictures) if pictures else None
            writer.add_row(f"{folder.name}-{number}", image_id, {"en": told, "eu": told})
    return Corpus.open(folder)


@pytest.mark.slow
def test_a_mixture_of_pictures_captions_and_text(tmp_path: Path) -> None:
    prompts = {"en": ["what is on the left ?"], "eu": ["what is on the right ?"]}
    parts = [
        MixturePart(corpus(tmp_path / "captions", "caption", 10, 5), 0.8, prompts=prompts),
        MixturePart(corpus(tmp_path / "instructions", "instruction", 10, 5), 0.2),
        MixturePart(corpus(tmp_path / "text", "instruction", 10, 0), 0.5, rows=4),
    ]
    mixture = Mixture(parts, "eu", "en", seed=0)
    model, processor = multimodal_model()
    output = tmp_path / "trained"
    summary = train_stage(model, processor, mixture, stage(epochs=1), output=output, seed=0)
    assert summary["counts"]["rows"] == 24
    assert summary["counts"]["images"] == 20
    assert summary["counts"]["languages"] == {"en": 12, "eu": 12}
    assert json.loads((output / "summary.json").read_text()) == summary
    (output / "summary.json").write_text("{")
    model, processor = multimodal_model()
    again = train_stage(model, processor, mixture, stage(epochs=1), output=output, seed=0)
    assert again["counts"] == summary["counts"]
