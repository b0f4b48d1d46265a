"""All figures of a table of judgements."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ikusi.judgements.acceptance import Acceptance, count_acceptance
from ikusi.judgements.judgement import Judgement
from ikusi.judgements.people_and_judge import Compared, compare_with_judges
from ikusi.judgements.preferences import Preference, Ranking, count_preferences, rank_models
from ikusi.judgements.sheets import Sheet, keep_latest, lay_out_sheets


@dataclass(frozen=True)
class Figures:
    """All figures of a table of judgements.

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
    counted = keep_latest(judgements)
    sheets = lay_out_sheets(counted)
    compared = [sheet for sheet in sheets if sheet.task == "compare"]
    kinds = Counter(vote.kind for vote in counted.verdicts)
    return Figures(
        counted.rows,
        counted.replaced,
        dict(sorted(kinds.items())),
        [count_acceptance(sheet, resamples, seed) for sheet in sheets if _alone(sheet)],
        count_preferences(compared, resamples, seed),
        rank_models(compared, resamples, seed),
        compare_with_judges(sheets, resamples, seed),
    )


def _alone(sheet: Sheet) -> bool:
    return not sheet.models
