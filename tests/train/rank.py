"""One process of a training: as torchrun starts it (`rank.py SETTINGS.json`), or a study does."""

import json
import logging
import os
import sys
import time
from pathlib import Path

import torch

from ikusi.model.opening import open_seeing
from ikusi.recipe import Compute
from ikusi.study.context import Context
from ikusi.train.progress import Progress
from ikusi.train.stages import train_stage
from ikusi.yamlfile import Section
from train.samples import Samples, language_model, multimodal_model, stage


def main(path: Path) -> None:
    torch.set_num_threads(1)
    logging.basicConfig(level=logging.INFO)
    told = json.loads(path.read_text())
    if "seeing" in told:
        model, processor = open_seeing(told["seeing"])
    else:
        model, processor = multimodal_model() if told.get("pictures", True) else language_model()

    def stop(now: Progress) -> None:
        if now.step == told.get("stop"):
            os._exit(1)

    train_stage(
        model,
        processor,
        Samples(told["rows"], told.get("pictures", True)),
        stage(**told["stage"]),
        output=Path(told["output"]),
        seed=3,
        compute=Compute.model_validate(told.get("compute", {})),
        progress=stop,
    )


class Given(Section):
    """Settings of `step`: of its stage, and the seconds that it rests after each optimiser step."""

    rows: int
    seconds: float = 0.0
    batch_size: int
    epochs: int
    save_every: int


def step(output: Path, context: Context, settings: Given) -> None:
    """A step of a study; it makes one of training and then rests for so many seconds."""
    model, processor = multimodal_model()

    def rest(now: Progress) -> None:
        context.progress(now.step / now.total, f"step {now.step}")
        time.sleep(settings.seconds)

    train_stage(
        model,
        processor,
        Samples(settings.rows),
        stage(**settings.model_dump(exclude={"rows", "seconds"})),
        output=output,
        seed=3,
        compute=Compute.model_validate(context.compute),
        progress=rest,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
