"""Look at the built site: every link and anchor leads somewhere, and nothing comes from elsewhere.

    python docs/check_site.py site

Readers may be offline, so pages and style sheets load no script, style, font or picture from
another server; links that a reader may follow are another thing.
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADS = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
"""Tags that load something by themselves, and the attribute that says what."""
SAYS = {"canonical", "alternate", "next", "prev"}
"""What a <link> may be without loading anything."""
STYLE = re.compile(r"""(?:url\(|@import)\s*["']?([^"')\s;]+)""")


class Page(HTMLParser):
    """The anchors of a page, where its links lead, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors, self.links, self.loads = {""}, set[str](), set[str]()
        self.feed(text)
        for style in re.findall(r"<style.*?</style>", text, re.DOTALL):
            self.loads |= set(STYLE.findall(style))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag names, links to and loads."""
        given = {key: value or "" for key, value in attrs}
        self.anchors |= {given[key] for key in ("id", "name") if key in given}
        if tag == "a" and "href" in given:
            self.links.add(given["href"])
        elif LOADS.get(tag) in given and given.get("rel") not in SAYS:
            self.loads.add(given[LOADS[tag]])
        self.loads |= set(STYLE.findall(given.get("style", "")))


def find_faults(site: Path) -> list[str]:
    """Faults of a built site, a line each: `file: fault: where it leads`."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    if not pages:
        return [f"{site}: expected pages, found none"]
    faults = []
    for path, page in sorted(pages.items()):
        here = path.relative_to(site)
        wrong = {link: _follow(link, path, site, pages) for link in page.links | page.loads}
        faults += [f"{here}: {what}: {link}" for link, what in sorted(wrong.items()) if what]
        faults += [f"{here}: loads: {load}" for load in sorted(page.loads) if _is_elsewhere(load)]
    for path in sorted(site.rglob("*.css")):
        loads = sorted(set(STYLE.findall(path.read_text(encoding="utf-8"))))
        faults += [f"{path.relative_to(site)}: loads: {x}" for x in loads if _is_elsewhere(x)]
    return faults


def _is_elsewhere(link: str) -> bool:
    return bool(urlsplit(link).netloc)


def _follow(link: str, page: Path, site: Path, pages: dict[Path, Page]) -> str:
    """Fault of a link of a page; "" if it has none, or leaves the site."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return ""
    # The page for what is not there is shown at any depth, so its links begin at the root.
    start = site if parts.path.startswith("/") else page.parent
    target = (start / unquote(parts.path).lstrip("/")).resolve() if parts.path else page
    target = target / "index.html" if target.is_dir() else target
    if not target.exists():
        return "no such file"
    if target in pages and unquote(parts.fragment) not in pages[target].anchors:
        return "no such anchor"
    return ""


def main() -> int:
    """Print what is wrong; 1 if something is."""
    site = Path(sys.argv[1]).resolve()
    faults = find_faults(site)
    print("\n".join(faults) or f"{site}: every link, anchor and file is there")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
