"""A small grid: one alignment, two runs, and an evaluation of each."""

from ikusi.study.graph import Step

STEPS = [
    Step("data", "m:f"),
    Step("align/a", "m:f", ("data",)),
    Step("instruct/a-000", "m:f", ("align/a",)),
    Step("instruct/a-100", "m:f", ("align/a",)),
    Step("evaluate/a-000", "m:f", ("instruct/a-000",)),
    Step("evaluate/a-100", "m:f", ("instruct/a-100",)),
]
