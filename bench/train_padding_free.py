"""Training without padding against the usual ways, on the same samples, in one run.

    python bench/train_padding_free.py [--precision bf16|fp32] [--batches 6] [--threads 1]
        [--samples 55] [--vocabulary 2048]

Padded: samples in random order, padded on the right to the batch's longest, an attention mask, all
logits (as LLaVA trains). Grouped: the same, but batches are of samples of like length, as
transformers' `group_by_length` makes them, at its best: sorted over all samples. Packed: samples
end to end, logits at supervised positions. All take as many optimiser steps on the same samples
and the same small Llama (4 layers, 160 wide), on samples of 40 to 300 random tokens whose lengths
are skewed (log-normal): many short ones, few long ones. Each runs in a process of its own, so that
the peak of memory is its own.
"""

import argparse
import multiprocessing
import platform
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import transformers
from transformers import LlamaConfig, LlamaForCausalLM

from ikusi.train.attention import use_packed_attention
from ikusi.train.batches import EncodedSample, collate
from ikusi.train.packed import PackedModel


def samples(batches: int, each: int, vocabulary: int, grouped: bool) -> list[list[EncodedSample]]:
    """Batches of random tokens; the last quarter of each sample is supervised.

    `grouped`: samples of like length share a batch; the batches then come in random order.
    """
    generator = np.random.default_rng(0)

    def one() -> EncodedSample:
        length = int(np.clip(generator.lognormal(4.2, 0.45), 40, 300))
        ids = generator.integers(0, vocabulary, length).astype(np.int32)
        supervised = np.arange(length * 3 // 4, length).astype(np.int32)
        return EncodedSample("", "", None, ids, supervised, images=0, cut=0)

    drawn = [one() for _ in range(batches * each)]
    if grouped:
        drawn.sort(key=len)
    made = [drawn[start : start + each] for start in range(0, len(drawn), each)]
    return [made[place] for place in generator.permutation(batches)] if grouped else made


def model(vocabulary: int) -> LlamaForCausalLM:
    """The LLM that both ways train, from the same seed."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=160,
        intermediate_size=432,
        num_hidden_layers=4,
        num_attention_heads=5,
        num_key_value_heads=5,
        tie_word_embeddings=True,
    )
    return LlamaForCausalLM(config)


def padded_loss(llm: Any, rows: list[EncodedSample], bf16: bool) -> torch.Tensor:
    """Mean loss of a batch, the usual way."""
    width = max(map(len, rows))
    ids, labels = torch.zeros(len(rows), width).long(), torch.full((len(rows), width), -100)
    mask = torch.zeros(len(rows), width).long()
    for number, row in enumerate(rows):
        ids[number, : len(row)] = torch.from_numpy(row.input_ids)
        mask[number, : len(row)] = 1
        labels[number, row.supervised] = ids[number, row.supervised]
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        logits = llm(input_ids=ids, attention_mask=mask, use_cache=False).logits
    shifted = logits[:, :-1].float().flatten(0, 1)
    return F.cross_entropy(shifted, labels[:, 1:].flatten())


def packed_loss(llm: Any, rows: list[EncodedSample], bf16: bool) -> torch.Tensor:
    """Mean loss of a batch without padding."""
    batch = collate(rows)
    with use_packed_attention(llm):
        loss: torch.Tensor = PackedModel(llm, bf16=bf16)(batch)
    return loss / len(batch.targets)


def measure(way: str, asked: argparse.Namespace) -> dict[str, float]:
    """Train in this process; one batch warms up and is not timed."""
    torch.set_num_threads(asked.threads)
    loss_of: Callable[..., torch.Tensor] = packed_loss if way == "packed" else padded_loss
    llm = model(asked.vocabulary).train()
    data = samples(asked.batches, asked.samples, asked.vocabulary, way == "grouped")
    data = [data[0], *data]
    optimizer = torch.optim.AdamW(llm.parameters(), lr=1e-3, fused=True)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = processor = 0.0
    for number, rows in enumerate(data):
        if number == 1:
            started, processor = time.perf_counter(), time.process_time()
        loss = loss_of(llm, rows, asked.precision == "bf16")
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    tokens = sum(len(row) for rows in data[1:] for row in rows)
    return {
        "seconds": time.perf_counter() - started,
        "processor": time.process_time() - processor,
        "tokens": tokens,
        "memory": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024,
        "loss": float(loss.detach()),
    }


def main() -> None:
    """Measure both ways and print them side by side."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--precision", choices=["bf16", "fp32"], default="bf16")
    parser.add_argument("--batches", type=int, default=6)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--samples", type=int, default=55, help="in a batch")
    parser.add_argument("--vocabulary", type=int, default=2048)
    asked = parser.parse_args()
    measured = {}
    for way in ("padded", "grouped", "packed"):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            measured[way] = pool.apply(measure, (way, asked))
    print(f"{'':8} samples/s  tokens/s  tokens/s of processor time  peak MB  last loss")
    for way, kept in measured.items():
        rate = asked.samples * asked.batches / kept["seconds"]
        print(
            f"{way:8} {rate:9.1f} {kept['tokens'] / kept['seconds']:9.0f} "
            f"{kept['tokens'] / kept['processor']:27.0f} {kept['memory']:8.0f} {kept['loss']:10.4f}"
        )
    for way in ("padded", "grouped"):
        faster = measured[way]["processor"] / measured["packed"]["processor"]
        share = measured["packed"]["memory"] / measured[way]["memory"]
        ratio = f"{faster:.2f} x its speed by processor time, {share:.0%} of its memory"
        print(f"packed against {way}: {ratio}")
    print(
        f"{asked.precision}, {asked.threads} thread(s), {asked.samples} samples in a batch, "
        f"vocabulary {asked.vocabulary}, {platform.machine()}, "
        f"torch {torch.__version__}, transformers {transformers.__version__}"
    )


if __name__ == "__main__":
    main()
