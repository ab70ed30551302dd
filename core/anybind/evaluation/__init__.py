"""How good a binder is, measured on true pairs: retrieval, intervals, zero-shot classification.

Nothing here is normalised over the test batch: a score depends on its two rows alone.
"""

from anybind.evaluation.bootstrap import (
    Difference,
    bootstrap_intervals,
    paired_difference,
    student_t_quantile,
)
from anybind.evaluation.evaluate import Intervals, PairResult, Scorer, evaluate, share_of_oracle
from anybind.evaluation.zero_shot import MultilabelResult, ZeroShotResult, class_scores, multilabel, zero_shot

__all__ = [
    "Difference",
    "Intervals",
    "MultilabelResult",
    "PairResult",
    "Scorer",
    "ZeroShotResult",
    "bootstrap_intervals",
    "class_scores",
    "evaluate",
    "multilabel",
    "paired_difference",
    "share_of_oracle",
    "student_t_quantile",
    "zero_shot",
]
