"""English and Basque that people wrote: the message catalogues of the programs installed here."""

import gettext
from pathlib import Path


def _pairs() -> list[tuple[str, str]]:
    found = {}
    for path in sorted(Path("/usr/share/locale/eu/LC_MESSAGES").glob("*.mo")):
        with path.open("rb") as file:
            catalogue = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
        for english, basque in catalogue.items():
            if isinstance(english, str) and isinstance(basque, str) and len(english.split()) >= 6:
                found[english] = basque
    return sorted(found.items())


PAIRS = _pairs()
