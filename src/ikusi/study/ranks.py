"""One step of a study in several processes: `torchrun` starts this module in each of them.

The worker that was given the step waits for them. They tell it how far they are, and what went
wrong, in files beside the step's output.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ikusi import artifact
from ikusi.errors import IkusiError, InputError
from ikusi.study.worker import Context, Report, be_killed_with_parent, one_line, resolve

ORDER, PROGRESS, FAILURE = "order.json", "progress.json", "failure.json"
SECONDS_BETWEEN_LOOKS = 0.2


def launch(
    function: str,
    settings: Mapping[str, Any],
    compute: Mapping[str, Any],
    output: Path,
    study: Path,
    send: Callable[[Report], None],
) -> None:
    """Run `function(output, context, **settings)` in `compute["processes"]` processes at once.

    Raises:
        InputError, IkusiError: what the first process to fail told.
    """
    with tempfile.TemporaryDirectory(prefix="ikusi-") as name:
        folder = Path(name)
        order = {
            "function": function,
            "settings": dict(settings),
            "compute": dict(compute),
            "output": str(output.absolute()),
            "study": str(study.absolute()),
        }
        artifact.write_json(folder / ORDER, order)
        command = [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
            *("--nproc_per_node", str(compute["processes"])),
            *("-m", "ikusi.study.ranks", str(folder)),
        ]
        process = subprocess.Popen(command, preexec_fn=be_killed_with_parent)
        try:
            while process.poll() is None:
                _pass_on(folder / PROGRESS, send)
                time.sleep(SECONDS_BETWEEN_LOOKS)
        finally:
            process.terminate()
            process.wait()
        _pass_on(folder / PROGRESS, send)
        if process.returncode:
            raise _failure(folder / FAILURE, process.returncode)


def _pass_on(path: Path, send: Callable[[Report], None]) -> None:
    if path.exists():
        send(Report(*json.loads(path.read_text(encoding="utf-8"))))


def _failure(path: Path, code: int) -> IkusiError:
    if not path.exists():
        return IkusiError(f"one of the processes ended with code {code}; its log says more")
    told = json.loads(path.read_text(encoding="utf-8"))
    return (InputError if told["bad_input"] else IkusiError)(told["message"])


def main(folder: Path) -> None:
    """Do this process's share of what `launch` ordered."""
    be_killed_with_parent()
    from accelerate.utils import get_cpu_distributed_information

    rank = get_cpu_distributed_information().rank  # as torchrun told this process
    first = rank == 0
    form = f"%(asctime)s {rank} %(name)s %(levelname)s %(message)s"
    logging.basicConfig(level=logging.INFO if first else logging.WARNING, format=form)
    order = json.loads((folder / ORDER).read_text(encoding="utf-8"))

    def send(report: Report) -> None:
        if first:
            artifact.write_json(folder / PROGRESS, [report.fraction, report.note])

    context = Context(Path(order["study"]), send, order["compute"])
    try:
        resolve(order["function"])(Path(order["output"]), context, **order["settings"])
    except Exception as error:
        traceback.print_exc()
        told = {"message": one_line(error), "bad_input": isinstance(error, InputError)}
        if not (folder / FAILURE).exists():  # others fail because one did
            artifact.write_json(folder / FAILURE, told)
        sys.stderr.flush()
        os._exit(1)  # without waiting for the others, who may wait for this one


if __name__ == "__main__":
    main(Path(sys.argv[1]))
