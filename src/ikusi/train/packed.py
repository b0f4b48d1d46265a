"""A model that reads a `Batch` without padding and answers with its loss.

Legend of shapes: S supervised tokens, V tokens of the vocabulary.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from ikusi.model import families
from ikusi.train.attention import Packing
from ikusi.train.batches import Batch
from ikusi.train.estimates import MOST_LOGITS
from ikusi.train.last_layer import Read

CPU_LOGITS = 1 << 23  # at once on a CPU, where more is no faster: 32 MB in fp32


class PackedModel(nn.Module):
    """A multimodal model, or a bare LLM, that reads a `Batch` and answers with its loss.

    `bf16`: compute in bf16 by autocast; the weights keep their dtype.
    """

    def __init__(self, model: PreTrainedModel, *, bf16: bool) -> None:
        super().__init__()
        self.model: Any = model
        self._bf16, self._family = bf16, families.find_of(model)

    def forward(self, batch: Batch) -> Tensor:
        """Sum of the cross entropies of the batch's supervised tokens (nats).

        Call it inside `packed_attention`. A batch that does not count gives 0, with gradients of
        zero; it goes through every module all the same, as sharded weights demand.
        """
        with torch.autocast(batch.input_ids.device.type, torch.bfloat16, enabled=self._bf16):
            if self._plain_head():
                loss = self._at_once(batch)
            else:
                loss = cross_entropy(self._few(batch), batch.targets)
        return loss if batch.counted else 0.0 * loss

    def logits(self, batch: Batch) -> Tensor:
        """Logits [S, V] at the supervised positions, for what comes next."""
        with torch.autocast(batch.input_ids.device.type, torch.bfloat16, enabled=self._bf16):
            return self._few(batch)

    def _plain_head(self) -> bool:
        return self._family is not None and self._family.has_plain_head(self.model)

    def _few(self, batch: Batch) -> Tensor:
        output = self.model(
            **self._inputs(batch),
            position_ids=batch.position_ids,
            packing=_name_read(batch),
            use_cache=False,
            logits_to_keep=batch.sources,
        )
        logits: Tensor = output.logits[0, : len(batch.targets)]
        return logits

    def _at_once(self, batch: Batch) -> Tensor:
        """The same loss with a part of the logits at a time. (The family says whether its output
        layer is a plain matrix.)"""
        head = self.model.lm_head
        output = self.model.model(
            **self._inputs(batch),
            position_ids=batch.position_ids,
            packing=_name_read(batch),
            use_cache=False,
        )
        hidden = output.last_hidden_state[0].index_select(0, batch.sources)
        most = CPU_LOGITS if hidden.device.type == "cpu" else MOST_LOGITS
        size = max(1, most // head.out_features)
        if type(head) is nn.Linear and head.bias is None and _is_whole(head.weight):
            loss: Tensor = HeadLoss.apply(hidden, head.weight, batch.targets, size)
            return loss
        hidden = hidden[: len(batch.targets)]
        parts = zip(hidden.split(size), batch.targets.split(size), strict=True)
        loss = hidden.new_zeros((), dtype=torch.float32)
        for states, targets in parts:
            loss = loss + checkpoint(_head_loss, head, states, targets, use_reentrant=False)
        return loss

    def _inputs(self, batch: Batch) -> dict[str, Any]:
        if self._family is None:
            return {"input_ids": batch.input_ids}
        ids, index = batch.input_ids, batch.image_index
        return self._family.read(self.model, ids, batch.images, index)


def _name_read(batch: Batch) -> Packing:
    """The layout of the row, with the tokens that logits are read from."""
    return replace(batch.packing, read=Read(batch.sources, len(batch.targets)))


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Sum over S of the cross entropies of `logits` [S, V] with `targets` [S], in fp32."""
    return F.cross_entropy(logits.float(), targets, reduction="sum")


def _head_loss(head: nn.Module, states: Tensor, targets: Tensor) -> Tensor:
    return cross_entropy(head(states), targets)


class HeadLoss(torch.autograd.Function):
    """Cross entropy of an output layer's logits, whose gradients are computed on the way forward:
    so no logits are kept for the way back, nor computed twice."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor, targets: Tensor, size: int) -> Tensor:
        """Sum over S of the cross entropies of `states` [S, H] @ `weight` [V, H].T with `targets`
        [S], of `size` states at a time. (States behind the last target count nothing.)"""
        of_states = torch.zeros_like(states)
        of_weight = torch.zeros_like(weight) if ctx.needs_input_grad[1] else None
        loss = states.new_zeros((), dtype=torch.float32)
        for first in range(0, len(states), size):
            some = slice(first, first + size)
            part, wanted = states[some], targets[some, None]
            logits = (part @ weight.T).float()
            whole = logits.logsumexp(1, keepdim=True)
            loss += (whole[: len(wanted)] - logits.gather(1, wanted)).sum()
            # Now into their gradients: probabilities, less 1 at the targets.
            logits.sub_(whole).exp_().scatter_add_(1, wanted, logits.new_full(wanted.shape, -1.0))
            logits[len(wanted) :] = 0
            if ctx.needs_input_grad[0]:
                of_states[some] = logits @ weight
            if of_weight is not None:
                of_weight += logits.T @ part
        ctx.save_for_backward(of_states, of_weight)
        return loss

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        """Each of both by the gradient of the loss."""
        of_states, of_weight = ctx.saved_tensors
        scaled = None if of_weight is None else of_weight.mul_(gradient)
        return of_states.mul_(gradient), scaled, None, None


def _is_whole(weight: Tensor) -> bool:
    """Whether a weight is there in one piece, as it is not where processes share its parts."""
    return type(weight) is nn.Parameter and weight.dim() == 2 and weight.numel() > 0
