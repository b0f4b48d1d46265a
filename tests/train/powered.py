"""Trainings whose power is cut: each writes to `root/out`."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from train.samples import Pictures, Samples, multimodal_model, stage

CLOCKED = {"tokens_per_second", "samples_per_second", "mfu", "data_wait_seconds", "peak_memory_mb"}


def trains(root: Path, given: Path) -> Any:
    """Train a stage of six steps, with a checkpoint to go on from after every second."""
    import torch

    from ikusi.train.stages import train_stage

    torch.set_num_threads(1)
    model, processor = multimodal_model()
    train_stage(model, processor, Samples(), stage(), output=root / "out", seed=3)
    lines = map(json.loads, (root / "out" / "metrics.jsonl").read_text().splitlines())
    steps = [{key: line[key] for key in line.keys() - CLOCKED} for line in lines]
    return (root / "out" / "checkpoint" / "model.safetensors").read_bytes(), steps


class Few(Pictures):
    """A corpus of four pictures."""

    folder, image_ids = "memory", ("1", "2", "3", "4")


def stores_features(root: Path, given: Path) -> Any:
    """Store the features of pictures, one at a time."""
    from ikusi.train import features

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "IMAGES_AT_ONCE", 1)
        patch.setattr(np.memmap, "flush", _flush)
        model, processor = multimodal_model()
        tower, of = model.model.vision_tower, processor.image_processor
        features.store(root / "out", Few(), tower, of, layers=-2, strategy="default", bf16=False)
        found = features.StoredFeatures({0: root / "out"})([(0, name) for name in Few.image_ids])
    return found.tolist()


def _flush(array: np.memmap) -> None:
    """Hand an array in memory to the disk by calls that strace sees."""
    handle = os.open(str(array.filename), os.O_WRONLY)
    os.pwrite(handle, array.tobytes(), array.offset)
    os.fsync(handle)
    os.close(handle)
