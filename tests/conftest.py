"""One thread, no hub, no display: every test behaves the same on every machine."""

import os

from hypothesis import settings

# Read by the numerical libraries when they are first imported, so set before any test module.
os.environ.update(
    OMP_NUM_THREADS="1",
    MKL_NUM_THREADS="1",
    HF_HUB_OFFLINE="1",
    TOKENIZERS_PARALLELISM="false",
    MPLBACKEND="Agg",
)

# The same examples in every run of the same code.
settings.register_profile("same", derandomize=True)
settings.load_profile("same")
