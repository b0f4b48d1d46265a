#!/usr/bin/env bash
# Where heads share keys (grouped-query attention), transformers' attention by torch's kernel reads one
# new token without a copy of them, but two new tokens, which always have a mask, with a copy of all keys
# and values for each query head, in every layer and at every step: on a CPU too, whose kernel takes
# shared heads and a mask. So reading two tokens at once, as in drafting ahead or in going on with
# several answers in one row, takes more than twice as long as reading them one by one (25.7 ms a token
# instead of 10.8 as written here, one thread of an Intel Xeon).
# Needs Python 3 and PyPI. Exits with 1 if this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 transformers==5.23.0 numpy==2.4.6
cat > "$folder/shared.py" <<'PYTHON'
"""A Llama with random weights, 16 query heads that share 2 of keys, after 4,000 tokens."""

import sys
import time

import torch
import transformers
from torch.nn import functional
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM

SEEN, STEPS = 4000, 20
torch.manual_seed(0)
torch.set_num_threads(1)
model = LlamaForCausalLM(
    LlamaConfig(
        vocab_size=100,
        hidden_size=512,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=16,
        num_key_value_heads=2,
        max_position_embeddings=8192,
    )
).eval()
kernel, heads = functional.scaled_dot_product_attention, set()


def count(query, key, *given, **named):
    heads.add(key.shape[1])
    return kernel(query, key, *given, **named)


functional.scaled_dot_product_attention = count


@torch.inference_mode()
def step(new):
    """Heads of keys that the kernel is given, and ms for each token, reading `new` at a time."""
    cache = DynamicCache(config=model.config)
    model(torch.ones(1, SEEN, dtype=torch.long), past_key_values=cache)
    heads.clear()
    began = time.process_time()
    for _ in range(STEPS):
        model(torch.ones(1, new, dtype=torch.long), past_key_values=cache)
    return sorted(heads), 1000 * (time.process_time() - began) / STEPS / new


def direct():
    """Whether the kernel itself takes shared heads and a mask, with the same result."""
    query = torch.randn(1, 16, 2, 32)
    key, value = torch.randn(2, 1, 2, SEEN, 32)
    mask = torch.rand(1, 1, 2, SEEN) < 0.5
    copied = (states.repeat_interleave(8, 1) for states in (key, value))
    shared = kernel(query, key, value, attn_mask=mask, enable_gqa=True)
    return torch.allclose(kernel(query, *copied, attn_mask=mask), shared, atol=1e-6)


print("torch", torch.__version__, "transformers", transformers.__version__, "Python", sys.version.split()[0])
one, two = step(1), step(2)
for name, (given, took) in (("one token at a time", one), ("two", two)):
    print(f"{name:20} heads of keys given to the kernel: {given}, {took:.1f} ms a token")
print("the kernel takes shared heads with a mask:", direct())
copies = one[0] == [2] and two[0] == [16] and direct()
print("two new tokens copy the keys for each query head, one does not:", copies)
sys.exit(not copies)
PYTHON
"$folder/venv/bin/python" "$folder/shared.py"
