"""Judgements made up for tests: what they say is known, so figures are too."""

from collections.abc import Iterator, Sequence
from typing import Any

from ikusi.judgements import Judgement

MADE = "2026-11-28T10:00:00.000000Z"
PEOPLE = ("ane", "jon", "miren", "peru")


def validated(id: str, rater: str, verdict: str, **more: Any) -> Judgement:
    about = {"benchmark": "vqav2", "language": "eu", "task": "validate", "kind": "person"}
    given = {"id": id, "rater": rater, "verdict": verdict, "made": MADE}
    return Judgement.model_validate(about | given | more)


def compared(id: str, rater: str, winner: str, swapped: bool = False, **more: Any) -> Judgement:
    """`winner` is latxa, llama or a verdict; `swapped` shows llama's answer first."""
    left, right = ("llama", "latxa") if swapped else ("latxa", "llama")
    sides = {"left": more.pop("left", left), "right": more.pop("right", right)}
    verdict = {sides["left"]: "A", sides["right"]: "B"}.get(winner, winner)
    about = {"benchmark": "wildvision", "language": "eu", "task": "compare", "kind": "person"}
    given = {"id": id, "rater": rater, "verdict": verdict, "made": MADE}
    return Judgement.model_validate(about | given | sides | more)


def table_1(own: int, rejections: Sequence[int], **more: Any) -> Iterator[Judgement]:
    """20 shared items of four people, 20 own items of each, as in the paper.

    `own`: how many of the 80 own items are accepted. `rejections`: of each shared item.
    """
    for item, rejected in enumerate(rejections):
        for number, rater in enumerate(PEOPLE):
            verdict = "reject" if number < rejected else "accept"
            yield validated(f"shared-{item}", rater, verdict, **more)
    for item in range(80):
        verdict = "accept" if item < own else "reject"
        yield validated(f"own-{item}", PEOPLE[item % 4], verdict, **more)


def table_2() -> Iterator[Judgement]:
    """44 shared items of four people and 55 own items of each, 264: 61, 142 and 54, 7 undecided.

    A judge says 83, 97 and 84 of the same; it sees one half of the items the other way round.
    """
    ends = ["latxa"] * 61 + ["tie"] * 142 + ["llama"] * 54
    shared, own = ends[:37], ends[37:]
    for item, winner in enumerate(shared):
        others = ["tie", "llama", "latxa"]
        said = [winner, winner, winner, others[item % 3]]
        for rater, one in zip(PEOPLE, said, strict=True):
            yield compared(f"shared-{item}", rater, one, swapped=(item + len(rater)) % 2 == 0)
    for item in range(37, 44):
        for rater, one in zip(PEOPLE, ("latxa", "latxa", "llama", "tie"), strict=True):
            split = "tie" if one == "llama" and item % 2 else one
            yield compared(f"shared-{item}", rater, split)
    for item, winner in enumerate(own):
        yield compared(f"own-{item}", PEOPLE[item % 4], winner, swapped=item % 3 == 0)
    items = [f"shared-{item}" for item in range(44)] + [f"own-{item}" for item in range(220)]
    for item, winner in enumerate(["latxa"] * 83 + ["tie"] * 97 + ["llama"] * 84):
        yield compared(items[item], "gpt-5", winner, swapped=item % 2 == 0, kind="model")
