"""Hardware of a plan: GPUs as data, the user's own, or this machine as it is."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from ikusi import catalogue, yamlfile
from ikusi.errors import InputError
from ikusi.processes import name_processor
from ikusi.recipe.values import Positive, Text
from ikusi.yamlfile import Section

OWN = Path("cards")
CARDS = catalogue.Files("gpu", [OWN, Path(__file__).parent / "cards"])
SPARE = 0.92  # of a GPU's memory, at most: the rest is its context and what lies between tensors
PROCESSOR = "processor"
SIDE, TRIES = 512, 3


class Card(Section):
    """A GPU, or a processor."""

    name: Text = Field(description="What it is called.")
    names: list[Text] = Field(default=[], description="Parts of the name that its driver gives.")
    generation: Text = Field(description="Its kind, by which an efficiency is looked up.")
    memory: Positive = Field(description="Bytes.")
    peak: Positive = Field(description="Dense operations a second in bf16, summed in fp32.")
    bandwidth: Positive = Field(description="Bytes a second between its memory and itself.")
    power: Positive | None = Field(description="Watts of the whole board at most.")
    source: Text = Field(description="Where these figures are from.")

    @property
    def is_processor(self) -> bool:
        """Whether it is no GPU."""
        return self.generation == PROCESSOR

    @property
    def room(self) -> float:
        """Bytes that a step may fill."""
        return self.memory * (1 if self.is_processor else SPARE)

    def is_called(self, machine: str) -> bool:
        """Whether a machine's name is one of this card's."""
        return machine == self.name or any(part in machine for part in self.names)


@dataclass(frozen=True)
class Hardware:
    """Some cards of one kind, and what an hour of one costs."""

    card: Card
    count: int
    price: float | None = None


def load(name: str) -> Card:
    """A card by name, such as `h100`, or a YAML file of one's own.

    Raises:
        InputError: there is none of that name, or its file is wrong.
    """
    document = yamlfile.read(CARDS.find(name))
    return yamlfile.validate(Card, document, yamlfile.list_field_names(Card))


def find_machine() -> Hardware:
    """This machine: its GPUs, by what their driver says, else its processor, measured for a moment.

    Raises:
        InputError: it has GPUs of which no card is known.
    """
    gpus = _list_gpus()
    if not gpus:
        return Hardware(_measure_processor(), _count_cores())
    for name in CARDS.names():
        card = load(name)
        if card.is_called(gpus[0]):
            return Hardware(card, len(gpus))
    raise InputError(
        f"--machine: expected a GPU of a known card ({', '.join(CARDS.names())}), found "
        f"{gpus[0]}; describe it in {OWN}/NAME.yaml"
    )


def _list_gpus() -> list[str]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    asked = [program, "--query-gpu=name", "--format=csv,noheader"]
    listed = subprocess.run(asked, capture_output=True, text=True, timeout=30)
    return [line.strip() for line in listed.stdout.splitlines() if line.strip()]


def _measure_processor() -> Card:
    """One core: products of matrices for its peak, a copy for its bandwidth."""
    import numpy as np

    left = np.random.default_rng(0).random((SIDE, SIDE), np.float32)
    large = np.zeros(2**25, np.uint8)
    return Card(
        name=name_processor(),
        generation=PROCESSOR,
        memory=_measure_memory(),
        peak=2 * SIDE**3 / _time(lambda: left @ left),
        bandwidth=2 * large.nbytes / _time(large.copy),
        power=None,
        source="measured here for a moment, one core in fp32",
    )


def _time(work: Callable[[], object]) -> float:
    """Least seconds of processor time, as other programs may run."""
    taken = []
    for _ in range(TRIES):
        began = time.thread_time()
        work()
        taken.append(max(time.thread_time() - began, 1e-6))
    return min(taken)


def _measure_memory() -> float:
    place = Path("/proc/meminfo")
    lines = place.read_text(encoding="utf-8").splitlines() if place.is_file() else []
    totals = [line.split()[1] for line in lines if line.startswith("MemTotal:")]
    if not totals:
        raise InputError("--machine: expected a system that reports its memory, found none; give a "
                         "card of your own by --gpu FILE.yaml")  # fmt: skip
    return float(totals[0]) * 1024


def _count_cores() -> int:
    from ikusi.study.scheduler import count_workers

    return count_workers("auto")
