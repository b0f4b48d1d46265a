"""A package of Tux Paint's stamps, as it unpacks."""

from pathlib import Path

from data_rows import picture
from ikusi.data.sources import tuxpaint

DRAWING = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="30pt" height="15pt"><path d="M0 0h9v9z"/></svg>'
)
CAPTIONS = {
    "animals/dog": "A dog.\neu.utf8=Txakur bat.\npt_BR.utf8=Um cachorro.\nof no language\n",
    "animals/ant": "An ant.\neu.utf8=Inurri bat.\n",
    "town/gift": "A gift.\neu.utf8=Opari bat.\n",
    "town/car": "A car.\ngl.utf8=Un coche.\neu.utf8= \n",
    "town/torn": "A house.\neu.utf8=Etxe bat.\n",
}


def make_stamps(folder: Path) -> Path:
    """A photograph, a drawing, one without a picture, one without Basque, and one that is torn."""
    folder = folder / tuxpaint.STAMPS
    for name, text in CAPTIONS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    for name in ("animals/dog", "town/car"):
        (folder / f"{name}.png").write_bytes(picture())
        (folder / f"{name}.ogg").write_bytes(b"sound")
    (folder / "animals/ant.svg").write_text(DRAWING, encoding="utf-8")
    (folder / "town/torn.svg").write_text("<svg", encoding="utf-8")
    return folder
