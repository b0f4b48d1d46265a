"""The loss of skill on text alone, and how far text-only rows prevent it (finding 3)."""

from ikusi.compare import evidence
from ikusi.compare.claims import Claim, Claimed, check_premise, join_titles, pair_runs
from ikusi.compare.evidence import Lacking, Resampling, compare
from ikusi.compare.reading import Study, Trained


def text_loss(study: Study, resampling: Resampling) -> Claim:
    """The loss of skill on text alone, and how far text-only rows prevent it (finding 3)."""
    code, names = study.target.code, study.text_only
    if not names:
        raise Lacking("The recipe has no text-only benchmark.")
    keyed = pair_runs(study, study.shares)
    keyed = [(key, pair) for key, pair in keyed if key[0] in study.backbones]
    if not keyed:
        raise Lacking("The bare backbones are not measured yet.")
    pairs = [pair for _, pair in keyed]
    bare: list[Trained] = [{None: study.backbones[backbone]} for (backbone, _), _ in keyed]
    lost = [(before, plain) for before, (_, plain) in zip(bare, pairs, strict=True)]
    name = "with text-only rows minus without"
    parts = [
        compare(name, evidence.measure_gaps(pairs, names, code), resampling),
        compare(
            "the backbone minus the runs without text-only rows",
            evidence.measure_gaps(lost, names, code),
            resampling,
            refuted_below=0.0,
        ),
        check_premise("the backbones minus guessing", bare, names, code, resampling),
    ]
    details = [
        compare(f"{backbone}, {share} %", evidence.measure_gaps([pair], names, code), resampling)
        for (backbone, share), pair in keyed
    ]
    quantity = f"{name}, {join_titles(study, names)} in {study.target.name}"
    return Claim(quantity, parts, details)


FINDINGS = [
    Claimed(
        "text_loss",
        3,
        "Text-only rows reduce the loss on text",
        "Whether the backbone lost on the text-only benchmark in {target} by learning"
        " to see, and whether runs with text-only rows lost less; mean over shares "
        "and backbones.",
        text_loss,
    )
]
