"""The paper's findings as claims that data can refute (arXiv 2511.09396, section 5), a file each.

A module here that has `FINDINGS` adds those; nothing else needs to know.

Each becomes one or more paired comparisons that must all hold (an intersection-union test), with
Holm's correction over the findings that are tested. Four verdicts:

* supported: every comparison holds after correction, and every premise;
* not supported: an interval lies wholly on the side that speaks against the claim;
* inconclusive: neither, or a premise fails (two models that both guess are alike for no reason),
  or there are too few pictures;
* not tested: the study lacks the runs, or, for the last, people's judgements.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ikusi import catalogue
from ikusi.compare import evidence
from ikusi.compare.claims import Claimed
from ikusi.compare.evidence import ALPHA, MARGIN, PREFERENCE, Lacking, Part, Resampling
from ikusi.compare.reading import Study
from ikusi.statistics import FEWEST, holm

Verdict = Literal["supported", "not supported", "inconclusive", "not tested"]


@dataclass(frozen=True)
class Finding:
    """One finding: what the paper says, how it was tested here, what came out.

    ``parts`` decide, the first of them gives the estimate; ``details`` are the same comparisons
    by benchmark and backbone, which decide nothing and are not corrected for their number.
    ``note`` is what ``why`` ends with, once the comparisons can decide.
    """

    number: int
    title: str
    test: str
    verdict: Verdict
    why: str
    quantity: str = ""
    parts: tuple[Part, ...] = ()
    details: tuple[Part, ...] = ()
    note: str = ""
    adjusted: float | None = None

    @property
    def headline(self) -> Part | None:
        """The comparison whose estimate stands for the finding."""
        return self.parts[0] if self.parts else None

    @property
    def p_value(self) -> float | None:
        """The largest p-value of the comparisons that must all hold; none where not tested."""
        return max((part.p_value for part in self.parts if part.role == "claim"), default=None)


REGISTRY: catalogue.Modules[Claimed] = catalogue.Modules(__name__, "FINDINGS", "finding")


def examine(study: Study) -> list[Finding]:
    """Test the findings on what a study has measured so far."""
    resampling = Resampling(max(study.recipe.bootstrap, evidence.RESAMPLES), study.recipe.seed)
    asked = sorted(REGISTRY.every.values(), key=lambda claimed: claimed.number)
    gathered = [_gather(claimed, study, resampling) for claimed in asked]
    tested = [finding for finding in gathered if finding.verdict != "not tested"]
    adjusted = holm([finding.p_value or 0.0 for finding in tested])
    concluded = {
        finding.number: _conclude(finding, p) for finding, p in zip(tested, adjusted, strict=True)
    }
    return [concluded.get(finding.number, finding) for finding in gathered]


def _gather(claimed: Claimed, study: Study, resampling: Resampling) -> Finding:
    number, (title, test) = claimed.number, claimed.write_words(study)
    try:
        claim = claimed.gather(study, resampling)
    except Lacking as reason:
        return Finding(number, title, test, "not tested", str(reason))
    parts, details = tuple(claim.parts), tuple(claim.details)
    quantity, note = claim.quantity, claim.note
    return Finding(number, title, test, "inconclusive", "", quantity, parts, details, note)


def _conclude(finding: Finding, adjusted: float) -> Finding:
    failed = [part for part in finding.parts if part.role == "premise" and not part.holds]
    refuted = [part for part in finding.parts if part.refuted]
    claims_ = [part for part in finding.parts if part.role == "claim"]
    verdict: Verdict = "inconclusive"
    fewest = min(part.pictures for part in finding.parts)
    if fewest < FEWEST:
        why = f"{fewest} pictures are too few: an interval needs {FEWEST} to be trusted."
    elif failed:
        why = f"A premise is not shown. {_describe(failed[0], finding)}."
    elif adjusted < ALPHA:
        verdict, why = "supported", ". ".join(_describe(part, finding) for part in claims_) + "."
    elif refuted:
        verdict, why = "not supported", f"{_describe(refuted[0], finding)}."
    else:
        worst = max(claims_, key=lambda part: part.p_value)
        why = f"Too little evidence either way. {_describe(worst, finding)}."
        if worst.holds:
            why += f" That does not outlast the correction for several tests: p = {adjusted:.3f}."
    if finding.note and fewest >= FEWEST and not failed:
        why += f" {finding.note}"
    return replace(finding, verdict=verdict, why=why, adjusted=adjusted)


def _describe(part: Part, finding: Finding) -> str:
    """Say where the interval of a comparison lies; with its numbers, unless it is the headline."""
    low, high = format_signed(part.difference.low), format_signed(part.difference.high)
    level = f"{part.confidence * 100:.0f} %"
    subject = "The interval" if part is finding.headline else f"The {level} interval of {part.name}"
    numbers = "" if part is finding.headline else f", {low} to {high},"
    return f"{subject}{numbers} {_place(part)}"


def _place(part: Part) -> str:
    """Say where an interval lies relative to the bounds that the claim needs."""
    above, low, high = part.above, part.difference.low, part.difference.high
    if part.below is not None and part.holds:
        return (
            f"lies between {format_bound(above)} and {format_bound(part.below)}, within the margin"
        )
    if part.holds:
        return f"lies above {_name_part(above)}"
    if part.below is not None and low > part.below:
        return f"lies above {_name_part(part.below)}"
    if high < part.refuted_below:
        return f"lies below {_name_part(part.refuted_below)}"
    return f"contains {_name_part(above if low <= above or part.below is None else part.below)}"


def _name_part(value: float) -> str:
    return format_bound(value) + (", the margin" if abs(value) in (MARGIN, PREFERENCE) else "")


def format_signed(value: float) -> str:
    """A difference with its sign, as print sets it."""
    return f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")


def format_p_value(value: float) -> str:
    """A p-value as print sets it."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def format_bound(value: float) -> str:
    """A bound of a claim, as briefly as it was set."""
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")


def count_verdicts(findings: Sequence[Finding]) -> Iterator[tuple[Verdict, int]]:
    """Yield each verdict and the number of findings with it, in a fixed order."""
    order: tuple[Verdict, ...] = ("supported", "not supported", "inconclusive", "not tested")
    for verdict in order:
        yield verdict, sum(finding.verdict == verdict for finding in findings)
