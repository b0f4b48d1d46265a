"""Whether mlcroissant finds nothing to say of a release's Croissant, and reads every row by it.

    python bench/publish_croissant.py releases/my-release

mlcroissant is a tool of its own, with some twenty packages: `pip install mlcroissant pillow
pyarrow` where this runs; Ikusi need not be there. The exit code is 1 where it has an error or a
warning, or reads other rows than the release says that it has.
"""

import importlib
import importlib.metadata
import json
import sys
from pathlib import Path


def main() -> int:
    """Read every table of a release by its Croissant; returns the exit code."""
    folder = Path(sys.argv[1])
    mlcroissant = importlib.import_module("mlcroissant")
    release = json.loads((folder / "release.json").read_text(encoding="utf-8"))
    opened = mlcroissant.Dataset(str(folder / "croissant.json"))
    bad = opened.metadata.ctx.issues.report()
    if bad:
        print(bad)
    for table in opened.metadata.record_sets:
        count = sum(1 for _ in opened.records(table.uuid))
        wanted = release["images" if table.uuid == "images" else "rows"]
        print(f"{table.uuid}: {count:,} of {wanted:,}")
        bad = bad or count != wanted
    version = importlib.metadata.version("mlcroissant")
    print(f"mlcroissant {version}: {'found something' if bad else 'nothing to say'}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
