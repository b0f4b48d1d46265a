"""What pytest leaves out where lmms-eval is not installed: modules that only it imports."""

from importlib.util import find_spec

LMMS = (
    "src/ikusi/evaluate/harness/lmms_model.py",
    "src/ikusi/evaluate/harness/lmms_manifest.py",
    "tests/parity/lmms.py",
)
collect_ignore = [] if find_spec("lmms_eval") else list(LMMS)
