"""Time and memory that `ikusi plan` foresees for a study and a translation, beside those they took.

    python bench/plan.py study
    python bench/plan.py translation --rows 12000

Of each: speeds are measured (`--measure`), the plan is made from them alone, and the whole is then
run, all with caches of their own. What is compared on a machine that others use is processor time.
The study is that of `recipes/emoji-eu-quick.yaml`, cut down to one run and fewer
pictures unless other changes are named; the translation is one of made-up captions by Apertium,
with its round trip (`recipes/translate/apertium-gl.yaml`). `--keep FOLDER` keeps what was measured
and made, so that the comparison alone can be printed again.
"""

import argparse
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import platformdirs
from train_miniature import machine
from translate_job import ACTS, PLACES, THINGS, TIMES

from ikusi import progress, speeds
from ikusi import recipe as recipes
from ikusi.data.corpus import CorpusWriter
from ikusi.plan import card, measuring, planning
from ikusi.plan.planning import Asked, Line
from ikusi.recipe.folder import StudyFolder
from ikusi.speeds import Speed
from ikusi.translate import settings

ROOT = Path(__file__).parents[1]
SHORT = [
    "grid.ratios=[0.2]",
    "miniature.train_scenes=3000",
    "miniature.caption_scenes=1500",
    "miniature.test_scenes=80",
    "stages.instruct.epochs=0.2",
]
"""Changes to the study, so that it takes some four minutes of processor time."""

STUDY, TRANSLATION = "recipes/emoji-eu-quick.yaml", "recipes/translate/apertium-gl.yaml"
IKUSI = ("-m", "ikusi")
GB = 1e9
COLUMNS = ("step", "amount", "planned, s", "taken, s", "error", "planned, GB", "taken, GB", "error")


def run(cache: Path, *words: str) -> None:
    """Run Python with these words; the speeds that it keeps are in a folder of their own."""
    if not cache.exists():
        shutil.copytree(platformdirs.user_cache_path("ikusi"), cache / "ikusi")
        (cache / "ikusi" / "speeds.jsonl").unlink(missing_ok=True)
    environment = os.environ | {"XDG_CACHE_HOME": str(cache)}
    subprocess.run([sys.executable, *words], check=True, env=environment)


def read(cache: Path) -> list[Speed]:
    """The speeds that are kept there."""
    return speeds.read(cache / "ikusi" / "speeds.jsonl")


def study(folder: Path, changes: list[str]) -> None:
    """Measure, plan and run the study."""
    measured, made = folder / "measured", folder / "made"
    if not made.exists():
        run(measured, *IKUSI, "plan", STUDY, "--machine", "--measure", *changes)
        where = ("--workers", "1", "--studies", str(folder / "studies"))
        run(made, *IKUSI, "study", STUDY, *where, *changes)
    recipe = recipes.load(ROOT / STUDY, [*changes, "workers=1"])
    nowhere = StudyFolder(folder / "none")  # so that nothing is counted in what was made since
    plan = planning.make_plan(recipe, card.find_machine(), nowhere, known=read(measured))
    compare(plan.lines, read(made))


def translation(folder: Path, rows: int) -> None:
    """Measure, plan and run the translation."""
    measured, made, corpus = folder / "measured", folder / "made", folder / "captions"
    if not made.exists():
        write_captions(corpus, rows)
        run(measured, __file__, "measure", "--keep", str(corpus))
        where = ("--corpus", str(corpus), "--output", str(folder / "translated"))
        run(made, *IKUSI, "translate", TRANSLATION, *where)
    plan = planning.make_plan(
        recipes.load(ROOT / STUDY),
        card.find_machine(),
        StudyFolder(folder / "none"),
        Asked([(settings.load(ROOT / TRANSLATION), corpus)]),
        read(measured),
    )
    compare(plan.lines[-1:], read(made))


def write_captions(folder: Path, rows: int) -> None:
    """Captions that all differ."""
    parts = itertools.product(THINGS, ACTS, PLACES, TIMES, THINGS, PLACES)
    with CorpusWriter(folder, "caption", ["en"]) as writer:
        for number, (who, does, where, when, *other) in enumerate(itertools.islice(parts, rows)):
            text = f"{who} {does} {where} {when}, near {' '.join(other)}.".capitalize()
            writer.add_row(str(number), None, {"en": {"text": text}})


def compare(lines: Sequence[Line], made: list[Speed]) -> None:
    """Print, as Markdown, what was planned of each step beside what it took."""
    print(f"| {' | '.join(COLUMNS)} |\n|---|{'--:|' * (len(COLUMNS) - 1)}")
    planned = taken = 0.0
    for speed in made:
        line = next(
            one
            for one in lines
            if (one.work.kind, one.work.about) == (speed.kind, speed.about)
            and one.work.rows == speed.rows
        )
        assert line.pace.seconds and speed.processor
        seconds, held = line.pace.seconds.middle, line.memory
        planned, taken = planned + seconds, taken + speed.processor
        cells = [line.work.name, f"{speed.amount:,.0f}", f"{seconds:.1f}", f"{speed.processor:.1f}",
                 f"{seconds / speed.processor - 1:+.0%}"]  # fmt: skip
        if held and speed.memory:
            more = f"{held / speed.memory - 1:+.0%}"
            cells += [f"{held / GB:.2f}", f"{speed.memory / GB:.2f}", more]
        print(f"| {' | '.join(cells)} |")
    print(f"| all | | {planned:.0f} | {taken:.0f} | {planned / taken - 1:+.0%} | | | |")


def main() -> None:
    """Do what is asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["study", "translation", "measure"])
    parser.add_argument("changes", nargs="*", help="of the study, as KEY=VALUE")
    parser.add_argument("--rows", type=int, default=12000, help="captions that are translated")
    parser.add_argument("--keep", type=Path, help="folder for what is measured and made")
    asked = parser.parse_args()
    if asked.what == "measure":  # of the translation alone, in a process of its own
        with progress.show("measuring") as report:
            measuring.measure_translation(settings.load(ROOT / TRANSLATION), asked.keep, report)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = (asked.keep or Path(name)).resolve()
        if asked.what == "study":
            study(folder, asked.changes or SHORT)
        else:
            translation(folder, asked.rows)
    print(machine())


if __name__ == "__main__":
    main()
