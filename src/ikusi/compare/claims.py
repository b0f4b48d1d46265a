"""The comparisons behind each finding: which runs, which benchmarks, which language.

Where the paper compares runs without text-only rows, so does this, if there are such runs.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

from ikusi.compare import evidence
from ikusi.compare.evidence import MARGIN, Pair, Part, Resampling, compare
from ikusi.compare.reading import Evaluation, Study, percent

LOW, MOST, WHOLE = 20, 80, 100  # percent of rows in the target language, as in the paper


class Claim(NamedTuple):
    """What decides a finding: ``parts``, all of which must hold, the first giving the estimate."""

    quantity: str
    parts: Sequence[Part]
    details: Sequence[Part]


class Lacking(Exception):  # noqa: N818 - not an error, an answer
    """Why a finding cannot be tested."""


def low_share(study: Study, resampling: Resampling) -> Claim:
    """20 % of the target language against 80 % and 100 % (finding 1)."""
    code, benchmarks = study.target.code, _close_ended(study)
    others = [share for share in (MOST, WHOLE) if share in study.shares]
    if not others:
        raise Lacking(_not_in_grid(study, [MOST, WHOLE]))
    text, backbones = _conditions(study, [LOW, *others])
    few = _runs(study, backbones, LOW, text)
    many = {share: _runs(study, backbones, share, text) for share in others}

    def part(name: str, pairs: Sequence[Pair], names: Sequence[str]) -> Part:
        sample = evidence.gaps(pairs, names, code)
        return compare(name, sample, resampling, above=-MARGIN, refuted_below=-MARGIN)

    against = {
        share: part(f"{LOW} % less {share} %", list(zip(few, runs, strict=True)), benchmarks)
        for share, runs in many.items()
    }
    best, *rest = sorted(against, key=lambda share: against[share].difference.mean)
    pairs = list(zip(few, many[best], strict=True))
    details = _details(study, pairs, backbones, benchmarks, code, resampling)
    none = _runs(study, backbones, 0, text)
    if len(none) == len(backbones):
        details.append(
            part(f"0 % less {best} %", list(zip(none, many[best], strict=True)), benchmarks)
        )
    parts = [
        *(against[share] for share in (best, *rest)),
        _premise(f"{best} % less guessing", many[best], benchmarks, code, resampling),
    ]
    better = ", the better of the others" if rest else ""
    quantity = f"{LOW} % less {best} %{better}, {_over(backbones, text)}"
    return Claim(quantity, parts, details)


def forgetting(study: Study, resampling: Resampling) -> Claim:
    """What is lost in the source language without any of it (finding 2)."""
    code, benchmarks = study.source.code, _close_ended(study)
    text, backbones = _conditions(study, [MOST, WHOLE])
    some, none = (_runs(study, backbones, share, text) for share in (MOST, WHOLE))
    pairs = list(zip(some, none, strict=True))
    name = f"{MOST} % less {WHOLE} %"
    part = compare(name, evidence.gaps(pairs, benchmarks, code), resampling)
    premise = _premise(f"{MOST} % less guessing", some, benchmarks, code, resampling)
    details = _details(study, pairs, backbones, benchmarks, code, resampling)
    return Claim(
        f"{name}, in {study.source.name}, {_over(backbones, text)}", [part, premise], details
    )


def text_loss(study: Study, resampling: Resampling) -> Claim:
    """What text-only rows save of the skill on text alone (finding 3)."""
    code, names = study.target.code, study.text_only
    if not names:
        raise Lacking("The recipe has no text-only benchmark.")
    found = _with_and_without(study, study.shares)
    found = [(key, pair) for key, pair in found if key[0] in study.backbones]
    if not found:
        raise Lacking("The bare backbones are not measured yet.")
    pairs = [pair for _, pair in found]
    bare = [study.backbones[backbone] for (backbone, _), _ in found]
    lost = [(before, plain) for before, (_, plain) in zip(bare, pairs, strict=True)]
    name = "with text-only rows less without"
    parts = [
        compare(name, evidence.gaps(pairs, names, code), resampling),
        compare(
            "the backbone less the runs without text-only rows",
            evidence.gaps(lost, names, code),
            resampling,
            refuted_below=0.0,
        ),
        _premise("the backbones less guessing", bare, names, code, resampling),
    ]
    details = [
        compare(f"{backbone}, {share} %", evidence.gaps([pair], names, code), resampling)
        for (backbone, share), pair in found
    ]
    quantity = f"{name}, {_titles(study, names)} in {study.target.name}"
    return Claim(quantity, parts, details)


def text_helps_sight(study: Study, resampling: Resampling) -> Claim:
    """What text-only rows add to answers about pictures (finding 4)."""
    code, benchmarks = study.target.code, _close_ended(study)
    found = _with_and_without(study, study.shares)
    first = [(key, pair) for key, pair in found if key[1] == 0]
    chosen = first or found
    pairs = [pair for _, pair in chosen]
    name = "with text-only rows less without" + (" at 0 %" if first else "")
    part = compare(name, evidence.gaps(pairs, benchmarks, code), resampling)
    # Where text-only rows are all a run knows of the target language, it must at least see.
    seen_in = study.source if first else study.target
    premise = _premise(
        f"the runs without text-only rows less guessing, in {seen_in.name}",
        [without for _, without in pairs],
        benchmarks,
        seen_in.code,
        resampling,
    )
    backbones = [backbone for (backbone, _), _ in chosen]
    details = _details(study, pairs, backbones, benchmarks, code, resampling)
    if first and len(found) > len(first):
        every = evidence.gaps([pair for _, pair in found], benchmarks, code)
        details.append(compare("over all shares", every, resampling))
    return Claim(f"{name}, in {study.target.name}", [part, premise], details)


def backbones(study: Study, resampling: Resampling) -> Claim:
    """Whether it matters which backbone one starts from (finding 5)."""
    code = study.target.code
    if len(study.recipe.grid.backbones) < 2:
        raise Lacking("The recipe's grid has one backbone; this compares two.")
    text, backbones = _conditions(study, [MOST], prefer_text=True)
    if len(backbones) < 2:
        raise Lacking(_not_measured(study, [MOST]))
    runs = _runs(study, backbones, MOST, text)
    parts: list[Part] = []
    premises: list[Part] = []
    details: list[Part] = []
    for label, names in (("close-ended", study.close_ended), ("open", study.open_ended)):
        if not names:
            continue
        for (one, a), (other, b) in combinations(zip(backbones, runs, strict=True), 2):
            name = f"{one} less {other}, {label}"
            sample = evidence.gaps([(a, b)], names, code)
            parts.append(evidence.equivalent(name, sample, resampling))
            details += [
                compare(
                    f"{one} less {other}, {_title(study, bench)}",
                    evidence.gaps([(a, b)], [bench], code),
                    resampling,
                )
                for bench in names
                if len(names) > 1
            ]
        premises.append(_premise(f"the runs less guessing, {label}", runs, names, code, resampling))
    if not parts:
        raise Lacking("The recipe has no benchmark with pictures.")
    quantity = f"{parts[0].name}, at {MOST} % {_rows(text)}"
    return Claim(quantity, [*parts, *premises], details)


def _conditions(
    study: Study, shares: Sequence[int], prefer_text: bool = False
) -> tuple[bool, list[str]]:
    """The backbones that have all these shares, without text-only rows if there are such."""
    lacking = [share for share in shares if share not in study.shares]
    if lacking:
        raise Lacking(_not_in_grid(study, lacking))
    for text in sorted(set(study.recipe.grid.text_only), reverse=prefer_text):
        backbones = [
            name
            for name in study.recipe.grid.backbones
            if all(study.evaluation(name, share, text) for share in shares)
        ]
        if backbones:
            return text, backbones
    raise Lacking(_not_measured(study, shares))


def _with_and_without(study: Study, shares: Sequence[int]) -> list[tuple[tuple[str, int], Pair]]:
    """Pairs of runs that differ in the text-only rows alone, by backbone and share."""
    if len(study.recipe.grid.text_only) < 2:
        raise Lacking("The recipe's grid does not have runs both with and without text-only rows.")
    found = []
    for backbone in study.recipe.grid.backbones:
        for share in shares:
            with_text = study.evaluation(backbone, share, True)
            without = study.evaluation(backbone, share, False)
            if with_text and without:
                found.append(((backbone, share), (with_text, without)))
    if not found:
        raise Lacking(_not_measured(study, shares))
    return found


def _runs(study: Study, backbones: Sequence[str], share: int, text: bool) -> list[Evaluation]:
    found = (study.evaluation(name, share, text) for name in backbones)
    return [one for one in found if one is not None]


def _close_ended(study: Study) -> list[str]:
    if not study.close_ended:
        raise Lacking("The recipe has no close-ended benchmark with pictures.")
    return study.close_ended


def _premise(
    name: str, runs: Sequence[Evaluation], names: Sequence[str], code: str, resampling: Resampling
) -> Part:
    sample = evidence.levels(runs, names, code, over_guessing=True)
    return compare(name, sample, resampling, role="premise")


def _details(
    study: Study,
    pairs: Sequence[Pair],
    backbones: Sequence[str],
    benchmarks: Sequence[str],
    code: str,
    resampling: Resampling,
) -> list[Part]:
    """The same comparison by benchmark, and by backbone, where there are several."""

    def by(label: str, some: Sequence[Pair], names: Sequence[str]) -> Part:
        return compare(label, evidence.gaps(some, names, code), resampling)

    details = [by(_title(study, one), pairs, [one]) for one in benchmarks]
    known = list(dict.fromkeys(backbones))
    for backbone in known if len(known) > 1 else []:
        own = [pair for pair, its in zip(pairs, backbones, strict=True) if its == backbone]
        details.append(by(backbone, own, benchmarks))
    return details


def _title(study: Study, name: str) -> str:
    return study.benchmarks[name].title


def _titles(study: Study, names: Sequence[str]) -> str:
    return ", ".join(_title(study, name) for name in names)


def _over(backbones: Sequence[str], text: bool) -> str:
    named = " and ".join(backbones) if len(backbones) < 3 else ", ".join(backbones)
    return f"{named} {_rows(text)}"


def _rows(text: bool) -> str:
    return f"{'with' if text else 'without'} text-only rows"


def _not_in_grid(study: Study, shares: Sequence[int]) -> str:
    told = " or ".join(f"{share} %" for share in shares)
    return f"The recipe's grid has no runs with {told} {study.target.name}."


def _not_measured(study: Study, shares: Sequence[int]) -> str:
    wanted = {run.name for run in study.runs if percent(run.ratio) in shares}
    names = [name for name in study.missing if name in wanted]
    return f"Not measured yet: {', '.join(names)}."
