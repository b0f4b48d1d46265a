"""The smallest change to a recipe that makes a step fit, as overrides to paste."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from ikusi.plan.card import Hardware
from ikusi.plan.work import MOST_TOKENS, Work, Workload
from ikusi.recipe import DIVIDING, Lora, Recipe
from ikusi.recipe.folder import ALIGN, EVALUATE, INSTRUCT
from ikusi.study.layout import Named

SHORTEST = 2048  # tokens in a pass: less leaves a GPU idle
LORA = Lora()


@dataclass(frozen=True)
class Remedy:
    """Changes that make a step fit, as `key=value`, and the bytes that it then holds at most."""

    overrides: tuple[str, ...]
    peak: float


@dataclass(frozen=True)
class _Change:
    """One way to hold less: how much it asks of the user, what is changed, and how that is
    written."""

    effort: int
    stage: dict[str, Any]
    compute: dict[str, Any]


def find(work: Work, named: Named, workload: Workload, hardware: Hardware) -> Remedy | None:
    """The smallest change that makes a step fit; none where nothing does.

    A measurement works on fewer sequences at once. Of a training, small is what changes only how
    fast it is (shorter passes, activations computed twice, other sharing, more cards), before what
    changes what is learnt (8-bit moments, adapters, 4 bits).
    """
    recipe, room = workload.recipe, hardware.card.room
    if work.kind == EVALUATE:
        changes = _list_batches(recipe)
    elif work.kind in (ALIGN, INSTRUCT):
        listed = _list_changes(recipe, work.kind, hardware)
        changes = sorted(listed, key=lambda one: one.effort)
    else:
        return None
    for change in changes:
        changed = _apply(recipe, work.kind, change)
        if changed.find_undivided(changed.compute.together):
            continue
        again = replace(workload, recipe=changed).list_work([named])[0]
        if again.peak is not None and again.peak <= room:
            return Remedy(_write(work.kind, change), again.peak)
    return None


def _list_batches(recipe: Recipe) -> list[_Change]:
    """Half as many sequences at once, a quarter, and so on, to one."""
    sizes, size = list[int](), recipe.compute.eval_batch_size // 2
    while size:
        sizes.append(size)
        size //= 2
    return [_Change(effort, {}, {"eval_batch_size": size}) for effort, size in enumerate(sizes)]


def _list_changes(recipe: Recipe, kind: str, hardware: Hardware) -> Iterator[_Change]:
    stage, compute = getattr(recipe.stages, kind), recipe.compute
    most, whole = compute.micro_tokens or MOST_TOKENS, stage.max_length
    passes: list[_Change] = [_Change(0, {}, {})]
    size, effort = most // 2, 1
    while size >= SHORTEST:
        length = {"max_length": size} if whole > size else {}
        passes.append(_Change(effort, length, {"micro_tokens": size}))
        size, effort = size // 2, effort + 1
    again = [_Change(0, {}, {})]
    if not stage.gradient_checkpointing:
        again.append(_Change(1, {"gradient_checkpointing": True}, {}))
    learns = _list_ways_of_learning(stage)
    for parts in product(passes, again, _list_sharings(recipe, hardware), learns):
        total = sum(one.effort for one in parts)
        if total:
            stages = {key: value for one in parts for key, value in one.stage.items()}
            computes = {key: value for one in parts for key, value in one.compute.items()}
            yield _Change(total, stages, computes)


def _list_sharings(recipe: Recipe, hardware: Hardware) -> list[_Change]:
    """Sharing the model among the processes there are, then among more cards."""
    compute, changes = recipe.compute, [_Change(0, {}, {})]
    divided = compute.parallel == "zero3" or (compute.parallel in DIVIDING)
    if compute.together > 1 and not divided:
        changes.append(_Change(2, {}, {"parallel": "zero3"}))
    if compute.slurm:
        return changes  # how many machines a job has is the cluster's matter
    count, effort = max(2, 2 * compute.processes), 4
    while count <= hardware.count:
        changes.append(_Change(effort, {}, {"parallel": "zero3", "processes": count}))
        count, effort = 2 * count, effort + 1
    return changes


def _list_ways_of_learning(stage: Any) -> list[_Change]:
    changes = [_Change(0, {}, {})]
    lora = stage.lora or LORA
    bits = {"optimizer": "adamw8bit"}
    if stage.optimizer == "adamw":
        changes.append(_Change(10, bits, {}))
    if "llm" in stage.trainable:
        if stage.lora is None:
            changes += [_Change(20, {"lora": lora}, {}), _Change(25, {"lora": lora, **bits}, {})]
        if lora.quantize == "none":
            small = lora.model_copy(update={"quantize": "nf4"})
            changes += [_Change(30, {"lora": small}, {}), _Change(35, {"lora": small, **bits}, {})]
    return changes


def _apply(recipe: Recipe, kind: str, change: _Change) -> Recipe:
    stages = recipe.stages
    if change.stage:
        stage = getattr(stages, kind).model_copy(update=change.stage)
        stages = stages.model_copy(update={kind: stage})
    compute = recipe.compute.model_copy(update=change.compute)
    return recipe.model_copy(update={"stages": stages, "compute": compute})


def _write(kind: str, change: _Change) -> tuple[str, ...]:
    overrides = [f"compute.{key}={value}" for key, value in change.compute.items()]
    for key, value in change.stage.items():
        if isinstance(value, Lora):
            shown = f"{{rank: {value.rank}, alpha: {value.alpha:g}, quantize: {value.quantize}}}"
            overrides.append(f"stages.{kind}.lora={shown}")
        else:
            written = str(value).lower() if isinstance(value, bool) else value
            overrides.append(f"stages.{kind}.{key}={written}")
    return tuple(overrides)
