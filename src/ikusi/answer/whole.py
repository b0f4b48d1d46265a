"""Options scored by reading each with its whole prompt: slow, and right for any model."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ikusi.answer.continued import Asked


def score_whole(model: Any, asked: Asked, batch_size: int, keeps: bool) -> list[list[float]]:
    """Log-probability of each token of each option of one prompt.

    Args:
        batch_size: rows read at once.
        keeps: whether the model can leave out logits that are not wanted.
    """
    scores: list[list[float]] = []
    for start in range(0, len(asked.options), batch_size):
        part = asked.options[start : start + batch_size]
        repeated = {
            name: value.repeat(len(part), *[1] * (value.dim() - 1))
            for name, value in asked.inputs.items()
        }
        laid = _append_options(repeated, part, asked.answering)
        scores += _score_rows(model, repeated, laid, part, keeps)
    return scores


def _score_rows(
    model: Any,
    inputs: Mapping[str, Tensor],
    laid: Mapping[str, Tensor],
    options: Sequence[Sequence[int]],
    keeps: bool,
) -> list[list[float]]:
    """The same, an option after each row of the inputs: `laid`.

    Rows are padded at their end, where no token sees it, so places are those of a row alone.
    """
    width, first = laid["input_ids"].shape[1], inputs["input_ids"].shape[1] - 1
    keep = {"logits_to_keep": width - first} if keeps else {}
    logits = model(**laid, **keep, use_cache=False).logits[:, first - width :]
    scores = []
    for row, ids in zip(logits, options, strict=True):
        logs = row[: len(ids)].float().log_softmax(dim=-1)
        wanted = torch.tensor(ids, device=logs.device)
        scores.append(logs.gather(1, wanted[:, None])[:, 0].tolist())
    return scores


def _append_options(
    inputs: Mapping[str, Tensor],
    options: Sequence[Sequence[int]],
    answering: Mapping[str, int],
) -> dict[str, Tensor]:
    """The inputs with each row's option after it, padded at the end.

    What a model is given for each token (its kind, which pictures it sees) goes on as at the last
    token of the prompt, unless `answering` says what it is.
    """
    shape, extended = inputs["input_ids"].shape, dict(inputs)
    for name, value in inputs.items():
        if value.shape[:2] != shape:
            continue
        rows = []
        for own, option in zip(value, options, strict=True):
            more = own[-1:].expand(len(option), *own.shape[1:])
            if name in answering:
                more = torch.full_like(more, answering[name])
            rows.append(torch.cat([own, own.new_tensor(option) if name == "input_ids" else more]))
        extended[name] = pad_sequence(rows, batch_first=True)
    return extended
