"""Greedy answers, many at once.

Questions that begin alike are answered side by side in one row, none seeing another, so what they
have in common is held and read once at every step; the answers are those of transformers' own
generation, token for token. Where a layer sees only so far back each has a row of its own.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from math import isfinite

import torch
from transformers import PreTrainedModel

from ikusi.answer.engine import explain_not_finite
from ikusi.answer.prefix import Lines, SharedPrefix, State, forward


@dataclass
class Answer:
    """A generated answer: its token ids without the end of turn; whether the limit cut it.

    ``failure``: why there is none, where the model's numbers are not finite. ``watch`` is shown it
    after each token.
    """

    ids: list[int] = field(default_factory=list)
    hit_limit: bool = True
    failure: str | None = None
    watch: Callable[["Answer"], bool] | None = None

    def add(self, token: int) -> bool:
        """Add a token; False where whoever watches the answer wants no more of it."""
        self.ids.append(token)
        self.hit_limit = self.watch is None or self.watch(self)
        return self.hit_limit


def generate_answers(
    shared: SharedPrefix,
    rows: Sequence[int],
    stops: Collection[int],
    max_new_tokens: int,
    watch: Callable[[Answer], bool] | None = None,
) -> list[Answer]:
    """Answer the numbered prompts of ``shared`` with the most probable token at each step.

    A row ends at the first token of ``stops``, or after ``max_new_tokens`` tokens, which sets
    ``hit_limit``, or where ``watch``, which is shown it after each token, returns False. Batches
    hold prompts of like length; their size changes no answer (fp32).
    """
    answers = {row: Answer(watch=watch) for row in rows}
    if shared.plain:
        for lines, state in shared.lines(rows, max_new_tokens):
            asked = [[answers[row] for row in line] for line in lines]
            _answer_lines(shared.model, state, asked, stops, max_new_tokens)
    else:
        for batch, alone in shared.batches(rows, room=max_new_tokens):
            asked_alone = [answers[row] for row in batch]
            _answer_batch(shared.model, alone, asked_alone, stops, max_new_tokens)
    return [answers[row] for row in rows]


def _answer_lines(
    model: PreTrainedModel,
    state: Lines,
    answers: list[list[Answer]],
    stops: Collection[int],
    max_new_tokens: int,
) -> None:
    """Go on with every line until all its questions are answered; ``answers`` is filled."""
    going = torch.zeros(state.logits.shape[:2], dtype=torch.bool)
    for row, line in enumerate(answers):
        going[row, : len(line)] = True
    for step in range(1, max_new_tokens + 1):
        most, tokens = state.logits.max(dim=2)
        listed, highest = tokens.tolist(), most.tolist()
        for row, place in going.nonzero().tolist():
            newest = listed[row][place], highest[row][place]
            if not _goes_on(*newest, answers[row][place], stops):
                going[row, place] = False
        if step == max_new_tokens or not going.any():
            return
        left = going.any(dim=1).nonzero()[:, 0]
        if len(left) <= len(going) // 2:
            rows = left.to(tokens.device)
            state, tokens, going = (
                state.select(rows, max_new_tokens - step),
                tokens[rows],
                going[left],
            )
            answers = [answers[row] for row in left.tolist()]
        state.read(model, tokens, going.to(tokens.device))


def _answer_batch(
    model: PreTrainedModel,
    state: State,
    answers: list[Answer],
    stops: Collection[int],
    max_new_tokens: int,
) -> None:
    for step in range(1, max_new_tokens + 1):
        most, tokens = state.logits.max(dim=1)
        listed = zip(tokens.tolist(), most.tolist(), answers, strict=True)
        going = [n for n, newest in enumerate(listed) if _goes_on(*newest, stops)]
        if not going or step == max_new_tokens:
            return
        if len(going) < len(answers):
            rows = torch.tensor(going, device=tokens.device)
            state, tokens = state.select(rows, max_new_tokens - step), tokens[rows]
            answers = [answers[place] for place in going]
        mask = torch.cat([state.mask, state.mask.new_ones(len(answers), 1)], dim=1)
        logits = forward(model, state.cache, mask, tokens.unsqueeze(1), keep=1)[:, -1]
        state = State(state.cache, mask, logits)


def _goes_on(token: int, logit: float, answer: Answer, stops: Collection[int]) -> bool:
    """Note a token of an answer, the one of the highest logit; False where the answer ends."""
    if not isfinite(logit):
        answer.failure, answer.hit_limit = explain_not_finite(logit), False
        answer.ids.clear()
        return False
    if token in stops:
        answer.hit_limit = False
        return False
    return answer.add(token)
