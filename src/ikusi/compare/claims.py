"""Parts of the comparisons behind a finding: runs, benchmarks, backbones.

Where the paper compares runs without text-only rows, so does this, if there are such runs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ikusi.compare import evidence
from ikusi.compare.evidence import MARGIN, Lacking, Pair, Part, Resampling, compare
from ikusi.compare.reading import Study, Trained, to_percent
from ikusi.recipe.backbones import list_read

LOW, MOST, WHOLE = 20, 80, 100  # percent of rows in the target language, as in the paper


class Claim(NamedTuple):
    """The comparisons that decide a finding: all ``parts`` must hold; the first gives the
    estimate. ``note`` says what else they show, where they can be decided by."""

    quantity: str
    parts: Sequence[Part]
    details: Sequence[Part]
    note: str = ""


@dataclass(frozen=True)
class Claimed:
    """A claim of the paper, put so that data can refute it.

    Attributes:
        name: what it is found by.
        number: its place in the report, that of the paper.
        title: the claim; `{target}` and `{source}` stand for the languages.
        test: how it is tested; also `{low}`, `{most}`, `{whole}`, shares of the target language in
            percent, and `{margin}`.
        gather: compares what decides it; raises `Lacking` where a study cannot decide it.
    """

    name: str
    number: int
    title: str
    test: str
    gather: Callable[[Study, Resampling], Claim]

    def write_words(self, study: Study) -> tuple[str, str]:
        """Title and test, in the words of a study."""
        languages = {"target": study.target.name, "source": study.source.name}
        shares = {"low": LOW, "most": MOST, "whole": WHOLE}
        title = self.title.format(**languages)
        return title, self.test.format(**languages, **shares, margin=MARGIN)


def find_conditions(
    study: Study, shares: Sequence[int], prefer_text: bool = False
) -> tuple[bool, list[str]]:
    """The backbones that have all these shares under some seed, without text-only rows if there
    are such."""
    lacking = [share for share in shares if share not in study.shares]
    if lacking:
        raise Lacking(explain_not_in_grid(study, lacking))
    for text in sorted(set(study.recipe.grid.text_only), reverse=prefer_text):
        backbones = [
            name
            for name in study.recipe.grid.backbones
            if _share_seed([study.find_trained(name, share, text) for share in shares])
        ]
        if backbones:
            return text, backbones
    raise Lacking(explain_not_measured(study, shares))


def pair_runs(study: Study, shares: Sequence[int]) -> list[tuple[tuple[str, int], Pair]]:
    """Pairs of runs that differ in the text-only rows alone, by backbone and share."""
    if len(study.recipe.grid.text_only) < 2:
        raise Lacking("The recipe's grid does not have runs both with and without text-only rows.")
    pairs = []
    for backbone in study.recipe.grid.backbones:
        for share in shares:
            with_text = study.find_trained(backbone, share, True)
            without = study.find_trained(backbone, share, False)
            if _share_seed([with_text, without]):
                pairs.append(((backbone, share), (with_text, without)))
    if not pairs:
        raise Lacking(explain_not_measured(study, shares))
    return pairs


def _share_seed(models: Sequence[Trained]) -> bool:
    """Whether some seed is that of a run of each."""
    return bool(set.intersection(*(set(one) for one in models)))


def list_models(study: Study, backbones: Sequence[str], share: int, text: bool) -> list[Trained]:
    """The models of these backbones with a share, as far as they are measured."""
    models = (study.find_trained(name, share, text) for name in backbones)
    return [one for one in models if one]


def list_fullest(study: Study, text: bool) -> list[str]:
    """The backbones that have the most shares, all the same ones: a mean over others would differ
    from share to share by who is in it."""
    of = {
        name: {share for share in study.shares if study.find_trained(name, share, text)}
        for name in study.recipe.grid.backbones
    }
    most = max(of.values(), key=len, default=set())
    return [name for name, shares in of.items() if shares >= most and shares]


def find_dial(study: Study) -> dict[str, float]:
    """The share of text in the target language that each backbone had read, in rising order, where
    three or more shares make a curve; else empty."""
    known = list_read(study.recipe.backbones, study.recipe.grid.backbones)
    return known if len(set(known.values())) > 2 else {}


def close_ended(study: Study) -> list[str]:
    """Benchmarks about pictures with right and wrong answers.

    Raises:
        Lacking: there is none.
    """
    if not study.close_ended:
        raise Lacking("The recipe has no close-ended benchmark with pictures.")
    return study.close_ended


def check_premise(
    name: str, models: Sequence[Trained], names: Sequence[str], code: str, resampling: Resampling
) -> Part:
    """Test that models score above guessing: if not, a comparison of them shows nothing.

    Args:
        name: of the comparison, in tables.
        models: scores are averaged over them.
        names: of the benchmarks.
        code: of the language.
        resampling: of the interval.
    """
    sample = evidence.measure_levels(models, names, code, over_guessing=True)
    return compare(name, sample, resampling, role="premise")


def list_details(
    study: Study,
    pairs: Sequence[Pair],
    backbones: Sequence[str],
    benchmarks: Sequence[str],
    code: str,
    resampling: Resampling,
) -> list[Part]:
    """The comparison of a finding once more for each benchmark, and for each backbone of several.

    Args:
        study: for the benchmarks' titles.
        pairs: of runs.
        backbones: that of each pair, in the same order.
        benchmarks: their names.
        code: of the language.
        resampling: of the intervals.
    """

    def by(label: str, some: Sequence[Pair], names: Sequence[str]) -> Part:
        return compare(label, evidence.measure_gaps(some, names, code), resampling)

    details = [by(find_title(study, one), pairs, [one]) for one in benchmarks]
    known = list(dict.fromkeys(backbones))
    for backbone in known if len(known) > 1 else []:
        own = [pair for pair, its in zip(pairs, backbones, strict=True) if its == backbone]
        details.append(by(backbone, own, benchmarks))
    return details


def find_title(study: Study, name: str) -> str:
    """The title of a benchmark in the report."""
    return study.benchmarks[name].title


def join_titles(study: Study, names: Sequence[str]) -> str:
    """The titles of some benchmarks, joined."""
    return ", ".join(find_title(study, name) for name in names)


def describe_backbones(backbones: Sequence[str], text: bool) -> str:
    """Over which backbones a mean is taken, with or without text-only rows."""
    named = " and ".join(backbones) if len(backbones) < 3 else ", ".join(backbones)
    return f"{named} {describe_condition(text)}"


def describe_condition(text: bool) -> str:
    """With or without text-only rows."""
    return f"{'with' if text else 'without'} text-only rows"


def explain_not_in_grid(study: Study, shares: Sequence[int]) -> str:
    """Explain why a study cannot decide: none of its runs has one of these shares."""
    wanted = " or ".join(f"{share} %" for share in shares)
    return f"The recipe's grid has no runs with {wanted} {study.target.name}."


def explain_not_measured(study: Study, shares: Sequence[int]) -> str:
    """Explain why a study cannot decide yet: which of its runs wait to be measured; or that its
    grid leaves out what it would compare."""
    wanted = {run.name for run in study.runs if to_percent(run.ratio) in shares}
    names = [name for name in study.missing if name in wanted]
    if not names:
        return "The recipe's grid leaves out runs that this compares (grid.exclude)."
    return f"Not measured yet: {', '.join(names)}."
