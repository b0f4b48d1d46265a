"""Faults that keep a trained model from being saved, before its first step and after its last."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, GenerationConfig

from ikusi.errors import IkusiError, InputError
from ikusi.model import fusion
from ikusi.train.progress import Progress
from ikusi.train.saving import drop_unused
from ikusi.train.stages import train_stage
from train.samples import Samples, language_model, multimodal_model, stage


def never(progress: Progress) -> None:
    raise AssertionError(f"step {progress.step} was trained")


def with_temperature(folder: Path) -> Any:
    """A LLaVA from an LLM on disk whose generation config has a temperature without sampling."""
    llm, words = language_model()
    llm.save_pretrained(folder)
    words.save_pretrained(folder)
    path = folder / "generation_config.json"
    path.write_text('{"temperature": 0.6, "top_p": 0.9, "eos_token_id": 1, "max_new_tokens": 9}')
    opened = AutoModelForCausalLM.from_pretrained(folder)
    assert opened.generation_config.temperature == 0.6
    model, processor = multimodal_model()
    fused = fusion.assemble(
        model.model.vision_tower, opened, words, image_processor=processor.image_processor
    )
    with pytest.raises(ValueError, match="temperature"):
        fusion.save(*fused, folder / "refused")
    return fused


@pytest.mark.slow
def test_a_temperature_without_sampling_does_not_end_a_training(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model, processor = with_temperature(tmp_path / "llm")
    train_stage(model, processor, Samples(), stage(max_steps=2), output=tmp_path / "run", seed=0)
    kept = GenerationConfig.from_pretrained(tmp_path / "run" / "checkpoint")
    assert (kept.do_sample, kept.temperature, kept.top_p) == (None, None, None)
    assert kept.max_new_tokens == 9
    assert kept.eos_token_id == model.generation_config.eos_token_id
    assert "temperature=0.6 is never used here" in caplog.text


def test_what_is_sampled_stays_as_it_is() -> None:
    settings = GenerationConfig(do_sample=True, temperature=0.6, top_p=0.9, early_stopping=True)
    drop_unused(settings)
    assert (settings.temperature, settings.top_p) == (0.6, 0.9)
    assert settings.early_stopping is None, "without beams nothing stops early"


def test_a_processor_that_cannot_be_saved_is_refused_before_the_first_step(tmp_path: Path) -> None:
    model, processor = multimodal_model()
    processor.tokenizer.init_kwargs["no_json"] = {1, 2}
    with pytest.raises(InputError, match=r"checkpoint: expected a model that can be saved, found"):
        train_stage(
            model, processor, Samples(), stage(), output=tmp_path / "run", seed=0, progress=never
        )
    assert not list((tmp_path / "run").glob("checkpoint*"))


def test_a_folder_that_cannot_be_written_to_is_refused_before_the_first_step(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_text("a person's own")
    model, processor = multimodal_model()
    with pytest.raises(InputError, match=r"expected a model that can be saved, found: .*Not a dir"):
        train_stage(
            *(model, processor, Samples(), stage()),
            output=tmp_path / "file" / "run", seed=0, progress=never,
        )  # fmt: skip
    assert (tmp_path / "file").read_text() == "a person's own"


def test_too_little_room_for_the_weights_is_told_before_the_first_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, processor = multimodal_model()
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(InputError, match=r"expected room for 0\.00 GB of weights, found"):
        train_stage(model, processor, Samples(), stage(), output=tmp_path, seed=0, progress=never)


@pytest.mark.slow
def test_a_save_that_fails_is_made_good_without_training_again(tmp_path: Path) -> None:
    blocked = tmp_path / "run" / "checkpoint.partial"

    def block(progress: Progress) -> None:
        """Put a file where the checkpoint is written: a failure of the file system itself."""
        if progress.step == progress.total:
            blocked.write_text("in the way")
            blocked.chmod(0o600)

    model, processor = multimodal_model()
    arguments: Any = {"output": tmp_path / "run", "seed": 0}
    told = r"checkpoint: expected to write the trained model.*resume/step-00000003 and trains"
    with pytest.raises(IkusiError, match=told):
        train_stage(model, processor, Samples(), stage(max_steps=3), **arguments, progress=block)
    blocked.unlink()
    model, processor = multimodal_model()
    summary = train_stage(
        model, processor, Samples(), stage(max_steps=3), **arguments, progress=never
    )
    whole, again = multimodal_model(), tmp_path / "undisturbed"
    wanted = train_stage(*whole, Samples(), stage(max_steps=3), output=again, seed=0)
    assert summary["final_loss"] == wanted["final_loss"]
    assert summary["counts"] == wanted["counts"]
    found, expected = (
        load_file(folder / "checkpoint" / "model.safetensors")
        for folder in (tmp_path / "run", again)
    )
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.slow
def test_trained_weights_that_are_not_finite_are_not_saved(tmp_path: Path) -> None:
    model, processor = multimodal_model()

    def spoil(progress: Progress) -> None:
        """Spoil a weight, as a last step can whose loss was still finite."""
        if progress.step == progress.total:
            with torch.no_grad():
                model.lm_head.weight[3, 1] = float("inf")

    with pytest.raises(InputError, match=r"checkpoint: expected finite weights, found .* to inf"):
        train_stage(
            *(model, processor, Samples(), stage(max_steps=2)),
            output=tmp_path, seed=0, progress=spoil,
        )  # fmt: skip
    assert not (tmp_path / "checkpoint").exists()
