#!/usr/bin/env bash
# bitsandbytes keeps a module's override (such as 32-bit moments for an embedding) for the rest of the
# process, by the place of the parameter among an optimiser's groups. A later optimiser of another
# model, told nothing, holds the moments of whatever stands at that place in 32 bits, without a word:
# four times the memory, other numbers than in a process of its own. And the first model is never
# freed, for the shared manager still holds its module.
# Needs Python 3 and PyPI. Exits with 1 if this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/pip" install --quiet bitsandbytes==0.50.2
cat > "$folder/overrides.py" <<'PYTHON'
"""A model with an override, then one without, in one process; and the latter alone."""

import gc
import subprocess
import sys
import weakref

import bitsandbytes as bnb
import torch
from torch import nn


def train_first():
    """As the documentation says: the table of embeddings is to have 32-bit moments."""
    model = nn.Sequential(nn.Embedding(128, 64), nn.Linear(64, 128))
    manager = bnb.optim.GlobalOptimManager.get_instance()
    manager.register_module_override(model[0], "weight", {"optim_bits": 32})
    optimizer = bnb.optim.AdamW(model.parameters(), optim_bits=8)
    model(torch.arange(4)).sum().backward()
    optimizer.step()
    return weakref.ref(model[0])


def train_second():
    """Another model, of which nothing was said."""
    model = nn.Linear(64, 128)
    optimizer = bnb.optim.AdamW(model.parameters(), optim_bits=8)
    model(torch.ones(64)).sum().backward()
    optimizer.step()
    return optimizer.state[model.weight]["state1"].dtype


if "alone" in sys.argv:
    print(train_second())
    sys.exit()
alone = subprocess.run([sys.executable, __file__, "alone"], capture_output=True, text=True, check=True)
alone = alone.stdout.split()[-1]
first = train_first()
after = str(train_second())
gc.collect()
held = first() is not None
print("bitsandbytes", bnb.__version__, "torch", torch.__version__, "Python", sys.version.split()[0])
print("moments of the second model, in a process of its own:", alone)
print("moments of the second model, after the first one:", after)
print("the first model's table is still held:", held)
sys.exit(not (alone == "torch.uint8" and after == "torch.float32" and held))
PYTHON
"$folder/venv/bin/python" "$folder/overrides.py"
