#!/usr/bin/env bash
# Pillow 13 resizes a picture down first, then across, where it loses more of its height than of its
# width (python-pillow/Pillow#9549, for speed); Pillow 12 went across first. Both passes round and clip
# to 8 bits, so that the same call gives other pixels: of noise resized by BICUBIC, by up to 30 of 255.
# PyTorch's `interpolate`, by which torchvision and with it most image processors of transformers
# resize, goes across first, and is within 2 of Pillow 12. Two calls of `resize`, one for each side,
# give what Pillow 12 gave, in either version.
# Needs Python 3 and PyPI. Exits with 1 if this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6 torch==2.13.0
for version in 12.3.0 13.0.0; do
    "$folder/venv/bin/pip" install --quiet --no-deps --target "$folder/$version" "pillow==$version"
done
cat > "$folder/resize.py" <<'PYTHON'
"""A picture of noise, 640x427 to 644x420, in one call and in two."""

import sys

import numpy as np
import PIL
import torch
from PIL import Image

array = np.random.default_rng(0).integers(0, 2, (427, 640, 3), dtype=np.uint8) * 255
image = Image.fromarray(array)
once = image.resize((644, 420), Image.Resampling.BICUBIC)
across = image.resize((644, 427), Image.Resampling.BICUBIC)
twice = across.resize((644, 420), Image.Resampling.BICUBIC)
down = image.resize((640, 420), Image.Resampling.BICUBIC)
other = down.resize((644, 420), Image.Resampling.BICUBIC)
pixels = torch.from_numpy(array).permute(2, 0, 1)[None]
resized = torch.nn.functional.interpolate(pixels, size=(420, 644), mode="bicubic", antialias=True)


def apart(one, two):
    """The largest and the mean difference, of 255."""
    differences = np.abs(np.asarray(one, dtype=int) - np.asarray(two, dtype=int))
    return f"{differences.max()} at most, {differences.mean():.4f} on average"


torchs = resized[0].permute(1, 2, 0).numpy()
print("Pillow", PIL.__version__)
print("  one call, and across then down:", apart(once, twice))
print("  one call, and down then across:", apart(once, other))
print("  one call, and PyTorch:         ", apart(once, torchs))
print("  across then down, and PyTorch: ", apart(twice, torchs))
one = np.asarray(once)
wanted = other if PIL.__version__ == "13.0.0" else twice
near = np.abs(np.asarray(twice, dtype=int) - torchs).max() <= 2
as_described = (one == np.asarray(wanted)).all() and (np.asarray(twice) != other).any() and near
print("  as described" if as_described else "  NO LONGER AS DESCRIBED")
sys.exit(not as_described)
PYTHON
for version in 12.3.0 13.0.0; do
    PYTHONPATH="$folder/$version" "$folder/venv/bin/python" "$folder/resize.py"
done
# Seen with torch 2.13.0+cpu, numpy 2.4.6, Python 3.11.7:
#   Pillow 12.3.0: one call is across then down, 2 at most from PyTorch, 0.0035 on average
#   Pillow 13.0.0: one call is down then across, 30 at most from PyTorch, 3.7941 on average
