"""Whether adding the difference of two LLMs teaches a run the target language (finding 7)."""

from collections.abc import Iterator

from ikusi.compare import evidence
from ikusi.compare.claims import (
    Claim,
    Claimed,
    check_premise,
    close_ended,
    find_title,
)
from ikusi.compare.evidence import Lacking, Pair, Part, Resampling, compare
from ikusi.compare.reading import Study, Trained, to_percent
from ikusi.recipe import Merge, Run

FULL = 1.0
"""The weight that is tested where there is one: all of the difference. To test the weight that
scored best would be to choose by the very scores that decide."""


def merging(study: Study, resampling: Resampling) -> Claim:
    """Whether a merged model answers in the target language better than its run (finding 7)."""
    target, source, benchmarks = study.target, study.source, close_ended(study)
    merge, run = _find_merge(study)
    strengths: dict[float, Trained] = {
        weight: {None: one} for weight, one in study.list_strengths(merge)
    }
    weight = min(filter(None, strengths), key=lambda one: abs(one - FULL), default=None)
    if 0.0 not in strengths or weight is None:
        waiting = [name for name in study.missing if name.startswith(run.name)]
        raise Lacking(f"Not measured yet: {', '.join(waiting)}.")
    before, after = strengths[0.0], strengths[weight]

    def gap(name: str, pair: Pair, names: list[str], code: str) -> Part:
        return compare(name, evidence.measure_gaps([pair], names, code), resampling)

    name = f"{run.name} with {weight:g} times the difference, minus without"
    seen = check_premise(
        f"the run minus guessing, in {source.name}", [before], benchmarks, source.code, resampling
    )
    details = [
        gap(f"{find_title(study, one)}, {pack.name}", (after, before), [one], pack.code)
        for pack in study.languages
        for one in [*benchmarks, *study.text_only]
    ]
    details.append(gap(f"in {source.name}", (after, before), benchmarks, source.code))
    details += [
        gap(f"{other:g} times, in {pack.name}", (one, before), benchmarks, pack.code)
        for other, one in strengths.items()
        if other not in (0.0, weight)
        for pack in study.languages
    ]
    details += [
        gap(f"minus {percent} % {target.name}, in {pack.name}", (after, one), benchmarks, pack.code)
        for percent, one in _list_trained(study, run)
        for pack in study.languages
    ]
    part = gap(name, (after, before), benchmarks, target.code)
    # To gain and still only guess is not to answer in the language.
    levels = evidence.measure_levels([after], benchmarks, target.code, over_guessing=True)
    guess = compare(f"the merged model minus guessing, in {target.name}", levels, resampling)
    return Claim(f"{name}, in {target.name}", [part, guess, seen], details)


def _find_merge(study: Study) -> tuple[str, Run]:
    """The first merge of two models that saw no picture, into a run that saw none in the target
    language; and that run."""
    runs = {run.name: run for run in study.runs}
    for name, merge in study.recipe.merges.items():
        if runs[merge.run].ratio == 0 and _of_backbones(study, merge):
            return name, runs[merge.run]
    raise Lacking(
        f"The recipe has no merge of two backbones into a run without {study.target.name} pictures."
    )


def _of_backbones(study: Study, merge: Merge) -> bool:
    return {merge.plus, merge.minus} <= study.recipe.backbones.keys()


def _list_trained(study: Study, run: Run) -> Iterator[tuple[int, Trained]]:
    """The runs that differ from one in their share of the target language alone."""
    for other in study.runs:
        alike = (other.aligned, other.text_only) == (run.aligned, run.text_only)
        if alike and other.ratio and other.name in study.evaluations:
            yield to_percent(other.ratio), {None: study.evaluations[other.name]}


FINDINGS = [
    Claimed(
        "merging",
        7,
        "Without any {target} picture, adding what an LLM learnt gives answers in {target}",
        "Whether a run without {target} pictures scores higher in {target} once the "
        "difference of two LLMs is added to it, all of it or the weight nearest to that, and "
        "higher than guessing; mean over the close-ended benchmarks. Effects below {margin} count "
        "as none. Not of the paper; after vision-free adaptation (VFA, 2026.acl-long.407).",
        merging,
    )
]
