"""Judgements from a table into a file of any format."""

from pathlib import Path
from typing import NamedTuple

from ikusi import claim
from ikusi.judgements import formats, journal
from ikusi.judgements.formats import label_studio
from ikusi.judgements.sheets import list_latest


class Exported(NamedTuple):
    """Numbers of judgements that were written and that were not: ``replaced`` by later ones, or
    ``unfit``, as the format has no place for them."""

    written: int
    replaced: int
    unfit: int


def export_file(folder: Path, path: Path, format: str | None = None) -> Exported:
    """Write a table's judgements to a new file.

    Formats of ours keep every row in order. Others know no changed minds: only the last word of
    each rater is written.

    Raises:
        InputError: the file is there already, or the table cannot be read.
    """
    name = format or formats.pick_format(path)
    module = formats.find(name)
    place = claim.check_file(path, None, [folder])
    if name == "label-studio":
        claim.check_file(label_studio.locate_interface(path), None, [folder])
    rows = list(journal.read(folder))
    counted = rows if name in formats.KEEP_ALL else list_latest(rows)
    fitting = [one for one in counted if module.holds(one)]
    module.write(fitting, place)
    return Exported(len(fitting), len(rows) - len(counted), len(counted) - len(fitting))
