"""The most memory that this process has held."""

from pathlib import Path


def peak_mib() -> float:
    """In MiB, since it was started; of Linux.

    `resource.getrusage` would also count what the process that started this one held then.
    """
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    kib = next(line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(kib) / 1024
