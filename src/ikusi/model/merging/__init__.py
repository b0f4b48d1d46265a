"""Models made of others by arithmetic on their weights, tensor by tensor, without opening any.

A run plus what distinguishes two models: `run + weight * (plus - minus)`. With an LLM adapted to a
language as `plus` and the LLM it was adapted from as `minus`, the run gains some of that language
though it saw no picture with it (task arithmetic, arXiv 2212.04089). With the model before training
as `plus` and the run itself as `minus`, it is brought back some way to what it was.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ikusi import artifact, catalogue, content
from ikusi.model.merging import fitting, sources, tensors
from ikusi.model.merging.arithmetic import Method, add, make_adder
from ikusi.model.merging.sources import Part, Source
from ikusi.model.merging.tensors import Piece, Stored

KIND = "merge"
ENDINGS = (".json", ".jinja", ".txt", ".model", ".tiktoken")
"""Of the files beside the weights that belong to a checkpoint: settings, tokenizer, template."""

logger = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Called with the bytes written so far and in all."""


class Mix(NamedTuple):
    """Settings of a merge: the weight of the difference, the method, and the parts it is added to.

    Attributes:
        weight: what the difference is multiplied by.
        method: `linear`, or `ties` (see `arithmetic`).
        density: share of the values of each change that `ties` keeps.
        parts: `llm`, `connector`, `vision`; the others stay the run's.
    """

    weight: float
    method: Method = "linear"
    density: float = 0.2
    parts: Sequence[Part] = ("llm",)


def check_parts(names: Sequence[str]) -> list[Part]:
    """The parts of a model by their names.

    Raises:
        InputError: there is no part of that name.
    """
    for name in names:
        if name not in sources.PARTS:
            raise catalogue.make_unknown_error("part", name, sources.PARTS)
    return [part for part in sources.PARTS if part in names]


def merge(
    run: Path,
    plus: Path,
    minus: Path,
    output: Path,
    mix: Mix,
    describe: Callable[[Path], None] | None = None,
) -> None:
    """Write `run + weight * (plus - minus)` to `output`, a folder that is whole or absent.

    It is a stock checkpoint, in the files and number formats of `run`; `plus` and `minus` are bare
    LLMs or models that see. What is there already, of the same models and settings, is kept.
    `describe` adds to the folder what people read.

    Raises:
        InputError: the models do not fit together, or `output` is not Ikusi's to write.
    """
    places = {"run": run, "plus": plus, "minus": minus}
    origin = {name: content.hash_folder(place) for name, place in places.items()}
    name = artifact.fingerprint("merge", origin, mix._asdict())
    if artifact.is_current(output, name):
        return
    write = prepare(run, plus, minus, mix)
    with artifact.write_folder(
        output,
        fingerprint=name,
        kind=KIND,
        inputs=origin,
        settings=mix._asdict(),
        reads=list(places.values()),
    ) as staging:
        if describe:
            describe(staging)
        write(staging)


def prepare(
    run: Path, plus: Path, minus: Path, mix: Mix, progress: Progress | None = None
) -> Callable[[Path], None]:
    """Make sure that three models fit together, before anything is written.

    Returns:
        What writes the checkpoint into a folder that is there, and raises InputError where a
        weight of it is not finite.

    Raises:
        InputError: they do not; the message says which tensor, token or setting differs.
    """
    base, more, less = (sources.open_source(place) for place in (run, plus, minus))
    pairs = fitting.find_pairs(base, more, less, mix.parts)
    adder = make_adder(mix.method, mix.weight, mix.density)
    changed = {name: partial(add, three, adder) for name, three in pairs.items()}
    return partial(_write, base, changed, progress)


def _write(
    base: Source,
    changed: Mapping[str, Callable[[], Piece]],
    progress: Progress | None,
    folder: Path,
) -> None:
    for path in sorted(base.folder.iterdir()):
        if path.suffix in ENDINGS and not any(map(path.match, content.NOTES)):
            (folder / path.name).write_bytes(path.read_bytes())
    files: dict[Path, list[Stored]] = {}
    for one in base.stored.values():
        files.setdefault(one.file, []).append(one)
    total, written = sum(one.size for one in base.stored.values()), 0
    for file, held in files.items():
        for size in tensors.write_changed(file, folder / file.name, held, changed):
            written += size
            if progress:
                progress(written, total)
    unchanged = len(base.stored) - len(changed)
    logger.info("%s: %d tensors changed, %d as they were", folder, len(changed), unchanged)
