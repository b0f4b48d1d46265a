"""Whether it matters which backbone one starts from (finding 5)."""

from collections.abc import Sequence
from itertools import combinations

from ikusi.compare import evidence, people
from ikusi.compare.claims import (
    MOST,
    Claim,
    Claimed,
    check_premise,
    describe_condition,
    explain_not_measured,
    find_conditions,
    find_title,
    list_models,
)
from ikusi.compare.evidence import PREFERENCE, Lacking, Part, Resampling, compare
from ikusi.compare.reading import Study


def backbones(study: Study, resampling: Resampling) -> Claim:
    """Whether it matters which backbone one starts from (finding 5)."""
    code = study.target.code
    if len(study.recipe.grid.backbones) < 2:
        raise Lacking("The recipe's grid has one backbone; this compares two.")
    text, backbones = find_conditions(study, [MOST], prefer_text=True)
    if len(backbones) < 2:
        raise Lacking(explain_not_measured(study, [MOST]))
    runs = list_models(study, backbones, MOST, text)
    parts: list[Part] = []
    premises: list[Part] = []
    details: list[Part] = []
    for label, names in (("close-ended", study.close_ended), ("open", study.open_ended)):
        if not names:
            continue
        for (one, a), (other, b) in combinations(zip(backbones, runs, strict=True), 2):
            name = f"{one} minus {other}, {label}"
            sample = evidence.measure_gaps([(a, b)], names, code)
            parts.append(evidence.check_equivalence(name, sample, resampling))
            details += [
                compare(
                    f"{one} minus {other}, {find_title(study, bench)}",
                    evidence.measure_gaps([(a, b)], [bench], code),
                    resampling,
                )
                for bench in names
                if len(names) > 1
            ]
        premises.append(
            check_premise(f"the runs minus guessing, {label}", runs, names, code, resampling)
        )
    for seed, line in evidence.lay_by_seed(runs).items():
        asked = list(zip(backbones, (run.name for run in line), strict=True))
        mark = f", seed {seed}" if study.several_seeds else ""
        parts += _preferences(study, asked, "person", mark, resampling)
        details += _preferences(study, asked, "simulated", mark, resampling)
    if not parts:
        raise Lacking("The recipe has no benchmark with pictures.")
    quantity = f"{parts[0].name}, at {MOST} % {describe_condition(text)}"
    return Claim(quantity, [*parts, *premises], details)


def _preferences(
    study: Study, asked: Sequence[tuple[str, str]], kind: str, mark: str, resampling: Resampling
) -> list[Part]:
    """Which backbone's open answers raters of a kind prefer; ``asked``: backbones, their runs."""
    by = {"person": "by people", "simulated": "by SIMULATED raters"}[kind]
    return [
        evidence.check_equivalence(
            f"{one} minus {other}, {by}, {sheet.benchmark}{mark}",
            people.measure_preference(sheet, a),
            resampling,
            PREFERENCE,
        )
        for (one, a), (other, b) in combinations(asked, 2)
        for sheet in people.find_sheets(study.sheets, kind, study.target.code, (a, b))
    ]


FINDINGS = [
    Claimed(
        "backbones",
        5,
        "A {target} backbone is not required",
        "Equivalence of the backbones at {most} % {target}, in {target}, with a "
        "margin of {margin} (two one-sided tests), on the close-ended benchmarks and "
        "on the open one; and where people have compared the runs' open answers, of wins and "
        f"losses, with a margin of {PREFERENCE}.",
        backbones,
    )
]
