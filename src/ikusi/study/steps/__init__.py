"""The steps of a study: a file for each kind, with its settings beside its function.

A step's settings are a class, `Settings`: what of the recipe it depends on, which other steps it
needs, and what it reads besides. Its function is called in a worker process as
`function(output, context, settings)` and writes to `output`. These files load nothing heavy: a
study is laid out without torch, and a function imports what it needs when it is called.
"""

from ikusi.study.steps.encoding import Features, features
from ikusi.study.steps.evaluating import (
    Evaluate,
    EvaluateBackbone,
    evaluate,
    evaluate_backbone,
)
from ikusi.study.steps.merging import Merging, merge
from ikusi.study.steps.miniature import Data, data
from ikusi.study.steps.reporting import Report, report
from ikusi.study.steps.training import (
    Align,
    AlignRun,
    AlignSeeing,
    Instruct,
    InstructSeeing,
    align,
    align_run,
    align_seeing,
    instruct,
    instruct_seeing,
)

__all__ = [
    "Align",
    "AlignRun",
    "AlignSeeing",
    "Data",
    "Evaluate",
    "EvaluateBackbone",
    "Features",
    "Instruct",
    "InstructSeeing",
    "Merging",
    "Report",
    "align",
    "align_run",
    "align_seeing",
    "data",
    "evaluate",
    "evaluate_backbone",
    "features",
    "instruct",
    "instruct_seeing",
    "merge",
    "report",
]
