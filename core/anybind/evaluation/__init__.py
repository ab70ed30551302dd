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
from anybind.evaluation.leakage import leakage
from anybind.evaluation.leakage_report import Leakage
from anybind.evaluation.matrix import MatrixRow, PairedRows, evaluation_matrix, paired_rows
from anybind.evaluation.zero_shot import (
    MultilabelResult,
    ZeroShotResult,
    class_scores,
    classify,
    multilabel,
    prompts,
    zero_shot,
)

__all__ = [
    "Difference",
    "Intervals",
    "Leakage",
    "MatrixRow",
    "MultilabelResult",
    "PairResult",
    "PairedRows",
    "Scorer",
    "ZeroShotResult",
    "bootstrap_intervals",
    "class_scores",
    "classify",
    "evaluate",
    "evaluation_matrix",
    "leakage",
    "multilabel",
    "paired_difference",
    "paired_rows",
    "prompts",
    "share_of_oracle",
    "student_t_quantile",
    "zero_shot",
]
