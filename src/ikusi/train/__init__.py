"""Training: batches without padding, and a stage from its first step to its checkpoint.

`attention` keeps samples that share a row apart; `batches` lays them end to end, `steps` says which
they are, `features` what a frozen vision encoder says of their pictures; `packed` is the model that
reads them; `trainer` is transformers' `Trainer` fed with them, `parallel` divides a model among
processes, `lora` gives it adapters; `checkpoints` holds what a killed stage goes on from, `saving`
writes what it ends with; `stages` runs a stage.

The package can be called: `ikusi.train(model, processor, mixture, output, ...)`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any


class _Training(ModuleType):
    """This package, which can also be called."""

    def __call__(
        self,
        model: Any,
        processor: Any,
        mixture: Any,
        output: Path | str,
        *,
        seed: int = 0,
        compute: dict[str, Any] | None = None,
        progress: Any = None,
        **stage: Any,
    ) -> dict[str, Any]:
        """Train a model for one stage; see `ikusi.train.stages.train_stage`.

        Args:
            compute: keys of a recipe's `compute`.
            stage: keys of a recipe's stage, such as `learning_rate=2e-5`.

        Raises:
            InputError: a key that is not one of them, or its value.
        """
        from pydantic import ValidationError

        from ikusi.errors import InputError
        from ikusi.recipe import Compute, Stage
        from ikusi.train.stages import train_stage

        try:
            settings = Stage.model_validate({"corpus": "given", **stage})
            runs_on = Compute.model_validate(compute or {})
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            raise InputError(f"{key}: {first['msg']}, found {first['input']!r}") from None
        return train_stage(
            model,
            processor,
            mixture,
            settings,
            output=Path(output),
            seed=seed,
            compute=runs_on,
            progress=progress,
        )


sys.modules[__name__].__class__ = _Training
