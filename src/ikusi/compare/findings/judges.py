"""Whether a judge model can stand for people (finding 6), which this version cannot test."""

from typing import NoReturn

from ikusi.compare.claims import Claimed, Lacking
from ikusi.compare.evidence import Resampling
from ikusi.compare.reading import Study


def judges(study: Study, resampling: Resampling) -> NoReturn:
    """Say what it takes."""
    raise Lacking(
        f"It needs people: speakers of {study.target.name} who each say, for some 200 open "
        "answers, which of two models' is better or that it is a tie, 40 or more of them seen by "
        "all; and a judge model asked the same, in both orders."
    )


FINDINGS = [
    Claimed(
        "judges",
        6,
        "A judge model does not replace people",
        "Agreement of a judge model with speakers who compare two models' open answers: Cohen's "
        "kappa with its interval, and the share of ties each gives.",
        judges,
    )
]
