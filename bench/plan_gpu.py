"""On a GPU: what a plan says of a training at full size, before and after measuring, and what some
of its steps then take.

    python bench/plan_gpu.py                                     # recipes/basque-8b-lora.yaml
    python bench/plan_gpu.py --recipe recipes/basque-8b.yaml compute.processes=8
    python bench/plan_gpu.py --recipe recipes/emoji-eu-quick.yaml grid.ratios=[0.2]   # anywhere

Models and corpora that are not here are stood in for (`ikusi.plan.stand_ins`). Speeds are measured
by `--measure`; then the same steps are made longer, `--size` times as long as the longest of these,
and compared with what the plan made of the short ones says. Peak memory is torch's.
"""

import argparse
import tempfile
from pathlib import Path

from train_miniature import machine

from ikusi import progress, speeds
from ikusi import recipe as recipes
from ikusi.plan import card, measuring, planning, table
from ikusi.recipe.folder import StudyFolder
from plan import compare

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Plan, measure, plan again, and hold that to longer steps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("changes", nargs="*", help="of the recipe, as KEY=VALUE")
    parser.add_argument("--recipe", default="recipes/basque-8b-lora.yaml")
    parser.add_argument("--size", type=int, default=4, help="times the longest measured study")
    asked = parser.parse_args()
    recipe = recipes.load(ROOT / asked.recipe, asked.changes)
    hardware = card.find_machine()
    with tempfile.TemporaryDirectory() as name:
        nowhere = StudyFolder(Path(name) / "none")
        print(table.write_text(planning.make_plan(recipe, hardware, nowhere, known=[])), "\n")
        before = len(speeds.read())
        with progress.show("measuring") as report:
            measuring.measure_study(recipe, report)
        measured = speeds.read()[before:]
        print(table.write_text(planning.make_plan(recipe, hardware, nowhere, known=measured)), "\n")
        longer = asked.size * max(measuring.ROUNDS)
        with progress.show("longer steps") as report:
            measuring.measure_study(recipe, report, rounds=(longer,))
        made = speeds.read()[before + len(measured) :]
        short = measuring.shorten(recipe, longer)
        plan = planning.make_plan(short, hardware, nowhere, known=measured)
        compare(plan.lines, made)
    print(machine())


if __name__ == "__main__":
    main()
