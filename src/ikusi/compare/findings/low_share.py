"""20 % of the target language against 80 % and 100 % (finding 1)."""

from collections.abc import Sequence

from ikusi.compare import evidence
from ikusi.compare.claims import (
    LOW,
    MOST,
    WHOLE,
    Claim,
    Claimed,
    check_premise,
    close_ended,
    describe_backbones,
    explain_not_in_grid,
    find_conditions,
    list_details,
    list_models,
)
from ikusi.compare.evidence import MARGIN, Lacking, Pair, Part, Resampling, compare
from ikusi.compare.reading import Study


def low_share(study: Study, resampling: Resampling) -> Claim:
    """20 % of the target language against 80 % and 100 % (finding 1)."""
    code, benchmarks = study.target.code, close_ended(study)
    others = [share for share in (MOST, WHOLE) if share in study.shares]
    if not others:
        raise Lacking(explain_not_in_grid(study, [MOST, WHOLE]))
    text, backbones = find_conditions(study, [LOW, *others])
    few = list_models(study, backbones, LOW, text)
    many = {share: list_models(study, backbones, share, text) for share in others}

    def part(name: str, pairs: Sequence[Pair], names: Sequence[str]) -> Part:
        sample = evidence.measure_gaps(pairs, names, code)
        return compare(name, sample, resampling, above=-MARGIN, refuted_below=-MARGIN)

    against = {
        share: part(f"{LOW} % minus {share} %", list(zip(few, runs, strict=True)), benchmarks)
        for share, runs in many.items()
    }
    best, *rest = sorted(against, key=lambda share: against[share].difference.mean)
    pairs = list(zip(few, many[best], strict=True))
    details = list_details(study, pairs, backbones, benchmarks, code, resampling)
    none = list_models(study, backbones, 0, text)
    if len(none) == len(backbones):
        details.append(
            part(f"0 % minus {best} %", list(zip(none, many[best], strict=True)), benchmarks)
        )
    parts = [
        *(against[share] for share in (best, *rest)),
        check_premise(f"{best} % minus guessing", many[best], benchmarks, code, resampling),
    ]
    better = ", the better of the others" if rest else ""
    quantity = f"{LOW} % minus {best} %{better}, {describe_backbones(backbones, text)}"
    return Claim(quantity, parts, details)


FINDINGS = [
    Claimed(
        "low_share",
        1,
        "A low share of {target} pictures is enough",
        "Non-inferiority of {low} % {target} to the better of {most} % and {whole} %,"
        " in {target}, with a margin of {margin}; mean over the close-ended "
        "benchmarks.",
        low_share,
    )
]
