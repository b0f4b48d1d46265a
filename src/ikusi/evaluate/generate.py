"""Greedy answers, many at once.

The loop goes on from keys and values that other questions share, and drops a row the moment it is
finished, which the generation of transformers does not; what it says is the same, token for token.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import torch
from transformers import PreTrainedModel

from ikusi.evaluate.prefix import SharedPrefix, State, forward


@dataclass
class Answer:
    """A generated answer: its token ids without the end of turn; whether the limit cut it."""

    ids: list[int] = field(default_factory=list)
    hit_limit: bool = True


def greedy_answers(
    shared: SharedPrefix, rows: Sequence[int], stops: Collection[int], max_new_tokens: int
) -> list[Answer]:
    """Answer the numbered prompts of ``shared`` with the most probable token at each step.

    A row ends at the first token of ``stops``, or after ``max_new_tokens`` tokens, which
    ``hit_limit`` tells. Batches hold prompts of like length; their size changes no answer (fp32).
    """
    answers = {row: Answer() for row in rows}
    for batch, state in shared.batches(rows):
        _answer_batch(shared.model, state, [answers[row] for row in batch], stops, max_new_tokens)
    return [answers[row] for row in rows]


def _answer_batch(
    model: PreTrainedModel,
    state: State,
    answers: list[Answer],
    stops: Collection[int],
    max_new_tokens: int,
) -> None:
    state.make_room(max_new_tokens)
    for step in range(1, max_new_tokens + 1):
        said = state.logits.argmax(dim=1)
        going = _record(said.tolist(), answers, stops)
        if not going or step == max_new_tokens:
            return
        if len(going) < len(answers):
            rows = torch.tensor(going, device=said.device)
            state, said, answers = state.select(rows), said[rows], [answers[i] for i in going]
        mask = torch.cat([state.mask, state.mask.new_ones(len(answers), 1)], dim=1)
        logits = forward(model, state.cache, mask, said.unsqueeze(1), keep=1)[:, -1]
        state = State(state.cache, mask, logits)


def _record(said: Sequence[int], answers: Sequence[Answer], stops: Collection[int]) -> list[int]:
    """Note one token per answer and return the numbers of those that go on."""
    going = []
    for number, (token, answer) in enumerate(zip(said, answers, strict=True)):
        if token in stops:
            answer.hit_limit = False
        else:
            answer.ids.append(token)
            going.append(number)
    return going
