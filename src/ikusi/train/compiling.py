"""DeepSpeed compiles operators on first use; a compilation that was killed leaves its lock behind.

torch 2.13.0 (`torch.utils.cpp_extension`) waits for such a lock without end and without a word.
"""

import os
import time
from pathlib import Path

from ikusi.errors import InputError

LONGEST = 15 * 60.0  # seconds that a compilation may take


def expect_no_left_lock() -> None:
    """Refuse to start a training that would wait for ever.

    Raises:
        InputError: there is a lock that no compilation under way can hold any more.
    """
    from torch.utils.cpp_extension import get_default_build_root

    root = Path(os.environ.get("TORCH_EXTENSIONS_DIR") or get_default_build_root())
    for lock in sorted((*root.glob("*/lock"), *root.glob("*/*/lock"))):
        minutes = (time.time() - lock.stat().st_mtime) / 60
        if minutes * 60 > LONGEST:
            raise InputError(
                f"{lock}: expected no lock of a compilation that was killed, found one of "
                f"{minutes:.0f} minutes ago, for which DeepSpeed would wait for ever: delete it"
            )
