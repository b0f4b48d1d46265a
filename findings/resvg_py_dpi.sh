#!/usr/bin/env bash
# resvg-py calls a resolution of 0, its default, that of the SVG standard (96). But lengths in points,
# millimetres or inches are then none at all: a drawing whose width and height are written so, and
# that has no viewBox, is refused as having an invalid size, whatever width is asked for. With
# dpi=96 it is drawn. Of Tux Paint's stamps that are vector drawings alone, 16 are such.
# Needs Python 3 and PyPI. Exits with 1 if this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet resvg-py==0.5.0
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import resvg_py

DRAWING = '<svg xmlns="http://www.w3.org/2000/svg" width="{0}" height="{0}"><rect width="9" height="9"/></svg>'


def draw(length: str, **settings: float) -> str:
    """The size of what is drawn, or why nothing is."""
    try:
        png = bytes(resvg_py.svg_to_bytes(svg_string=DRAWING.format(length), **settings))
    except ValueError as error:
        return str(error)
    return f"{int.from_bytes(png[16:20], 'big')} pixels wide"


print("resvg-py", version("resvg-py"), "Python", sys.version.split()[0])
found = {
    "30px, by itself": draw("30px"),
    "30pt, by itself": draw("30pt"),
    "30pt, 64 pixels wide": draw("30pt", width=64),
    "30mm, by itself": draw("30mm"),
    "30pt at 96 dpi": draw("30pt", dpi=96),
}
for what, drawn in found.items():
    print(f"{what}: {drawn}")
refused = "SVG has an invalid size"
expected = ["30 pixels wide", refused, refused, refused, "40 pixels wide"]
sys.exit(list(found.values()) != expected)
PYTHON
