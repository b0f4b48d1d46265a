"""Folders of Ikusi's own files that several rooms read: no room reads in another one's folder.

Most of it has a twin where somebody works, such as `languages/` or `benchmarks/`.
"""

from pathlib import Path

PACKAGE = Path(__file__).parent
LANGUAGES = PACKAGE / "languages"
BENCHMARKS = PACKAGE / "benchmarks"
BASES = PACKAGE / "bases"


def list_recipe_folders() -> list[Path]:
    """The folders of Ikusi's own recipes: in the installed package, or in a checkout."""
    recipes = [PACKAGE / "recipes", PACKAGE.parents[1] / "recipes"]
    return [at for root in recipes if root.is_dir() for at in (root, root / "translate")]
