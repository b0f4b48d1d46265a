"""The judgements that a recipe names: tables, and projects of annotation as they stand."""

from collections.abc import Sequence
from pathlib import Path

from ikusi.annotate import exporting
from ikusi.judgements import journal
from ikusi.judgements.judgement import Judgement


def read_judgements(folders: Sequence[str]) -> list[Judgement]:
    """All judgements of some tables and annotation projects; what is not there yet is left out.

    Raises:
        InputError: one is damaged, or is something else.
    """
    judgements: list[Judgement] = []
    for folder in map(Path, folders):
        if (folder / journal.TABLE).is_file():
            judgements += journal.read(folder)
        elif folder.exists():
            judgements += exporting.read_judgements(folder)
    return judgements
