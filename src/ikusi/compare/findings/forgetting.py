"""What is lost in the source language without any of it (finding 2)."""

from ikusi.compare import evidence
from ikusi.compare.claims import (
    MOST,
    WHOLE,
    Claim,
    Claimed,
    close_ended,
    conditions,
    details_of,
    over,
    premise,
    runs_of,
)
from ikusi.compare.evidence import Resampling, compare
from ikusi.compare.reading import Study


def forgetting(study: Study, resampling: Resampling) -> Claim:
    """What is lost in the source language without any of it (finding 2)."""
    code, benchmarks = study.source.code, close_ended(study)
    text, backbones = conditions(study, [MOST, WHOLE])
    some, none = (runs_of(study, backbones, share, text) for share in (MOST, WHOLE))
    pairs = list(zip(some, none, strict=True))
    name = f"{MOST} % less {WHOLE} %"
    part = compare(name, evidence.gaps(pairs, benchmarks, code), resampling)
    seen = premise(f"{MOST} % less guessing", some, benchmarks, code, resampling)
    details = details_of(study, pairs, backbones, benchmarks, code, resampling)
    return Claim(f"{name}, in {study.source.name}, {over(backbones, text)}", [part, seen], details)


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
