"""Multiple choice by log-probability (arXiv 2511.09396, section 4.2.1).

The option the model finds most probable, as its whole next turn, is its answer. The question is
read once and every option goes on from it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ikusi.evaluate.prefix import SharedPrefix, State, forward, pad


@dataclass(frozen=True)
class OptionScore:
    """Log-probability of one option, in nats.

    ``total`` sums over the option's tokens and the token that ends the turn, so that an option
    which is the beginning of another has to stop to win; ``without_end`` leaves that token out.
    ``per_token`` is ``total`` over all those tokens, ``per_byte`` over the option's UTF-8 bytes.
    """

    total: float
    without_end: float
    per_token: float
    per_byte: float


def option_scores(
    shared: SharedPrefix, rows: Sequence[int], options: Sequence[Sequence[Sequence[int]]]
) -> list[list[list[float]]]:
    """Return the log-probability of every token of every option.

    ``rows`` numbers prompts of ``shared``; ``options[i]`` are the token ids of each option of
    ``rows[i]``, the end of turn included. The result has the same nesting.
    """
    wanted = dict(zip(rows, options, strict=True))
    found: dict[int, list[list[float]]] = {row: [] for row in rows}
    for batch, state in shared.batches(rows):
        flat = [(place, option) for place, row in enumerate(batch) for option in wanted[row]]
        for start in range(0, len(flat), shared.batch_size):
            part = flat[start : start + shared.batch_size]
            scores = _score_batch(shared, state, part)
            for (place, _), values in zip(part, scores, strict=True):
                found[batch[place]].append(values)
    return [found[row] for row in rows]


def summarise(token_scores: Sequence[float], text: str) -> OptionScore:
    """Sum up one option's token log-probabilities, the last being that of the end of turn."""
    total = sum(token_scores)
    size = len(text.encode())
    return OptionScore(
        total, sum(token_scores[:-1]), total / len(token_scores), total / max(1, size)
    )


def pick(scores: Sequence[float]) -> tuple[int, bool]:
    """Return the number of the highest score, the first among equals, and whether it was tied."""
    best = max(scores)
    return scores.index(best), scores.count(best) > 1


def _score_batch(
    shared: SharedPrefix, state: State, part: Sequence[tuple[int, Sequence[int]]]
) -> list[list[float]]:
    device = shared.model.device
    places = torch.tensor([place for place, _ in part], device=device)
    ids, mask = pad([option for _, option in part], left=False, device=device)
    logits = state.logits[places].unsqueeze(1)
    if ids.shape[1] > 1:
        # The last token is only predicted, never read.
        opened = state.select(places)
        read = torch.cat([opened.mask, mask[:, 1:]], dim=1)
        logits = torch.cat([logits, forward(shared.model, opened.cache, read, ids[:, :-1])], dim=1)
    return [
        values[: len(option)]
        for values, (_, option) in zip(_token_scores(logits, ids).tolist(), part, strict=True)
    ]


def _token_scores(logits: Tensor, ids: Tensor) -> Tensor:
    """Return the log-probability [N, L] of ``ids`` [N, L] under ``logits`` [N, L, V]."""
    chosen = logits.gather(2, ids.unsqueeze(2)).squeeze(2)
    return chosen - logits.logsumexp(dim=2)
