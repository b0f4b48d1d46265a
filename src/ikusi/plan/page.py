"""A plan as one page that needs no other file."""

from __future__ import annotations

from pathlib import Path

from ikusi import claim, disk
from ikusi.page import fill_template
from ikusi.plan import table
from ikusi.plan.planning import Plan

TEMPLATE = Path(__file__).with_name("plan.html.j2")
GB = 1e9
PARTS = {
    "frozen": "weights that do not learn",
    "encoder": "encoder",
    "learning": "weights that learn",
    "gradients": "gradients",
    "optimizer": "optimiser",
    "copies": "copies to compute with",
    "saved": "activations",
    "layer": "a layer at work",
    "logits": "logits",
    "images": "pictures",
    "gathered": "gathered from others",
}


def write(plan: Plan, path: Path) -> None:
    """Write the page.

    Raises:
        InputError: another file is there.
    """
    groups = table.group(plan.lines)
    values = {
        "plan": plan,
        "head": table.write_head(plan),
        "columns": table.COLUMNS,
        "rows": table.write_rows(plan),
        "sums": table.write_sums(plan),
        "notes": [line for line in table.write_notes(plan) if line.strip() not in ("", "from:")],
        "parts": PARTS,
        "memory": [
            (one.name, one.lines[0].work.parts) for one in groups if one.lines[0].work.parts
        ],
    }
    page = fill_template(TEMPLATE, values, {"gb": lambda count: f"{count / GB:.2f}"})
    disk.write_text(claim.check_file(path, claim.PAGE), page)
