"""The vision encoder while it learns: towers, heads and losses.

Contrastive in three places at once: every patch, every region (the patches of one drawing, or of
the ground) and the whole picture are each scored against the names of all concepts. The text
tower is a bag of words. Only the vision tower is kept (Radford et al. 2021; region-text pairs as
in Zhong et al. 2022, RegionCLIP).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPVisionConfig, CLIPVisionModel


@dataclass(frozen=True)
class EncoderSettings:
    """Sizes and schedule; the defaults are those of the shipped encoder."""

    image_size: int = 96
    patch_size: int = 12
    width: int = 128
    layers: int = 4
    heads: int = 4
    steps: int = 6000
    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warmup: int = 100
    temperature: float = 0.07
    seed: int = 7
    save_every: int = 200


class BagOfWords(nn.Module):
    """Text tower: a name is the mean of its words' vectors, projected."""

    def __init__(self, names: list[str], width: int) -> None:
        super().__init__()
        words = sorted({word for name in names for word in name.split()})
        table = torch.zeros(len(names), len(words))
        for row, name in enumerate(names):
            for word in name.split():
                table[row, words.index(word)] += 1 / len(name.split())
        self.register_buffer("table", table)
        self.words = nn.Parameter(torch.randn(len(words), width) * width**-0.5)

    def forward(self) -> Tensor:
        """Unit vectors of all names, [N, width]."""
        table = self.get_buffer("table")
        return functional.normalize((table.to(self.words.dtype) @ self.words).float(), dim=-1)


class Contrastive(nn.Module):
    """Vision tower, text tower, and the heads that bring both to one space."""

    def __init__(self, names: list[str], settings: EncoderSettings) -> None:
        super().__init__()
        width = settings.width
        self.vision = CLIPVisionModel._from_config(
            make_vision_config(settings), attn_implementation="eager"
        )
        self.text = BagOfWords(names, width)
        self.patch_norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, width, bias=False)
        self.scale = nn.Parameter(torch.tensor(math.log(1 / settings.temperature)))

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels [B, 3, S, S] uint8 -> picture vectors [B, width], patch vectors [B, P, width]."""
        dtype = self.head.weight.dtype
        output = self.vision(((pixels.to(torch.float32) / 127.5) - 1).to(dtype))
        patches = self.head(self.patch_norm(output.last_hidden_state[:, 1:]))
        return self.head(output.pooler_output), patches

    def scores(self, vectors: Tensor) -> Tensor:
        """Log-odds of every name for each vector: [..., width] -> [..., names]."""
        scale = self.scale.float().exp().clamp(max=50)
        unit = functional.normalize(vectors.float(), dim=-1).to(vectors.dtype)
        return scale * (unit @ self.text().to(vectors.dtype).T).float()


def make_vision_config(settings: EncoderSettings) -> CLIPVisionConfig:
    """The stock CLIP vision tower at the miniature's size."""
    return CLIPVisionConfig(
        hidden_size=settings.width,
        intermediate_size=4 * settings.width,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        image_size=settings.image_size,
        patch_size=settings.patch_size,
        hidden_act="gelu",
    )


def compute_loss(model: Contrastive, data: dict[str, Tensor]) -> Tensor:
    """Sum of the patch, region and picture losses.

    Args:
        data: `pixels` [B, 3, S, S] uint8; `labels` and `regions` [B, P]; `targets` [L, N], for
            each label the share of each name.
    """
    whole, patches = model(data["pixels"])
    labels, regions, targets = data["labels"], data["regions"], data["targets"]
    patch_loss = _cross_entropy(model.scores(patches).flatten(0, 1), targets[labels.flatten()])
    vectors, region_labels = pool(patches, labels, regions)
    region_loss = _cross_entropy(model.scores(vectors), targets[region_labels])
    present = torch.zeros(len(labels), len(targets)).scatter_(1, labels, 1.0)
    shown = (present / present.sum(1, keepdim=True)) @ targets
    return patch_loss + region_loss + 0.3 * _cross_entropy(model.scores(whole), shown)


def _cross_entropy(scores: Tensor, targets: Tensor) -> Tensor:
    return -(targets * functional.log_softmax(scores, -1)).sum(-1).mean()


def pool(patches: Tensor, labels: Tensor, regions: Tensor) -> tuple[Tensor, Tensor]:
    """Mean patch vector of each region and its label: [R, width], [R]."""
    slots = int(regions.max()) + 1
    member = functional.one_hot(regions, slots).to(patches.dtype)  # [B, P, slots]
    sums = torch.einsum("bps,bpd->bsd", member, patches)
    counts = member.sum(1)  # [B, slots]
    region_labels = torch.zeros_like(counts, dtype=torch.long)
    region_labels.scatter_(1, regions, labels)
    there = counts > 0
    return (sums / counts.clamp(min=1).unsqueeze(-1))[there], region_labels[there]


@torch.no_grad()
def standardise(vision: CLIPVisionModel, pixels: Tensor) -> None:
    """Centre the patch features on zero and bring them to unit deviation, in the weights alone.

    A tower that was trained through a LayerNorm is free to give all its patches one large common
    part, on which a linear connector's first steps would be spent. The residual stream is scaled
    by scaling all that is added to it, which the LayerNorms that read it do not notice, and its
    mean is taken off the last bias. The class token moves along.

    Args:
        pixels: pictures to measure mean and deviation on, [B, 3, S, S] uint8.
    """
    vision.float().eval()
    shown = pixels.float() / 127.5 - 1
    features = vision(shown).last_hidden_state[:, 1:].flatten(0, 1)  # [B * P, width]
    scale = 1 / (features - features.mean(0)).std()
    tower = vision.vision_model if hasattr(vision, "vision_model") else vision
    writers = [tower.pre_layrnorm]
    for layer in tower.encoder.layers:
        writers += [layer.self_attn.out_proj, layer.mlp.fc2]
    for writer in writers:
        writer.weight *= scale
        writer.bias *= scale
    tower.encoder.layers[-1].mlp.fc2.bias -= scale * features.mean(0)
