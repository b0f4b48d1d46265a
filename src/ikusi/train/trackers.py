"""The lines of metrics in TensorBoard, Weights & Biases and others, by transformers' callbacks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ikusi import artifact
from ikusi.train.loop import Loop
from ikusi.train.parallel import CLIP

if TYPE_CHECKING:
    from transformers import TrainingArguments


class Trackers:
    """The trackers that `compute.report_to` names, from the first to the last step of a loop."""

    def __init__(self, names: Sequence[str], loop: Loop, output: Path, seed: int) -> None:
        self._loop, self._callbacks = loop, []
        if names:
            # Not above: with their settings, peft and bitsandbytes are imported, a quarter of all.
            from transformers import TrainerControl, TrainerState
            from transformers.integrations import get_reporting_integration_callbacks

            self._control = TrainerControl
            self._arguments = _arguments(names, loop, output, seed)
            self._state = TrainerState(max_steps=loop.total, num_train_epochs=1)
            self._callbacks = [kind() for kind in get_reporting_integration_callbacks(list(names))]
        self.send("on_init_end")

    def send(self, event: str, **more: Any) -> None:
        """Send an event, by its name in transformers' `TrainerCallback`."""
        for callback in self._callbacks:
            self._state.global_step = self._loop.step
            self._state.epoch = self._loop.step / self._loop.total
            call = getattr(callback, event)
            call(self._arguments, self._state, self._control(), model=self._loop.model, **more)


def run_name(output: Path) -> str:
    """The name of a training in trackers: its folder, with the two that it lies in.

    >>> run_name(Path("studies/emoji-eu/instruct/english-eu020.partial"))
    'emoji-eu/instruct/english-eu020'
    """
    return "/".join(output.absolute().parts[-3:]).removesuffix(artifact.PARTIAL)


def _arguments(names: Sequence[str], loop: Loop, output: Path, seed: int) -> TrainingArguments:
    """The settings that trackers show, in the words of transformers, which they all know."""
    from transformers import TrainingArguments

    stage = loop.stage
    return TrainingArguments(
        output_dir=str(output),
        run_name=run_name(output),
        report_to=list(names),
        per_device_train_batch_size=stage.batch_size,
        max_steps=loop.total,
        learning_rate=stage.learning_rate,
        weight_decay=stage.weight_decay,
        lr_scheduler_type=stage.scheduler,
        warmup_steps=loop.warm,
        max_grad_norm=CLIP,
        seed=seed,
        save_steps=stage.save_every,
        use_cpu=not torch.accelerator.is_available(),
    )
