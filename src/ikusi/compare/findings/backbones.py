"""Whether it matters which backbone one starts from (finding 5)."""

from collections.abc import Mapping, Sequence
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
    find_dial,
    find_title,
    list_models,
)
from ikusi.compare.evidence import PREFERENCE, Lacking, Part, Resampling, compare
from ikusi.compare.findings import format_signed
from ikusi.compare.reading import Study


def backbones(study: Study, resampling: Resampling) -> Claim:
    """Whether it matters which backbone one starts from (finding 5)."""
    code = study.target.code
    if len(study.recipe.grid.backbones) < 2:
        raise Lacking("The recipe's grid has one backbone; this compares two.")
    text, backbones = find_conditions(study, [MOST], prefer_text=True)
    if len(backbones) < 2:
        raise Lacking(explain_not_measured(study, [MOST]))
    dial = find_dial(study)
    rivals = _pair_backbones(backbones, dial)
    runs = dict(zip(backbones, list_models(study, backbones, MOST, text), strict=True))
    parts: list[Part] = []
    premises: list[Part] = []
    details: list[Part] = []
    for label, names in (("close-ended", study.close_ended), ("open", study.open_ended)):
        if not names:
            continue
        for one, other in rivals:
            name, pair = f"{one} minus {other}, {label}", (runs[one], runs[other])
            sample = evidence.measure_gaps([pair], names, code)
            parts.append(evidence.check_equivalence(name, sample, resampling))
            details += [
                compare(
                    f"{one} minus {other}, {find_title(study, bench)}",
                    evidence.measure_gaps([pair], [bench], code),
                    resampling,
                )
                for bench in names
                if len(names) > 1
            ]
        models = list(runs.values())
        premises.append(
            check_premise(f"the runs minus guessing, {label}", models, names, code, resampling)
        )
    for seed, line in evidence.lay_by_seed(list(runs.values())).items():
        asked = dict(zip(backbones, (run.name for run in line), strict=True))
        mark = f", seed {seed}" if study.several_seeds else ""
        named = [((one, asked[one]), (other, asked[other])) for one, other in rivals]
        parts += _preferences(study, named, "person", mark, resampling)
        details += _preferences(study, named, "simulated", mark, resampling)
    if not parts:
        raise Lacking("The recipe has no benchmark with pictures.")
    quantity = f"{parts[0].name}, at {MOST} % {describe_condition(text)}"
    gaps = dict(zip(rivals, parts, strict=False)) if study.close_ended else {}
    note = _say_where_it_closes(study.target.name, dial, gaps)
    return Claim(quantity, [*parts, *premises], details, note)


def _pair_backbones(backbones: Sequence[str], dial: Mapping[str, float]) -> list[tuple[str, str]]:
    """Every two of them; where it is known how much of the language each had read, every one and
    the one that had read most, from the one that had read least."""
    known = [name for name in dial if name in backbones]
    if not known:
        return list(combinations(backbones, 2))
    *others, fullest = known
    others += [name for name in backbones if name not in dial]
    return [(name, fullest) for name in others]


def _say_where_it_closes(
    language: str, dial: Mapping[str, float], gaps: Mapping[tuple[str, str], Part]
) -> str:
    """From which amount read on a backbone is within the margin of the one that had read most, and
    what is left of the gap there and below; empty without a dial.

    Args:
        language: its name.
        dial: how much of it the backbones had read, rising.
        gaps: the comparison with the fullest one, by both names.
    """
    known = [(dial[one], part) for (one, _), part in gaps.items() if one in dial]
    if not known:
        return ""
    fullest = next(other for _, other in gaps)
    whole = f"{fullest}, which had read {_percent(dial[fullest])} {language}"
    apart = [place for place, (_, part) in enumerate(known) if not part.holds]
    closed = apart[-1] + 1 if apart else 0
    around = known[max(0, closed - 1) : closed + 1]
    at = [f"{_percent(read)}: {_describe_gap(part)}" for read, part in around]
    if closed == len(known):
        return (
            f"No backbone that had read less is shown to be within the margin of {whole}; {at[0]}."
        )
    since = f"had read {_percent(known[closed][0])} or more"
    return f"Within the margin of {whole}, are backbones that {since}; {'; '.join(at)}."


def _percent(share: float) -> str:
    return f"{share * 100:g} %"


def _describe_gap(part: Part) -> str:
    mean, low, high = map(format_signed, part.difference)
    return f"{mean} ({part.confidence * 100:.0f} % interval {low} to {high})"


def _preferences(
    study: Study,
    asked: Sequence[tuple[tuple[str, str], tuple[str, str]]],
    kind: str,
    mark: str,
    resampling: Resampling,
) -> list[Part]:
    """Compare backbones by the open answers that raters of a kind prefer; ``asked``: pairs of
    backbones, each with its run."""
    by = {"person": "by people", "simulated": "by SIMULATED raters"}[kind]
    return [
        evidence.check_equivalence(
            f"{one} minus {other}, {by}, {sheet.benchmark}{mark}",
            people.measure_preference(sheet, a),
            resampling,
            PREFERENCE,
        )
        for (one, a), (other, b) in asked
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
        f"losses, with a margin of {PREFERENCE}. Where the recipe says of three or more how much "
        "{target} they had read, each is compared with the one that had read most; else every two.",
        backbones,
    )
]
