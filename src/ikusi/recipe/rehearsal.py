"""A big recipe made small, so that all of it can be tried before a machine is paid for."""

from typing import Any

from ikusi import packaged

ENCODER, FIRST, ADAPTED = "encoder", "llama-en", "llama-{}"

MOST_ROWS, MOST_RESAMPLES = 8, 100
MOST_STEPS, MOST_SAMPLES, MOST_TOKENS, MOST_RANK = 3, 4, 2048, 4


def make_rehearsal(recipe: dict[str, Any]) -> dict[str, Any]:
    """A recipe changed so that any machine trains each of its runs in seconds.

    Models become those that ship with the package, stages end after a few steps of few samples in
    one process, and what asks for a GPU is left out. What stays is what a long run dies of: the
    corpora and their rows, languages and shares, what learns, checkpoints, the order of steps.

    Args:
        recipe: a recipe as plain values (`Recipe.model_dump`).

    Returns:
        The same with other values, called `NAME-rehearsal`; itself no longer a rehearsal to come.
    """
    stages = {name: _stage(stage) for name, stage in recipe["stages"].items() if stage}
    # No model that sees comes with the package; one is made of its parts, and aligned first.
    stages.setdefault(
        "align", {**stages["instruct"], "trainable": ["connector"], "lora": None, "ratio": 0.0}
    )
    text_only = recipe["text_only"]
    if text_only:
        # No more than there are steps for; a first sample of the corpus then does.
        text_only = {**text_only, "rows": min(text_only["rows"], MOST_STEPS * MOST_SAMPLES)}
    return {
        **recipe,
        "name": f"{recipe['name']}-rehearsal",
        "rehearse": False,
        "vision": f"miniature/{ENCODER}",
        "vision_feature_layer": max(recipe["vision_feature_layer"], -2),
        "backbones": _backbones(recipe["backbones"], recipe["language"]),
        "stages": stages,
        # All pictures of a corpus would be encoded for the few that are trained on.
        "cache_features": False,
        "compute": {},
        "text_only": text_only,
        "benchmark_rows": MOST_ROWS,
        "judgements": [],  # of other answers than these runs will give
        "bootstrap": min(recipe["bootstrap"], MOST_RESAMPLES),
    }


def _stage(stage: dict[str, Any]) -> dict[str, Any]:
    lora = stage["lora"]
    if lora:
        rank = min(lora["rank"], MOST_RANK)
        alpha = lora["alpha"] * rank / lora["rank"]
        # Named layers are those of another LLM, and 4-bit weights want a GPU.
        less = {"rank": rank, "alpha": alpha, "targets": ["all-linear"], "quantize": "none"}
        lora = {**lora, **less}
    return {
        **stage,
        "lora": lora,
        # 8-bit moments want a GPU.
        "optimizer": stage["optimizer"].replace("adamw8bit", "adamw"),
        "batch_size": min(stage["batch_size"], MOST_SAMPLES),
        "max_steps": min(stage["max_steps"] or MOST_STEPS, MOST_STEPS),
        "max_length": min(stage["max_length"], MOST_TOKENS),
        "precision": "fp32",
    }


def _backbones(given: dict[str, Any], language: str) -> dict[str, Any]:
    """The first becomes the English LLM; the others the adapted one, where one ships; runs of the
    study stay what they are."""
    adapted = ADAPTED.format(language)
    others = adapted if (packaged.BASES / adapted).is_dir() else FIRST
    return {
        name: one
        if isinstance(one, dict) and "run" in one
        else f"miniature/{others if i else FIRST}"
        for i, (name, one) in enumerate(given.items())
    }
