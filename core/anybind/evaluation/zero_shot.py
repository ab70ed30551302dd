"""Zero-shot classification: items scored against classes that are given by prompts or prototypes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from anybind.errors import EvaluationError, ShapeError
from anybind.retrieval import ROUNDING, average_precision, ranks_from_scores
from anybind.retrieval_metrics import chance_average_precision, chance_metrics


@dataclass(frozen=True)
class ZeroShotResult:
    """One class per item; shares are fractions of 1.

    Attributes:
        n_items: Number of classified items.
        n_classes: Number of classes that were offered.
        accuracy: k -> share of items whose class has rank <= k; ties count half, as in retrieval.
        mean_class_accuracy: Top-1 accuracy averaged over the classes that have items.
        chance: k -> what a random order gives; chance[1] is also that of mean_class_accuracy.
    """

    n_items: int
    n_classes: int
    accuracy: Mapping[int, float]
    mean_class_accuracy: float
    chance: Mapping[int, float]

    def to_dict(self) -> dict[str, Any]:
        """The result as plain JSON values; keys of accuracy and chance are strings."""
        return {
            "n_items": self.n_items,
            "n_classes": self.n_classes,
            "accuracy": {str(k): share for k, share in self.accuracy.items()},
            "mean_class_accuracy": self.mean_class_accuracy,
            "chance": {str(k): share for k, share in self.chance.items()},
        }


@dataclass(frozen=True)
class MultilabelResult:
    """Any number of classes per item; shares are fractions of 1.

    Attributes:
        n_items: Number of items.
        n_classes: Number of classes that have items, over which ``map`` averages.
        map: Mean over these classes of the average precision with which a class ranks the items.
        per_class: Class index -> its average precision; classes without items are absent.
        chance: What random orders give, exact.
    """

    n_items: int
    n_classes: int
    map: float
    per_class: Mapping[int, float]
    chance: float

    def to_dict(self) -> dict[str, Any]:
        """The result as plain JSON values; keys of per_class are strings."""
        return {
            "n_items": self.n_items,
            "n_classes": self.n_classes,
            "map": self.map,
            "per_class": {str(label): value for label, value in self.per_class.items()},
            "chance": self.chance,
        }


def class_scores(scores: torch.Tensor, prompt_classes: torch.Tensor, n_classes: int) -> torch.Tensor:
    """Scores against classes from scores against several prompts (or prototypes) per class: their mean.

    Args:
        scores: (n_items, n_prompts) float.
        prompt_classes: (n_prompts,) integers in [0, n_classes), the class each prompt describes.
        n_classes: Number of classes; each needs a prompt.

    Returns:
        (n_items, n_classes), dtype of scores.

    Raises:
        ShapeError, EvaluationError: shapes do not fit, or a class has no prompt.
    """
    if scores.ndim != 2:
        raise ShapeError("The score matrix must have two dimensions.", got=tuple(scores.shape))
    labels = _checked_labels(prompt_classes, scores.shape[1], n_classes)
    counts = torch.bincount(labels, minlength=n_classes)
    if not bool(counts.all()):
        missing = torch.nonzero(counts == 0).flatten().tolist()
        raise EvaluationError("Every class needs a prompt.", where=f"class {missing[0]}",
                              got=f"{len(missing)} classes without one")
    average = torch.nn.functional.one_hot(labels, n_classes) / counts
    return scores @ average.to(scores)


def zero_shot(scores: torch.Tensor, labels: torch.Tensor, ks: Sequence[int] = (1, 5)) -> ZeroShotResult:
    """Accuracy of picking each item's class among all classes.

    Args:
        scores: (n_items, n_classes) finite; higher means likelier.
        labels: (n_items,) integers in [0, n_classes).
        ks: The cut-offs of top-k accuracy.

    Raises:
        ShapeError: the shapes do not fit, or there is no item.
        EvaluationError: a score is NaN or infinite, a label is out of range, or there is one class only.
    """
    ranks = ranks_from_scores(scores, labels, tie_tolerance=ROUNDING)
    n_items, n_classes = len(ranks), scores.shape[1]
    if n_classes < 2:
        raise EvaluationError("Classification among 1 class is meaningless.", got="1 class",
                              expected="at least 2 classes")
    chance = chance_metrics(n_classes, ks)
    labels = torch.as_tensor(labels).cpu().to(torch.int64)
    hits = (ranks <= 1).to(torch.float64)
    counts = torch.bincount(labels, minlength=n_classes)
    per_class = torch.bincount(labels, weights=hits, minlength=n_classes)[counts > 0] / counts[counts > 0]
    return ZeroShotResult(
        n_items=n_items,
        n_classes=n_classes,
        accuracy={k: float((ranks <= k).to(torch.float64).mean()) for k in ks},
        mean_class_accuracy=float(per_class.mean()),
        chance=chance.recall,
    )


def multilabel(scores: torch.Tensor, targets: torch.Tensor) -> MultilabelResult:
    """Mean average precision over classes when an item may have several classes or none.

    Args:
        scores: (n_items, n_classes) finite; compared over the items of one class, never across classes.
        targets: (n_items, n_classes) bool.

    Raises:
        ShapeError: the shapes do not fit, or there is no item.
        EvaluationError: a score is NaN or infinite, or no class has an item.
    """
    if scores.ndim != 2 or scores.shape != targets.shape or scores.numel() == 0:
        raise ShapeError("Scores and targets must be two matrices of one shape.",
                         got=f"{tuple(scores.shape)} and {tuple(targets.shape)}")
    targets = targets.to(torch.bool)
    counts = targets.sum(dim=0)
    classes = torch.nonzero(counts).flatten()
    if len(classes) == 0:
        raise EvaluationError("No class has an item.", got=f"{scores.shape[1]} classes without items")
    precisions = average_precision(scores.T[classes], targets.T[classes])
    chances = [chance_average_precision(int(count), len(scores)) for count in counts[classes]]
    return MultilabelResult(
        n_items=len(scores),
        n_classes=len(classes),
        map=float(precisions.mean()),
        per_class=dict(zip(classes.tolist(), precisions.tolist(), strict=True)),
        chance=sum(chances) / len(chances),
    )


def _checked_labels(labels: torch.Tensor, n_labels: int, n_classes: int) -> torch.Tensor:
    labels = torch.as_tensor(labels).detach()
    if labels.shape != (n_labels,) or n_labels == 0:
        raise ShapeError("There must be one class per prompt.", got=tuple(labels.shape), expected=(n_labels,))
    if labels.is_floating_point() or bool(((labels < 0) | (labels >= n_classes)).any()):
        raise EvaluationError("Classes must be integers below the number of classes.", got=labels.tolist(),
                              expected=f"0 to {n_classes - 1}")
    return labels.to(torch.int64)
