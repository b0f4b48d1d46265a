"""Features of a frozen encoder, stored once for all: the same as computed on the way."""

import json
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ikusi.data.corpus import Corpus
from ikusi.data.mixture import Mixture, MixturePart
from ikusi.errors import InputError
from ikusi.model import fusion
from ikusi.train.features import (
    FEATURES,
    GROUPS,
    IMAGES_AT_ONCE,
    StoredFeatures,
    encode_images,
    store,
)
from ikusi.train.stages import train_stage
from train.samples import multimodal_model, stage
from train.test_corpus_training import corpus

PICTURES = IMAGES_AT_ONCE * 2 + 5


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return corpus(tmp_path_factory.mktemp("corpus") / "many", "instruction", PICTURES, PICTURES)


def stored(folder: Path, pictures: Corpus, **changes: Any) -> StoredFeatures:
    model, processor = multimodal_model()
    settings = {"layers": -2, "strategy": "default", "bf16": False, **changes}
    store(folder, pictures, model.model.vision_tower, processor.image_processor, **settings)
    return StoredFeatures({0: folder})


@pytest.mark.slow
def test_stored_features_are_the_encoders(many: Corpus, tmp_path: Path) -> None:
    model, processor = multimodal_model()
    asked = ["3", "68", "3", "40"]
    images = [many.image(image_id) for image_id in asked]
    pixels = processor.image_processor(images=images, return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        wanted = fusion.compute_image_features(model, pixels)
    found = stored(tmp_path / "f", many)([(0, image_id) for image_id in asked])
    torch.testing.assert_close(found, wanted)
    half = stored(tmp_path / "h", many, bf16=True)([(0, image_id) for image_id in asked])
    assert half.dtype == torch.float16
    torch.testing.assert_close(half.float(), wanted, atol=0.05, rtol=0.05)
    alone = encode_images(model.model.vision_tower, pixels, -2, "default", bf16=False)
    torch.testing.assert_close(alone, wanted)


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_bytes(many: Corpus, tmp_path: Path) -> None:
    class KilledError(Exception):
        pass

    def kill(done: int, total: int) -> None:
        assert total == PICTURES
        if done == 2 * IMAGES_AT_ONCE:
            raise KilledError

    with pytest.raises(KilledError):
        stored(tmp_path / "f", many, progress=kill)
    seen: list[int] = []
    stored(tmp_path / "f", many, progress=lambda done, total: seen.append(done))
    assert seen == [PICTURES]
    stored(tmp_path / "g", many)
    assert (tmp_path / "f" / FEATURES).read_bytes() == (tmp_path / "g" / FEATURES).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "data"), [(GROUPS, b"\xff"), (GROUPS, b"9"), (FEATURES, b"\x93")])
def test_damaged_notes_of_a_killed_run_are_made_anew(
    many: Corpus, tmp_path: Path, name: str, data: bytes
) -> None:
    def kill(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stored(tmp_path / "f", many, progress=kill)
    (tmp_path / "f" / name).write_bytes(data)
    stored(tmp_path / "f", many)
    stored(tmp_path / "g", many)
    assert (tmp_path / "f" / FEATURES).read_bytes() == (tmp_path / "g" / FEATURES).read_bytes()


@pytest.mark.slow
def test_training_on_stored_features_opens_no_picture(
    many: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {}
    features = stored(tmp_path / "f", many)
    for name, kept in (("computed", None), ("stored", features)):
        if kept:
            monkeypatch.setattr(Corpus, "image", None)
        model, processor = multimodal_model()
        mixture = Mixture([MixturePart(many, 0.5)], "eu", "en", seed=0)
        output = tmp_path / name
        settings = stage(epochs=1, batch_size=16)
        train_stage(model, processor, mixture, settings, output=output, seed=0, features=kept)
        lines = (output / "metrics.jsonl").read_text().splitlines()
        found[name] = [json.loads(line)["loss"] for line in lines]
    assert found["stored"] == pytest.approx(found["computed"], rel=1e-4)


def test_a_disk_with_too_little_room_is_told_before_anything_is_written(
    many: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9 - 10**4, 10**4))
    told = rf"expected room for 0\.00 GB of features \({PICTURES} pictures x 4 x 16 x 4 bytes\)"
    with pytest.raises(InputError, match=told):
        stored(tmp_path / "f", many)
    assert not (tmp_path / "f").exists()


def test_features_on_disk_are_a_plain_array(many: Corpus, tmp_path: Path) -> None:
    stored(tmp_path / "f", many)
    assert np.load(tmp_path / "f" / FEATURES).shape == (PICTURES, 4, 16)


@pytest.mark.slow
def test_features_that_are_not_finite_are_refused_by_their_picture(
    many: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = stored(tmp_path / "f", many)
    array = np.load(tmp_path / "f" / FEATURES, mmap_mode="r+")
    array[7, 1, 2] = np.nan
    array.flush()
    found([(0, "6")])
    with pytest.raises(InputError, match="picture 7: expected finite features"):
        found([(0, "6"), (0, "7")])
    encode = encode_images

    def too_long(*arguments: Any, **named: Any) -> torch.Tensor:
        """As of an encoder whose features are too large for the format they are stored in."""
        features = encode(*arguments, **named)
        features[3, 0, 0] = 1e6
        return features

    monkeypatch.setattr("ikusi.train.features.encode_images", too_long)
    with pytest.raises(InputError, match="image 3: expected finite features"):
        stored(tmp_path / "h", many, bf16=True)


def test_a_connector_is_not_set_by_what_is_not_finite() -> None:
    model, _ = multimodal_model()
    pixels = torch.full((2, 3, 16, 16), float("nan"))
    with pytest.raises(InputError, match="vision encoder: expected finite features"):
        fusion.calibrate(model, pixels)
