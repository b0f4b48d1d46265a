"""Training from Python, without a recipe."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import ikusi
from ikusi.errors import InputError
from train.samples import Samples, multimodal_model
from train.test_corpus_training import corpus


@pytest.mark.slow
def test_a_model_is_trained_on_a_mixture_of_corpora(tmp_path: Path) -> None:
    made: Any = ikusi
    model, processor = multimodal_model()
    part = made.MixturePart(
        made.Corpus.open(corpus(tmp_path / "c", "instruction", 8, 4).folder), 0.5
    )
    mixture = made.Mixture([part], "eu", "en", seed=0)
    summary = made.train_stage(
        model,
        processor,
        mixture,
        tmp_path / "trained",
        trainable=["connector", "llm"],
        learning_rate=1e-3,
        batch_size=4,
        epochs=1,
        precision="fp32",
        compute={"micro_tokens": 64},
    )
    assert summary["counts"]["languages"] == {"en": 4, "eu": 4}
    opened, words = made.load(tmp_path / "trained" / "checkpoint")
    assert opened.config.model_type == "llava"
    assert words.tokenizer.chat_template


def test_a_wrong_setting_is_told_by_its_key(tmp_path: Path) -> None:
    made: Any = ikusi
    settings = {"trainable": ["llm"], "learning_rate": -1, "batch_size": 1, "epochs": 1}
    with pytest.raises(InputError, match=r"^learning_rate: .* found -1$"):
        made.train_stage(*multimodal_model(), Samples(), tmp_path, **settings)


def test_nothing_heavy_is_loaded_before_it_is_called() -> None:
    code = "import sys, ikusi; dir(ikusi); print('torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"
