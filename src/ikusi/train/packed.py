"""A model that reads a `Batch` without padding and answers with its loss.

Legend of shapes: T tokens of the row, S supervised tokens, I pictures, N features of one, D their
width, H the LLM's, V its vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import LlavaForConditionalGeneration, PreTrainedModel

from ikusi.model import fusion
from ikusi.model.vision import has_encoder
from ikusi.train.batches import Batch
from ikusi.train.estimates import MOST_LOGITS


class PackedModel(nn.Module):
    """A multimodal model, or a bare LLM, that reads a `Batch` and answers with its loss.

    `bf16`: compute in bf16 by autocast; the weights keep their dtype.
    """

    def __init__(self, model: PreTrainedModel, *, bf16: bool) -> None:
        super().__init__()
        self.model: Any = model
        self._bf16 = bf16

    def forward(self, batch: Batch) -> Tensor:
        """Sum of the cross entropies of the batch's supervised tokens (nats).

        Call it inside `packed_attention`. A batch that does not count gives 0, with gradients of
        zero; it goes through every module all the same, as sharded weights demand.
        """
        with torch.autocast(batch.input_ids.device.type, torch.bfloat16, enabled=self._bf16):
            if self._few_logits(batch):
                loss = cross_entropy(self._few(batch), batch.targets)
            else:
                loss = self._in_chunks(batch)
        return loss if batch.counted else 0.0 * loss

    def logits(self, batch: Batch) -> Tensor:
        """Logits [S, V] at the supervised positions, for what comes next."""
        with torch.autocast(batch.input_ids.device.type, torch.bfloat16, enabled=self._bf16):
            return self._few(batch)

    def _few_logits(self, batch: Batch) -> bool:
        vocabulary = self.model.get_output_embeddings().weight.shape[0]
        multimodal = isinstance(self.model, LlavaForConditionalGeneration)
        return not multimodal or len(batch.sources) * vocabulary <= MOST_LOGITS

    def _few(self, batch: Batch) -> Tensor:
        output = self.model(
            **self._inputs(batch),
            position_ids=batch.position_ids,
            packing=batch.packing,
            use_cache=False,
            logits_to_keep=batch.sources,
        )
        logits: Tensor = output.logits[0, : len(batch.targets)]
        return logits

    def _in_chunks(self, batch: Batch) -> Tensor:
        """The same loss with a part of the logits at a time; they are computed again for their
        gradient. (A stock LLaVA's output layer is a plain matrix: `fusion` sees to that.)"""
        head = self.model.lm_head
        output = self.model.model(
            **self._inputs(batch),
            position_ids=batch.position_ids,
            packing=batch.packing,
            use_cache=False,
        )
        hidden = output.last_hidden_state[0].index_select(0, batch.sources[: len(batch.targets)])
        size = max(1, MOST_LOGITS // head.out_features)
        parts = zip(hidden.split(size), batch.targets.split(size), strict=True)
        loss = hidden.new_zeros((), dtype=torch.float32)
        for states, targets in parts:
            loss = loss + checkpoint(_head_loss, head, states, targets, use_reentrant=False)
        return loss

    def _inputs(self, batch: Batch) -> dict[str, Tensor]:
        if not isinstance(self.model, LlavaForConditionalGeneration):
            return {"input_ids": batch.input_ids}
        images = self._blank(batch) if batch.images is None else batch.images
        features = (
            fusion.compute_image_features(self.model, images) if images.dim() == 4 else images
        )
        weight = self.model.model.multi_modal_projector.linear_1.weight
        projected = fusion.project(self.model, features.to(weight.dtype))
        if batch.images is not None:
            shown = projected.index_select(0, batch.image_index)
            return {"inputs_embeds": fusion.embed(self.model, batch.input_ids, shown)}
        # Text alone goes through encoder and connector too, with nothing: processes that share
        # weights must meet at every layer, and a stage that trains the connector alone would
        # have nothing to differentiate.
        embeddings = fusion.embed(self.model, batch.input_ids, None)
        return {"inputs_embeds": embeddings + 0.0 * projected.sum().to(embeddings.dtype)}

    def _blank(self, batch: Batch) -> Tensor:
        """A picture of nothing: pixels where the encoder learns, else features."""
        vision: Any = self.model.config.vision_config
        width = self.model.model.multi_modal_projector.linear_1.in_features
        shape: tuple[int, ...] = (1, 1, width)
        if has_encoder(self.model):
            shape = (1, vision.num_channels, vision.image_size, vision.image_size)
        return torch.zeros(shape, device=batch.input_ids.device)


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Sum over S of the cross entropies of `logits` [S, V] with `targets` [S], in fp32."""
    return F.cross_entropy(logits.float(), targets, reduction="sum")


def _head_loss(head: nn.Module, states: Tensor, targets: Tensor) -> Tensor:
    return cross_entropy(head(states), targets)
