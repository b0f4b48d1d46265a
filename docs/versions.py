"""Put a built site beside those of other versions, and let readers go from one to another.

    python docs/versions.py site FOLDER

FOLDER gets the site under its version, the list from which the pages make their menu of versions,
and a first page that leads to the newest one. What is there of other versions is not touched. Any
server of files can serve FOLDER.
"""

import json
import shutil
import sys
from pathlib import Path

from packaging.version import Version

from ikusi import __version__

FIRST_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="refresh" content="0; url={newest}/index.html">
<title>Ikusi</title>
<p><a href="{newest}/index.html">Ikusi {newest}</a></p>
</html>
"""


def add_version(site: Path, folder: Path, version: str) -> None:
    """Put a site into a folder of sites under a version, in place of what was there of it.

    The newest version is the highest one that is a release, if there is any.
    """
    place = folder / version
    if place.exists():
        shutil.rmtree(place)
    # The page for what is not there only works at the root of a server.
    shutil.copytree(site, place, ignore=shutil.ignore_patterns("404.html"))
    versions = list_versions(folder)
    newest = next((v for v in versions if not Version(v).is_prerelease), versions[0])
    entries = [
        {"version": v, "title": v, "aliases": ["latest"] if v == newest else []} for v in versions
    ]
    (folder / "versions.json").write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")
    (folder / "index.html").write_text(FIRST_PAGE.format(newest=newest), encoding="utf-8")


def list_versions(folder: Path) -> list[str]:
    """The versions whose sites are in a folder, the highest first."""
    names = [path.parent.name for path in folder.glob("*/index.html")]
    return sorted(names, key=Version, reverse=True)


if __name__ == "__main__":
    add_version(Path(sys.argv[1]), Path(sys.argv[2]), __version__)
