"""The tokens that a translation model knows: what a recipe asks it to begin with is among them.

CTranslate2 and transformers both read a token that is not there as `<unk>`, without a word.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Sequence
from pathlib import Path

from ikusi.errors import InputError

NEAR, LIKENESS = 3, 0.5  # how many tokens an error shows, and how alike they are at least


def expect_known(key: str, tokens: Sequence[str], known: Collection[str], name: str) -> None:
    """Check the tokens of a setting.

    Args:
        key: of the setting, for the error.
        tokens: what it names.
        known: the vocabulary.
        name: whose vocabulary that is.

    Raises:
        InputError: a token is not in it; the message lists the most similar ones.
    """
    for token in tokens:
        if token in known:
            continue
        near = difflib.get_close_matches(token, known, NEAR, LIKENESS)
        hint = f" (did you mean {' or '.join(near)}?)" if near else ""
        raise InputError(
            f"engine.{key}: expected tokens that {name} knows, found {token or 'empty text'}{hint}"
        )


def read_vocabulary(folder: Path, side: str) -> Collection[str]:
    """The vocabulary of a model in CTranslate2's form.

    Args:
        folder: of the model.
        side: `source` or `target`; many models have one vocabulary for both.

    Raises:
        InputError: it has none, or one that cannot be read.
    """
    names = [f"{stem}_vocabulary{end}" for stem in (side, "shared") for end in (".json", ".txt")]
    path = next((folder / name for name in names if (folder / name).is_file()), None)
    if path is None:
        raise InputError(f"{folder}: expected one of {', '.join(names)}, found none")
    try:
        text = path.read_text("utf-8")
        tokens = json.loads(text) if path.suffix == ".json" else text.split("\n")
    except ValueError as error:
        raise InputError(f"{path}: expected a vocabulary, found: {error}") from None
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise InputError(f"{path}: expected a list of tokens, found other values")
    return dict.fromkeys(tokens)  # looked up at once, and in the file's order
