"""Multiple choice by log-probability (arXiv 2511.09396, section 4.2.1).

The option the model finds most probable, as its whole next turn, is its answer. The question is
read once and every option goes on from it.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor

from ikusi.answer.engine import OptionScore
from ikusi.answer.prefix import SharedPrefix, State, forward, make_bias, pad


class Tokens(NamedTuple):
    """Log-probabilities of an option's tokens, and whether each is the most probable one."""

    values: list[float]
    greedy: bool


def score_options(
    shared: SharedPrefix, rows: Sequence[int], options: Sequence[Sequence[Sequence[int]]]
) -> list[list[Tokens]]:
    """Return the log-probabilities of the tokens of every option.

    ``rows`` numbers prompts of ``shared``; ``options[i]`` are the token ids of each option of
    ``rows[i]``, the end of turn included. The result has the same nesting.
    """
    wanted = dict(zip(rows, options, strict=True))
    scores: dict[int, list[Tokens]] = {}
    more = {row: 1 + sum(map(len, texts)) for row, texts in wanted.items()}
    for batch, state in shared.batches(rows, more):
        scored = _side_by_side if shared.plain else _apart
        asked = [wanted[row] for row in batch]
        scores |= dict(zip(batch, scored(shared, state, asked), strict=True))
    return [scores[row] for row in rows]


def summarise(
    token_scores: Sequence[float], text: str, ends: bool = True, greedy: bool | None = None
) -> OptionScore:
    """Sum up one option's token log-probabilities; ``ends``: the last is that of the turn's end."""
    total = sum(token_scores)
    size = max(1, len(text.encode()))
    without = sum(token_scores[:-1]) if ends else total
    return OptionScore(total, without, total / len(token_scores), total / size, greedy)


def _side_by_side(
    shared: SharedPrefix, state: State, asked: Sequence[Sequence[Sequence[int]]]
) -> list[list[Tokens]]:
    """Read all options of a question in one row, none of which sees another.

    So what was read before is neither copied nor read again for each of them. ``state`` is used up.
    """
    device = shared.model.device
    # The last token of each is only predicted, never read.
    laid = [[token for option in options for token in option[:-1]] for options in asked]
    after = state.logits.unsqueeze(1)
    if any(laid):
        ids, mask = pad(laid, left=False, device=device)
        own = _spans(asked, ids.shape[1], device)
        sees = torch.cat(
            [state.mask.unsqueeze(1).expand(-1, ids.shape[1], -1), own & mask.unsqueeze(1)], dim=2
        )
        places = state.mask.sum(dim=1, keepdim=True) + own.sum(dim=2) - 1
        mask = make_bias(sees, shared.model.dtype)
        read = forward(shared.model, state.cache, mask, ids, positions=places.clamp(min=0))
        after = torch.cat([after, read], dim=1)
    return [_split(after[row].log_softmax(dim=-1), options) for row, options in enumerate(asked)]


def _spans(asked: Sequence[Sequence[Sequence[int]]], width: int, device: torch.device) -> Tensor:
    """Mask of the new tokens that each of them sees [N, L, L]: itself and its option's before it.

    Padding sees itself, so that no row of attention is empty.
    """
    owner = torch.full((len(asked), width), -1, dtype=torch.long)
    for row, options in enumerate(asked):
        start = 0
        for number, option in enumerate(options):
            owner[row, start : start + len(option) - 1] = number
            start += len(option) - 1
    same = owner.unsqueeze(2) == owner.unsqueeze(1)
    causal = torch.ones(width, width, dtype=torch.bool).tril()
    visible = same & causal & (owner >= 0).unsqueeze(2)
    return (visible | torch.eye(width, dtype=torch.bool)).to(device)


def _split(logs: Tensor, options: Sequence[Sequence[int]]) -> list[Tokens]:
    """Log-probabilities of each option's tokens; ``logs`` [1 + L, V]: after the question first."""
    start = 1
    places: list[int] = []
    tokens: list[int] = []
    for option in options:
        places += [0, *range(start, start + len(option) - 1)]
        tokens += option
        start += len(option) - 1
    read, written = torch.tensor([places, tokens], device=logs.device)
    chosen = logs[read, written]
    best = (chosen == logs.amax(dim=-1)[read]).tolist()
    values = chosen.tolist()
    ends = list(accumulate(map(len, options)))
    spans = [slice(end - len(option), end) for end, option in zip(ends, options, strict=True)]
    return [Tokens(values[span], all(best[span])) for span in spans]


def _apart(
    shared: SharedPrefix, state: State, asked: Sequence[Sequence[Sequence[int]]]
) -> list[list[Tokens]]:
    """Read each option in a row of its own, for layers that see only so far back."""
    scores: list[list[Tokens]] = [[] for _ in asked]
    flat = [(place, option) for place, options in enumerate(asked) for option in options]
    for start in range(0, len(flat), shared.batch_size):
        part = flat[start : start + shared.batch_size]
        for (place, _), values in zip(part, _score_batch(shared, state, part), strict=True):
            scores[place].append(values)
    return scores


def _score_batch(
    shared: SharedPrefix, state: State, part: Sequence[tuple[int, Sequence[int]]]
) -> list[Tokens]:
    device = shared.model.device
    places = torch.tensor([place for place, _ in part], device=device)
    ids, mask = pad([option for _, option in part], left=False, device=device)
    logits = state.logits[places].unsqueeze(1)
    if ids.shape[1] > 1:
        # The last token is only predicted, never read.
        opened = state.select(places, room=ids.shape[1] - 1)
        read = torch.cat([opened.mask, mask[:, 1:]], dim=1)
        logits = torch.cat([logits, forward(shared.model, opened.cache, read, ids[:, :-1])], dim=1)
    logs = logits.log_softmax(dim=-1)
    return [_split(logs[row], [option])[0] for row, (_, option) in enumerate(part)]
