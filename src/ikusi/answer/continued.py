"""Options scored by any model's own forward pass, what prompts have in common read only once.

Questions about the same pictures begin alike, up to the last image token or beyond. That beginning
is read once, pictures and all, and each question goes on from a copy of its keys and values with
each of its options, in a row of its own: rows are padded at their end, where no token sees it.
Nothing is known of the model but its forward pass. Whether going on gives what reading a whole
prompt gives, which some kinds of attention forbid, is found out with the first question.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import Cache

from ikusi.answer.cache import select
from ikusi.answer.grouped import use_grouped_attention

Inputs = Mapping[str, Tensor]
"""What a processor makes of one prompt: its tokens [1, T], and all else of it."""


class Asked(NamedTuple):
    """A prompt and the tokens of each of its options; `answering`: as families say it."""

    inputs: Inputs
    options: Sequence[Sequence[int]]
    answering: Mapping[str, int] = {}

    @property
    def ids(self) -> list[int]:
        """The tokens of the prompt."""
        ids: list[int] = self.inputs["input_ids"][0].tolist()
        return ids


def score_continued(
    model: Any, asked: Sequence[Asked], image_token: int | None, batch_size: int, keeps: bool
) -> list[list[list[float]]]:
    """Log-probability of each token of each option, for prompts that show the same pictures.

    Args:
        image_token: its id; none where it is not known, and each prompt is read by itself.
        batch_size: rows read at once.
        keeps: whether the model can leave out logits that are not wanted.
    """
    scores: list[list[list[float]]] = [[[] for _ in one.options] for one in asked]
    for places, cut in _share([one.ids for one in asked], image_token):
        cache = _read_beginning(model, asked[places[0]].inputs, cut, keeps)
        rows = [
            (place, number, asked[place].ids[cut:], option)
            for place in places
            for number, option in enumerate(asked[place].options)
        ]
        rows.sort(key=lambda row: len(row[2]) + len(row[3]))
        for start in range(0, len(rows), batch_size):
            part = rows[start : start + batch_size]
            laid = [(rest, option) for _, _, rest, option in part]
            read = _go_on(model, cache, laid, keeps)
            for (place, number, _, _), values in zip(part, read, strict=True):
                scores[place][number] = values
    return scores


def _share(
    prompts: Sequence[Sequence[int]], image_token: int | None
) -> Iterator[tuple[list[int], int]]:
    """Yield prompts that are read together, by their places, and how many tokens they share.

    All image tokens are among these, and the last token of a prompt never is.
    """
    alone = {
        place: len(ids) - 1
        for place, ids in enumerate(prompts)
        if image_token is None or image_token not in ids
    }
    yield from (([place], cut) for place, cut in alone.items())
    others = [place for place in range(len(prompts)) if place not in alone]
    if not others:
        return
    cut = min(len(prompts[place]) for place in others) - 1
    first = prompts[others[0]]
    for place in others:
        same = zip(first[:cut], prompts[place][:cut], strict=True)
        cut = next((n for n, (one, other) in enumerate(same) if one != other), cut)
    if all(image_token not in prompts[place][cut:] for place in others):
        yield others, cut
    else:
        yield from (([place], len(prompts[place]) - 1) for place in others)


def _read_beginning(model: Any, inputs: Inputs, cut: int, keeps: bool) -> Cache | None:
    """Keys and values of the first tokens of a prompt, with its pictures."""
    if not cut:
        return None
    _forget_places(model)
    shape = inputs["input_ids"].shape
    begun = {
        name: value[:, :cut] if value.shape[:2] == shape else value
        for name, value in inputs.items()
    }
    keep = {"logits_to_keep": 1} if keeps else {}
    cache: Cache = model(**begun, **keep, use_cache=True).past_key_values
    return cache


def _forget_places(model: Any) -> None:
    """Forget where the pictures of an earlier prompt moved its later tokens to, which models with
    positions in several axes keep for the next call."""
    for part in (model, model.base_model, getattr(model, "model", None)):
        if part is not None and hasattr(part, "rope_deltas"):
            part.rope_deltas = None


def _go_on(
    model: Any,
    cache: Cache | None,
    rows: Sequence[tuple[Sequence[int], Sequence[int]]],
    keeps: bool,
) -> list[list[float]]:
    """Read the rest of a prompt and an option in each row; return its tokens' log-probabilities."""
    device = model.device
    # The last token of each is only predicted, never read.
    read = [torch.tensor([*rest, *option[:-1]], device=device) for rest, option in rows]
    ids = pad_sequence(read, batch_first=True)
    width, first = ids.shape[1], min(len(rest) for rest, _ in rows) - 1
    given: dict[str, Any] = {"logits_to_keep": width - first} if keeps else {}
    if cache is not None:
        places = torch.zeros(len(rows), dtype=torch.long, device=device)
        given["past_key_values"] = select(cache, places, room=width)
    with use_grouped_attention(model):
        output = model(input_ids=ids, **given, use_cache=cache is not None)
    logits = output.logits[:, first - width :]
    scores = []
    for row, (rest, option) in enumerate(rows):
        start = len(rest) - 1 - first
        logs = logits[row, start : start + len(option)].float().log_softmax(dim=-1)
        wanted = torch.tensor(option, device=device)
        scores.append(logs.gather(1, wanted[:, None])[:, 0].tolist())
    return scores
