"""The gain in answers about pictures from text-only rows (finding 4)."""

from ikusi.compare import evidence
from ikusi.compare.claims import (
    Claim,
    Claimed,
    check_premise,
    close_ended,
    list_details,
    pair_runs,
)
from ikusi.compare.evidence import Resampling, compare
from ikusi.compare.reading import Study


def text_helps_sight(study: Study, resampling: Resampling) -> Claim:
    """The gain in answers about pictures from text-only rows (finding 4)."""
    code, benchmarks = study.target.code, close_ended(study)
    keyed = pair_runs(study, study.shares)
    first = [(key, pair) for key, pair in keyed if key[1] == 0]
    chosen = first or keyed
    pairs = [pair for _, pair in chosen]
    name = "with text-only rows minus without" + (" at 0 %" if first else "")
    part = compare(name, evidence.measure_gaps(pairs, benchmarks, code), resampling)
    # Where text-only rows are all a run knows of the target language, it must at least see.
    seen_in = study.source if first else study.target
    seen = check_premise(
        f"the runs without text-only rows minus guessing, in {seen_in.name}",
        [without for _, without in pairs],
        benchmarks,
        seen_in.code,
        resampling,
    )
    backbones = [backbone for (backbone, _), _ in chosen]
    details = list_details(study, pairs, backbones, benchmarks, code, resampling)
    if first and len(keyed) > len(first):
        every = evidence.measure_gaps([pair for _, pair in keyed], benchmarks, code)
        details.append(compare("over all shares", every, resampling))
    return Claim(f"{name}, in {study.target.name}", [part, seen], details)


FINDINGS = [
    Claimed(
        "text_helps_sight",
        4,
        "Text-only rows improve answers about pictures",
        "Whether text-only rows raise the scores in {target} of runs without any "
        "{target} pictures; mean over the close-ended benchmarks. Effects below "
        "{margin} count as none.",
        text_helps_sight,
    )
]
