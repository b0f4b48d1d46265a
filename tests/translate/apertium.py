"""Whether Apertium, a translator by rules, is here with the pairs that a test needs."""

import shutil
import subprocess

import pytest

PACKAGES = {"en-gl": "apertium-en-gl", "eu-en": "apertium-eu-en"}


def installed() -> set[str]:
    """The pairs that Apertium can translate; none where it is not installed."""
    program = shutil.which("apertium")
    if program is None:
        return set()
    return set(subprocess.run([program, "-l"], capture_output=True, text=True).stdout.split())


def needs(pair: str) -> pytest.MarkDecorator:
    """Skips a test where Apertium lacks a pair."""
    reason = f"Apertium lacks {pair}: apt-get install apertium {PACKAGES[pair]}"
    return pytest.mark.skipif(pair not in installed(), reason=reason)
