"""One process of a training, as torchrun starts it: `rank.py SETTINGS.json`."""

import json
import logging
import os
import sys
from pathlib import Path

import torch

from ikusi.recipe import Compute
from ikusi.train.progress import Progress
from ikusi.train.stages import train_stage
from train.samples import Samples, language_model, multimodal_model, stage


def main(path: Path) -> None:
    torch.set_num_threads(1)
    logging.basicConfig(level=logging.INFO)
    told = json.loads(path.read_text())
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


if __name__ == "__main__":
    main(Path(sys.argv[1]))
