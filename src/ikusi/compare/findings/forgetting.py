"""The cost, in the source language, of training without that language (finding 2)."""

from ikusi.compare import evidence
from ikusi.compare.claims import (
    MOST,
    WHOLE,
    Claim,
    Claimed,
    check_premise,
    close_ended,
    describe_backbones,
    find_conditions,
    list_details,
    list_models,
)
from ikusi.compare.evidence import Resampling, compare
from ikusi.compare.reading import Study


def forgetting(study: Study, resampling: Resampling) -> Claim:
    """The cost, in the source language, of training without that language (finding 2)."""
    code, benchmarks = study.source.code, close_ended(study)
    text, backbones = find_conditions(study, [MOST, WHOLE])
    some, none = (list_models(study, backbones, share, text) for share in (MOST, WHOLE))
    pairs = list(zip(some, none, strict=True))
    name = f"{MOST} % minus {WHOLE} %"
    part = compare(name, evidence.measure_gaps(pairs, benchmarks, code), resampling)
    seen = check_premise(f"{MOST} % minus guessing", some, benchmarks, code, resampling)
    details = list_details(study, pairs, backbones, benchmarks, code, resampling)
    return Claim(
        f"{name}, in {study.source.name}, {describe_backbones(backbones, text)}",
        [part, seen],
        details,
    )


FINDINGS = [
    Claimed(
        "forgetting",
        2,
        "A little {source} is needed to keep its {source}",
        "Whether {most} % {target} scores higher in {source} than {whole} %; mean "
        "over the close-ended benchmarks. Effects below {margin} count as none.",
        forgetting,
    )
]
