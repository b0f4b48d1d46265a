"""Adapting a model that sees already against building one from an LLM (finding 8)."""

from collections.abc import Sequence
from dataclasses import dataclass

from ikusi.compare import evidence
from ikusi.compare.claims import Claim, Claimed, check_premise, close_ended, find_title
from ikusi.compare.evidence import Lacking, Pair, Part, Resampling, compare
from ikusi.compare.reading import Effort, Study, Trained
from ikusi.recipe import Run

TOLERANCE = {"rows": 0.02, "operations": 0.1}
"""By how much of the larger of two amounts they may differ and still count as equal."""


@dataclass(frozen=True)
class Rivals:
    """A model that was adapted and one that was built, alike in all else that the grid sets.

    Attributes:
        name: of both.
        pair: their evaluations, the adapted one's first.
        efforts: what each took, in the same order, on average over its seeds.
    """

    name: str
    pair: Pair
    efforts: tuple[Effort, Effort]

    def compute_excess(self, amount: str) -> float:
        """The amount (`rows`, `operations`) that the adapted one took beyond the built one, as a
        share of the larger; negative for less."""
        adapted, built = (getattr(effort, amount) for effort in self.efforts)
        return (adapted - built) / max(adapted, built, 1)

    def is_equal(self, amount: str) -> bool:
        """Whether both took about as much of it."""
        return abs(self.compute_excess(amount)) <= TOLERANCE[amount]


def compare_starts(study: Study, resampling: Resampling) -> Claim:
    """Whether adapting gives better answers in the target language than building (finding 8)."""
    benchmarks, target = close_ended(study), study.target
    rivals = _list_rivals(study)
    by_rows = _choose(rivals, "rows", f"rows in {target.name}")
    by_operations = _choose(rivals, "operations", "compute")

    def gap(name: str, some: Sequence[Rivals], names: Sequence[str], code: str) -> Part:
        sample = evidence.measure_gaps([one.pair for one in some], names, code)
        return compare(name, sample, resampling)

    chosen = list({one.name: one for one in [*by_rows, *by_operations]}.values())
    parts = [
        gap(f"adapted minus built, at equal {what}", some, benchmarks, target.code)
        for what, some in ((f"rows in {target.name}", by_rows), ("compute", by_operations))
    ]
    models = [model for one in chosen for model in one.pair]
    parts.append(check_premise("all minus guessing", models, benchmarks, target.code, resampling))
    details = [
        gap(f"{find_title(study, name)}, {pack.name}", chosen, [name], pack.code)
        for pack in study.languages
        for name in [*benchmarks, *study.text_only]
    ]
    details += [
        gap(f"{one.name}, {_describe_efforts(one)}, in {pack.name}", [one], benchmarks, pack.code)
        for one in rivals
        for pack in study.languages
    ]
    return Claim(f"{parts[0].name}, {', '.join(one.name for one in by_rows)}", parts, details)


def _list_rivals(study: Study) -> list[Rivals]:
    """Every model that saw before beside every one that was built, with the same share of the
    target language, and with or without text-only rows alike."""
    recipe = study.recipe
    seeing = [name for name in recipe.grid.backbones if recipe.sees(name)]
    built = [name for name in recipe.grid.backbones if not recipe.sees(name)]
    if not seeing or not built:
        raise Lacking("The recipe's grid does not have both models that see already and LLMs.")
    conditions = [
        (share, text) for share in study.shares if share for text in recipe.grid.text_only
    ]
    laid = [
        _lay_beside(study, one, other, *condition)
        for one in seeing
        for other in built
        for condition in conditions
    ]
    rivals = [one for one in laid if one]
    if not rivals:
        raise Lacking(
            "No two runs that differ in this alone, that have seen pictures with "
            f"{study.target.name}, and whose records say what they took, are measured yet."
        )
    return rivals


def _lay_beside(study: Study, one: str, other: str, share: int, text: bool) -> Rivals | None:
    pair = tuple(study.find_trained(name, share, text) for name in (one, other))
    seeds = [seed for seed in pair[0] if seed in pair[1]]
    efforts = [_average(study, _find_runs(study, trained, seeds)) for trained in pair]
    adapted, built = efforts
    if not seeds or adapted is None or built is None:
        return None
    name = f"{one} and {other} at {share} %{' with text-only rows' if text else ''}"
    return Rivals(name, (pair[0], pair[1]), (adapted, built))


def _find_runs(study: Study, trained: Trained, seeds: Sequence[int | None]) -> list[Run]:
    names = [trained[seed].name for seed in seeds]
    return [run for run in study.runs if run.name in names]


def _average(study: Study, runs: Sequence[Run]) -> Effort | None:
    """The mean effort of runs; None where there are none, or where one's records do not say."""
    taken = [study.read_effort(run) for run in runs]
    known = [one for one in taken if one]
    if len(known) < max(len(taken), 1):
        return None
    rows = round(sum(one.rows for one in known) / len(known))
    return Effort(rows, sum(one.operations for one in known) / len(known))


def _choose(rivals: Sequence[Rivals], amount: str, what: str) -> list[Rivals]:
    """Those that took about as much of an amount.

    Raises:
        Lacking: none did.
    """
    equal = [one for one in rivals if one.is_equal(amount)]
    if not equal:
        nearest = min(rivals, key=lambda one: abs(one.compute_excess(amount)))
        raise Lacking(
            f"No two runs that differ in this alone took equal {what}, within "
            f"{TOLERANCE[amount] * 100:.0f} %. Nearest are {nearest.name}: "
            f"{_describe(nearest.compute_excess(amount))} for the adapted one."
        )
    return equal


def _describe_efforts(one: Rivals) -> str:
    rows, operations = map(_describe, map(one.compute_excess, TOLERANCE))
    return f"rows {rows}, compute {operations}"


def _describe(excess: float) -> str:
    if round(abs(excess) * 100) == 0:
        return "equal"
    return f"{abs(excess) * 100:.0f} % {'more' if excess > 0 else 'less'}"


FINDINGS = [
    Claimed(
        "adapting",
        8,
        "Teaching {target} to a model that sees already beats building one",
        "Whether runs that start from a model that sees already score higher in {target} than "
        "runs built from an LLM and an encoder, with the same share of {target} and text-only rows "
        "alike: once over pairs with as many rows in {target}, once over pairs with as much "
        f"compute. Equal are rows within {TOLERANCE['rows'] * 100:.0f} %, as often as they were "
        "passed, and floating-point operations within "
        f"{TOLERANCE['operations'] * 100:.0f} %, each over both stages of a run and as its records "
        "have it; what models were made with before is not counted. Mean over the close-ended "
        "benchmarks. Effects below {margin} count as none. Not of the paper, which leaves it open "
        "(Limitations).",
        compare_starts,
    )
]
