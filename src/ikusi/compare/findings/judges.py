"""Whether a judge model can stand for people (finding 6)."""

from collections.abc import Iterator

from ikusi.compare import people
from ikusi.compare.claims import Claim, Claimed
from ikusi.compare.evidence import AGREEMENT, ALPHA, Lacking, Part, Resampling, Role, compare
from ikusi.compare.people import Beside
from ikusi.compare.reading import Study
from ikusi.statistics import Interval
from ikusi.statistics.kappas import KappaGap, compare_kappas


def judges(study: Study, resampling: Resampling) -> Claim:
    """Whether people agree with each other more than with a judge (finding 6)."""
    compared = list(_list_beside(study))
    if not compared:
        raise Lacking(_explain_lacking(study))
    parts: list[Part] = []
    premises: list[Part] = []
    details: list[Part] = []
    for one in compared:
        size = len(one.sheet.classes)
        gap = compare_kappas(one.people, one.judge, size, resampling.n, resampling.seed)
        if gap is None:
            continue
        between = f"people with each other minus people with {one.rater}"
        parts.append(_part(between, (gap.value, gap.low, gap.high), gap.p_value, gap, "claim"))
        premises.append(_part("people with each other", gap.among, gap.p_among, gap, "premise"))
        details.append(_part(f"people with {one.rater}", gap.with_other, 1.0, gap, "claim"))
        if (ties := one.measure_ties()) is not None:
            details.append(compare(f"ties of {one.rater} minus people's", ties, resampling))
    if not parts:
        raise Lacking(
            "Cohen's kappa is undefined: it needs pairs of answers that two people or more and the "
            "judge have decided, with more than one verdict among them."
        )
    return Claim(f"Cohen's kappa, {parts[0].name}", [*parts, *premises[:1]], details)


def _list_beside(study: Study) -> Iterator[Beside]:
    """People beside each judge, on the answers of the study's runs in the target language."""
    runs, code = [run.name for run in study.runs], study.target.code
    models = list(people.find_sheets(study.sheets, "model", code, runs))
    for sheet in people.find_sheets(study.sheets, "person", code, runs):
        yield from people.lay_beside(sheet, models)


def _explain_lacking(study: Study) -> str:
    wanted = (
        f"It needs people: speakers of {study.target.name} who each say, for some 200 open "
        "answers, which of two models' is better or that it is a tie, 40 or more of them seen by "
        "all; and a judge model asked the same, in both orders."
    )
    kinds = {one.kind for one in study.judgements}
    if "simulated" in kinds and "person" not in kinds:
        return f"{wanted} There are only SIMULATED raters so far."
    return wanted


def _part(
    name: str, value: tuple[float, float, float], p_value: float, gap: KappaGap, role: Role
) -> Part:
    refuted_below = AGREEMENT if role == "claim" else 0.0
    bounds = (1 - ALPHA, 0.0, None, refuted_below)
    return Part(name, Interval(*value), *bounds, p_value, gap.items, gap.items, role)


FINDINGS = [
    Claimed(
        "judges",
        6,
        "A judge model does not replace people",
        "Whether people agree more with each other than with the judge: Cohen's kappa, its mean "
        "over pairs of people minus its mean over people with the judge, on answers that two "
        f"people or more have compared and the judge, in both orders. Less than {AGREEMENT} "
        "counts as none.",
        judges,
    )
]
