"""The precision that a plan can reach, in numbers and in words, before anybody is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import norm

from ikusi.statistics import planning
from ikusi.statistics.shares import bound_share, count_effective_items, sign_test

ACCEPTED = {"validate": (0.85, 0.95), "select": (0.5, 0.85), "own": (0.85, 0.95)}
"""Shares of which it is said how surely they would be known; validation's are the paper's."""
TIES = (0.25, 0.5)
"""Shares of ties for which it is said what comparisons show; the paper's people said half."""
KAPPA = 0.4
"""Of which it is said how surely it would be known; that of the paper's people is 0.43."""
CONFIDENCE = 0.95

Shown = Mapping[str, Any]


def compute_for_shares(
    task: str, weights: Sequence[float], shared: int, rows: int
) -> dict[str, Any]:
    """The precision that judging items one by one can reach.

    Args:
        task: what people do.
        weights: of the items.
        shared: how many of these several people judge.
        rows: that there are.
    """
    effective = float(count_effective_items(np.asarray(weights)))
    figures: dict[str, Any] = {"rows": rows, "items": len(weights)}
    figures["effective_items"] = round(effective, 1)
    figures["shares"] = [_share(share, effective) for share in ACCEPTED[task]]
    usual = ACCEPTED[task][0]
    return figures | {"kappa": _kappa((usual, 1 - usual), shared)}


def _share(share: float, rows: float) -> dict[str, float]:
    low, high = bound_share(share, rows, CONFIDENCE)
    least = share - planning.find_least_drop(share, rows)
    bounds = {"share": share, "low": float(low), "high": float(high), "seen_from": least}
    return {name: round(value, 4) for name, value in bounds.items()}


def compute_for_preferences(items: int, models: int, shared: int) -> dict[str, Any]:
    """The differences that comparing the answers of two or more models to so many items can
    show."""
    pairs = models * (models - 1) // 2
    figures: dict[str, Any] = {"items": items, "pairs_of_models": pairs}
    figures["ties"] = [_preference(items // pairs, ties) for ties in TIES]
    ties = TIES[-1]
    return figures | {"kappa": _kappa(((1 - ties) / 2, ties, (1 - ties) / 2), shared)}


def _preference(items: int, ties: float) -> dict[str, Any]:
    decided = round(items * (1 - ties))
    least = planning.find_least_difference(items, ties)
    return {
        "items": items,
        "ties": ties,
        "decided": decided,
        "wins_needed": sign_test(decided, 0).needed,
        "difference": None if least is None else round(least, 4),
    }


def _kappa(shares: Sequence[float], shared: int) -> dict[str, float] | None:
    if not shared:
        return None
    error = planning.estimate_kappa_error(shares, KAPPA, shared)
    half = float(norm.ppf((1 + CONFIDENCE) / 2)) * error
    return {"kappa": KAPPA, "items": shared, "half_width": round(half, 4)}


def describe(shown: Shown) -> Iterator[str]:
    """Say what a plan can show, a line each."""
    if shown["items"] == shown.get("rows"):
        yield "All rows are asked about; what follows is of all rows that are like these."
    if shown["items"] != shown.get("effective_items", shown["items"]):
        yield (
            f"Drawn by unequal chances, the {shown['items']:,} items say as much of all rows as "
            f"{shown['effective_items']:.0f} drawn by equal ones."
        )
    for one in shown.get("shares", ()):
        yield (
            f"A share of {one['share']:.0%} would be known to be within {one['low']:.1%} and "
            f"{one['high']:.1%}; in another set of as many items a drop to {one['seen_from']:.1%} "
            "would be found in 80 of 100 cases."
        )
    for one in shown.get("ties", ()):
        yield from _of_ties(one, shown["pairs_of_models"])
    kappa = shown["kappa"]
    if kappa is None:
        yield "No item is shared, so nothing can be said of how far people agree."
    elif kappa["half_width"] >= 1:
        yield f"The {kappa['items']:,} shared items are too few to say how far people agree."
    else:
        yield (
            f"A kappa of {kappa['kappa']} between two raters would be known to within "
            f"{kappa['half_width']:.2f} from the {kappa['items']:,} shared items."
        )


def _of_ties(one: Shown, pairs: int) -> Iterator[str]:
    of_each = " of each two models" if pairs > 1 else ""
    start = f"With {one['ties']:.0%} ties, {one['decided']:,} of {one['items']:,} items{of_each}"
    if one["wins_needed"] is None or one["difference"] is None:
        yield f"{start} are decided, which are too few to show any difference."
        return
    yield (
        f"{start} are decided, of which a model must win {one['wins_needed']:,}; a difference of "
        f"{one['difference']:.1%} between their shares of wins would be found in 80 of 100 cases."
    )


def describe_margin(task: str, margin: float, effective: float) -> Iterator[str]:
    """Say how many items it takes to know shares to within a margin.

    Args:
        task: what people do.
        margin: half of the interval's width.
        effective: how much an item counts, as the plan draws them, beside one drawn by equal
            chances.
    """
    for share in ACCEPTED[task]:
        rows = planning.count_rows_for_margin(share, margin, CONFIDENCE)
        yield (
            f"To know a share of {share:.0%} to within {margin:.1%} takes "
            f"{int(np.ceil(rows / effective)):,} items."
        )


def describe_difference(difference: float, models: int) -> Iterator[str]:
    """Say how many items it takes to find a difference between two models' shares of wins."""
    pairs = models * (models - 1) // 2
    for ties in TIES:
        if difference > 1 - ties:
            continue
        items = planning.count_items_for_difference(difference, ties) * pairs
        yield (
            f"To find a difference of {difference:.1%} between the shares of wins, with "
            f"{ties:.0%} ties, in 80 of 100 cases takes {items:,} items."
        )
