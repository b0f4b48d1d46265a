"""Packed against padded: loss, every gradient, whether samples leak (`train_gpu.py --parity`).

In fp32 loss and gradients must be the padded batch's within 1e-4 of their length. In bf16, where a
GPU has a kernel of its own, both round: packed may be no further from fp32 than padded is, and a
quarter. Changing one sample must leave the others' logits as they were to the last bit, and what
stands at the image tokens must be the projected features, to the last bit.
"""

import argparse
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from train_shapes import Shape

from ikusi.model import fusion
from ikusi.model.learning import set_trainable
from ikusi.train.attention import use_packed_attention
from ikusi.train.batches import Batch, EncodedSample, collate
from ikusi.train.packed import PackedModel

EXACT, ROUNDED, LEARNING = 1e-4, 1.25, ["connector", "llm"]
LAYERS, ROWS = 4, 5

Result = tuple[float, dict[str, Tensor]]
"""Mean loss, and the gradient of every parameter that learns."""


def parity(shape: Shape, asked: argparse.Namespace) -> None:
    """Print what was compared; ends the script with 1 where something differs."""
    model = shape.build(asked.layers or min(LAYERS, shape.layers), asked.device)
    model.float().train()
    set_trainable(model, LEARNING)
    longest = shape.draw(model, ROWS, dict(shape.stages)["instruct"], 0)
    rows = [shortened(row, 3 * number) for number, row in enumerate(longest)]
    images = shape.look(rows, 0).to(asked.device)
    exact = padded(model, rows, images, bf16=False)
    near = packed(model, rows, images, bf16=False)
    checks = [
        ("fp32: loss", abs(near[0] / exact[0] - 1), EXACT),
        ("fp32: gradients, all", apart(near, exact), EXACT),
        ("fp32: gradients, worst of one tensor", worst(near, exact), EXACT),
    ]
    rounding = apart(padded(model, rows, images, bf16=True), exact)
    difference = apart(packed(model, rows, images, bf16=True), exact)
    checks.append((f"bf16: gradients (padded: {rounding:.1e})", difference, ROUNDED * rounding))
    for bf16 in (False, True):
        name = "bf16" if bf16 else "fp32"
        checks.append(
            (f"{name}: logits of others that change", leaks(model, rows, images, bf16), 0)
        )
    checks.append(("image tokens that are not their features", misplaced(model, rows, images), 0))
    for name, value, most in checks:
        print(f"{'ok' if value <= most else 'DIFFERS':8} {name}: {value:.2e} (at most {most:.2e})")
    if any(value > most for _, value, most in checks):
        sys.exit(1)


def shortened(row: EncodedSample, words: int) -> EncodedSample:
    """The sample without its last words."""
    length = len(row) - words
    kept = row.supervised[row.supervised < length]
    return replace(row, input_ids=row.input_ids[:length], supervised=kept)


def batch_of(model: Any, rows: list[EncodedSample], images: Tensor) -> Batch:
    """The rows end to end, with their pictures in the order of the row."""
    ordered = sorted(rows, key=len, reverse=True)
    places = [int(row.id) for row in ordered]
    return collate(rows, images.cpu()[places]).to(model.device)


def gradients(model: Any, loss: Tensor) -> Result:
    """A loss and its gradients."""
    model.zero_grad()
    loss.backward()
    learning = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    return float(loss.detach()), {name: grad.clone() for name, grad in learning.items()}


def packed(model: Any, rows: list[EncodedSample], images: Tensor, bf16: bool) -> Result:
    """Loss and gradients without padding, as training computes them."""
    batch = batch_of(model, rows, images)
    with use_packed_attention(model):
        loss = PackedModel(model, bf16=bf16)(batch) / len(batch.targets)
        return gradients(model, loss)


def padded(model: Any, rows: list[EncodedSample], images: Tensor, bf16: bool) -> Result:
    """The same by transformers' own forward of the padded batch."""
    width = max(map(len, rows))
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    labels, mask = torch.full_like(ids, -100), torch.zeros_like(ids)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = torch.from_numpy(row.input_ids)
        mask[number, : len(row)] = 1
        labels[number, row.supervised] = ids[number, row.supervised]
    ids, labels, mask = (tensor.to(model.device) for tensor in (ids, labels, mask))
    with torch.autocast(model.device.type, torch.bfloat16, enabled=bf16):
        logits = model(input_ids=ids, attention_mask=mask, pixel_values=images).logits
    loss = F.cross_entropy(logits[:, :-1].float().flatten(0, 1), labels[:, 1:].flatten())
    return gradients(model, loss)


def apart(result: Result, wanted: Result) -> float:
    """Length of the difference of all gradients, as a share of their length."""
    if result[1].keys() != wanted[1].keys():
        sys.exit(f"expected gradients of the same weights, found {result[1].keys()}")
    far = sum(float((result[1][n] - w).double().pow(2).sum()) for n, w in wanted[1].items())
    return float((far / sum(float(w.double().pow(2).sum()) for w in wanted[1].values())) ** 0.5)


def worst(result: Result, wanted: Result) -> float:
    """The same of the tensor where it is greatest."""
    return max(
        float((result[1][name] - gradient).norm() / gradient.norm().clamp(min=1e-12))
        for name, gradient in wanted[1].items()
    )


def leaks(model: Any, rows: list[EncodedSample], images: Tensor, bf16: bool) -> float:
    """Logits of other samples that change with the words of the first; infinite where its own do
    not."""
    edited = rows[0].input_ids.copy()
    edited[rows[0].supervised] = edited[rows[0].supervised][::-1]
    other = replace(rows[0], input_ids=edited)
    logits = []
    for chosen in (rows, [other, *rows[1:]]):
        batch = batch_of(model, chosen, images)
        with use_packed_attention(model), torch.no_grad():
            logits.append(PackedModel(model, bf16=bf16).logits(batch))
    own = torch.tensor(
        np.concatenate([np.full(len(r.supervised), r.id == "0") for r in batch.samples])
    ).to(model.device)
    differs = logits[0] != logits[1]
    return float(differs[~own].sum()) if differs[own].any() else float("inf")


def misplaced(model: Any, rows: list[EncodedSample], images: Tensor) -> float:
    """Image tokens whose input to the LLM is not the projected feature of their patch."""
    batch, seen = batch_of(model, rows, images), []

    def look(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        seen.append(kwargs["inputs_embeds"][0])

    hook = model.model.language_model.register_forward_pre_hook(look, with_kwargs=True)
    assert batch.images is not None, "every row has a picture"
    with use_packed_attention(model), torch.no_grad():
        PackedModel(model, bf16=False)(batch)
        features = fusion.project(model, fusion.compute_image_features(model, batch.images))
    hook.remove()
    at = batch.input_ids[0] == model.config.image_token_id
    return float((seen[0][at] != features.flatten(0, 1)).any(-1).sum())
