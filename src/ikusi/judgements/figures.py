"""All figures of a table of judgements."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ikusi.judgements.acceptance import Acceptance, acceptance
from ikusi.judgements.judgement import Judgement
from ikusi.judgements.people_and_judge import Compared, compare_with_judges
from ikusi.judgements.preferences import Preference, Ranking, preferences, rankings
from ikusi.judgements.sheets import Sheet, latest, sheets


@dataclass(frozen=True)
class Figures:
    """What a table of judgements says.

    ``rows`` were read; ``replaced`` of them by a later word of the same rater; ``kinds`` counts the
    others by kind of rater.
    """

    rows: int
    replaced: int
    kinds: dict[str, int]
    table_1: Sequence[Acceptance]
    table_2: Sequence[Preference]
    rankings: Sequence[Ranking]
    judges: Sequence[Compared]

    @property
    def simulated(self) -> bool:
        """Whether any rater is simulated."""
        return "simulated" in self.kinds


def compute(judgements: Iterable[Judgement], resamples: int = 1000, seed: int = 0) -> Figures:
    """Compute every figure of the judgements that count.

    Args:
        judgements: in the order of their table.
        resamples: of items, for intervals of agreement and strengths.
        seed: of the resamples.
    """
    counted = latest(judgements)
    found = sheets(counted)
    compared = [sheet for sheet in found if sheet.task == "compare"]
    kinds = Counter(vote.kind for vote in counted.verdicts)
    return Figures(
        counted.rows,
        counted.replaced,
        dict(sorted(kinds.items())),
        [acceptance(sheet, resamples, seed) for sheet in found if _alone(sheet)],
        preferences(compared, resamples, seed),
        rankings(compared, resamples, seed),
        compare_with_judges(found, resamples, seed),
    )


def _alone(sheet: Sheet) -> bool:
    return not sheet.models
