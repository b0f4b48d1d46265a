"""A contact sheet of the miniature's pictures, to look at what a study is made of."""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ikusi import claim, disk
from ikusi.miniature.pictures.drawings import FAMILIES, load_drawings
from ikusi.miniature.pictures.splits import split

ROWS = 24
CELL = 64


def write(output: Path, rows: int = ROWS) -> Path:
    """Draw `rows` concepts, a style a column; drawings that are never trained on have a frame.

    Args:
        output: PNG file to write.
        rows: how many concepts.
    """
    place = claim.check_file(output, claim.PICTURE)
    made = load_drawings()
    splits = split(made, rows)
    sheet = Image.new("RGB", (CELL * len(FAMILIES), CELL * len(splits.concepts)), "white")
    for row, concept in enumerate(splits.concepts):
        for column, style in enumerate(FAMILIES):
            if (concept.id, style) not in made:
                continue
            drawing = Image.fromarray(made[concept.id, style]).resize((CELL - 10, CELL - 10))
            corner = (column * CELL + 5, row * CELL + 5)
            if style not in splits.trained[concept.id]:
                frame = Image.new("RGB", (CELL - 2, CELL - 2), (250, 200, 120))
                sheet.paste(frame, (corner[0] - 4, corner[1] - 4))
            sheet.paste(drawing, corner, drawing)
    about = PngInfo()
    about.add_text("Software", claim.PICTURE.partition("\0")[2])
    with disk.replace_file(place) as aside:
        sheet.save(aside, "PNG", pnginfo=about)
    return output
