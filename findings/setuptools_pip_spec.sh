#!/usr/bin/env bash
# setuptools, in its import hook on Python below 3.12: once a program has looked whether pip can be
# imported (`importlib.util.find_spec("pip")`, nothing more), importing distutils and then setuptools
# fails with an AssertionError that names the file of the standard library's distutils. The hook takes
# the look for pip at work, for which it steps aside for the rest of the process. PyTorch imports
# setuptools late, when it compiles an operator, so the two can be far apart. Asking
# `importlib.metadata.distribution("pip")` instead leaves the hook alone.
# Needs Python 3.11 and PyPI. Exits with 1 if this is no longer so.
set -euo pipefail
python3 -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "needs Python 3.11")'
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet setuptools==84.2.1
try() {
    "$folder/venv/bin/python" -c "$1; import distutils.core, setuptools" 2>&1 | tail -n 1 | sed 's|: .*||' || true
}
"$folder/venv/bin/python" -c '
from importlib.metadata import version
print("setuptools", version("setuptools"))'
looked=$(try 'import importlib.util; importlib.util.find_spec("pip")')
asked=$(try 'import importlib.metadata; importlib.metadata.distribution("pip")')
echo "after find_spec: ${looked:-setuptools is imported}"
echo "after importlib.metadata: ${asked:-setuptools is imported}"
[ "$looked" = AssertionError ] && [ -z "$asked" ] && echo "as described"
# Output seen (Python 3.11.7, setuptools 84.2.1):
# setuptools 84.2.1
# after find_spec: AssertionError
# after importlib.metadata: setuptools is imported
# as described
