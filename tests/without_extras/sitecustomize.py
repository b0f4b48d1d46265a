"""Python as it is where Ikusi was installed without its extras: none of them can be imported.

Python imports a module of this name when it starts. transformers and accelerate import each of
these packages wherever it is installed, needed or not: a third of the time that a process takes to
start.
"""

import sys

EXTRAS = ("bitsandbytes", "datasets", "deepspeed", "peft")

if __name__ == "sitecustomize":
    sys.modules.update(dict.fromkeys(EXTRAS))  # type: ignore[arg-type]
