"""Zero-shot classification: items scored against classes that are given by prompts or prototypes.

A class is some vectors of another space: of prompts such as "the sound of a dog", or of known members of the class.
``classify`` does it all with a binder; ``zero_shot`` and ``multilabel`` judge scores, wherever they are from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import torch

from anybind.errors import EvaluationError, ShapeError, UnknownNameError, UsageError
from anybind.evaluation.bootstrap import bootstrap_intervals
from anybind.evaluation.evaluate import Matrix, Scorer, Vectors
from anybind.options import did_you_mean
from anybind.retrieval import ROUNDING, average_precision, ranks_from_scores
from anybind.retrieval_metrics import chance_average_precision, chance_metrics

Interval: TypeAlias = tuple[float, float]
_ITEMS_AT_ONCE = 4096


@dataclass(frozen=True)
class ZeroShotResult:
    """One class per item; shares are fractions of 1.

    Attributes:
        n_items: Number of classified items.
        n_classes: Number of classes that were offered.
        accuracy: k -> share of items whose class has rank <= k; ties count half, as in retrieval.
        mean_class_accuracy: Top-1 accuracy averaged over the classes that have items.
        per_class: Class (its name, or its index) -> top-1 accuracy of its items; classes without items are absent.
        chance: k -> what a random order gives; chance[1] is also that of mean_class_accuracy.
        interval: k -> bootstrap interval of accuracy over the items; None if none was asked for.
    """

    n_items: int
    n_classes: int
    accuracy: Mapping[int, float]
    mean_class_accuracy: float
    per_class: Mapping[int | str, float]
    chance: Mapping[int, float]
    interval: Mapping[int, Interval] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The result as plain JSON values; all keys are strings."""
        return {
            "n_items": self.n_items,
            "n_classes": self.n_classes,
            "accuracy": {str(k): share for k, share in self.accuracy.items()},
            "mean_class_accuracy": self.mean_class_accuracy,
            "per_class": {str(label): share for label, share in self.per_class.items()},
            "chance": {str(k): share for k, share in self.chance.items()},
            "interval": None if self.interval is None else {str(k): list(ends) for k, ends in self.interval.items()},
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


def zero_shot(
    scores: torch.Tensor, labels: torch.Tensor, ks: Sequence[int] = (1, 5), *, n_boot: int = 0, seed: int = 0,
    confidence: float = 0.95,
) -> ZeroShotResult:  # fmt: skip
    """Accuracy of picking each item's class among all classes.

    Args:
        scores: (n_items, n_classes) finite; higher means likelier.
        labels: (n_items,) integers in [0, n_classes).
        ks: The cut-offs of top-k accuracy.
        n_boot, seed, confidence: Of the bootstrap intervals, as in ``anybind.evaluate``; 0 leaves them out.

    Raises:
        ShapeError: the shapes do not fit, or there is no item.
        EvaluationError: a score is NaN or infinite, a label is out of range, or there is one class only.
    """
    ranks = ranks_from_scores(scores, labels, tie_tolerance=ROUNDING)
    names = range(scores.shape[1])
    labels = torch.as_tensor(labels).cpu().to(torch.int64)
    return _judged(ranks, labels, names, ks, n_boot, seed, confidence)


def classify(
    binder: Scorer,
    space: str,
    vectors: Vectors,
    labels: Sequence[str],
    *,
    by: str,
    classes: Mapping[str, Vectors],
    ensemble: Literal["vectors", "scores"] = "vectors",
    ks: Sequence[int] = (1, 5),
    n_boot: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> ZeroShotResult:
    """Find each item's class among all classes, which another space describes.

    Args:
        binder: A fitted binder.
        space: The items' space.
        vectors: (n, dim) raw vectors of the items.
        labels: n names of classes.
        by: The space that the classes are described in.
        classes: Class -> (m, dim) raw vectors of space ``by``: of prompts (see ``prompts``), or of known members.
        ensemble: ``vectors`` scores against the mean of a class's unit vectors, its prototype (as CLIP's prompt
            ensembles do: Radford et al. 2021, section 3.1.4); ``scores`` takes the mean of the scores.
        ks: The cut-offs of top-k accuracy.
        n_boot, seed, confidence: As in ``anybind.evaluate``.

    Raises:
        UnknownNameError: a label is no class, or the binder has no such space.
        ShapeError: there is not one label per item, or a class has no vectors.
        EvaluationError: a score is NaN or infinite, or there is one class only.
        UsageError: no such ensemble.
    """
    if ensemble not in ("vectors", "scores"):
        raise UsageError("no such ensemble", got=repr(ensemble), expected="'vectors' or 'scores'")
    items, names = Matrix(space, vectors), list(classes)
    truth = _label_numbers(labels, names)
    if len(truth) != len(items):
        raise ShapeError("There must be one label per item.", got=f"{len(truth)} labels", expected=f"{len(items)}")
    unit = getattr(getattr(binder, "spaces", {}).get(by), "normalise", True)
    described, class_of = _described(classes, ensemble, unit)
    # scores that depend on the other rows of their call need all of them in one
    at_once = len(items) if getattr(binder, "scores_batches", False) else _ITEMS_AT_ONCE
    ranks = []
    for start in range(0, len(items), at_once):
        part = slice(start, start + at_once)
        scores = class_scores(binder.score(space, items[part], by, described), class_of, len(names))
        ranks.append(ranks_from_scores(scores, truth[part], tie_tolerance=ROUNDING))
    return _judged(torch.cat(ranks), truth, names, ks, n_boot, seed, confidence)


def prompts(classes: Iterable[str], templates: Sequence[str] = ("{}",)) -> dict[str, list[str]]:
    """Every class's name put into every template, for ``Binder.encode_raw``.

    Args:
        classes: Names of classes.
        templates: Texts with ``{}`` in the place of the name, such as "the sound of a {}".

    Raises:
        UsageError: there is no template, or one does not hold ``{}`` once.
    """
    if isinstance(templates, str) or not templates or any(template.count("{}") != 1 for template in templates):
        raise UsageError("templates are texts that have {} once, in the place of the class", got=repr(templates),
                         expected='a list such as ["a photo of a {}."]')  # fmt: skip
    return {name: [template.replace("{}", name) for template in templates] for name in classes}


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


def _judged(
    ranks: torch.Tensor, labels: torch.Tensor, names: Sequence[int | str], ks: Sequence[int], n_boot: int, seed: int,
    confidence: float,
) -> ZeroShotResult:  # fmt: skip
    if len(names) < 2:
        raise EvaluationError("Classification among 1 class is meaningless.", got=f"{len(names)} class",
                              expected="at least 2 classes")
    chance = chance_metrics(len(names), ks)
    hits = (ranks <= 1).to(torch.float64)
    counts = torch.bincount(labels, minlength=len(names))
    found = torch.bincount(labels, weights=hits, minlength=len(names))
    with_items = torch.nonzero(counts).flatten().tolist()
    per_class = {names[i]: float(found[i] / counts[i]) for i in with_items}
    within = torch.stack([(ranks <= k).to(torch.float64) for k in ks], dim=1)
    ends = bootstrap_intervals(within, n_boot=n_boot, seed=seed, confidence=confidence) if n_boot else None
    return ZeroShotResult(
        n_items=len(ranks),
        n_classes=len(names),
        accuracy=dict(zip(ks, within.mean(0).tolist(), strict=True)),
        mean_class_accuracy=sum(per_class.values()) / len(per_class),
        per_class=per_class,
        chance=chance.recall,
        interval=None if ends is None else dict(zip(ks, ends, strict=True)),
    )


def _described(classes: Mapping[str, Vectors], ensemble: str, unit: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """(n, dim) vectors that stand for the classes, and the class of each."""
    matrices = [Matrix(name, vectors, f"class {name!r}") for name, vectors in classes.items()]
    rows = [matrix[slice(None)] for matrix in matrices]
    for matrix, vectors in zip(matrices, rows, strict=True):
        if vectors.shape[1] != rows[0].shape[1]:
            raise ShapeError("Classes need vectors of one length.", where=f"class {matrix.name!r}",
                             got=vectors.shape[1], expected=rows[0].shape[1])  # fmt: skip
    if ensemble == "vectors":
        scaled = (torch.nn.functional.normalize(vectors, dim=1) if unit else vectors for vectors in rows)
        rows = [vectors.mean(0, keepdim=True) for vectors in scaled]
    return torch.cat(rows), torch.repeat_interleave(torch.arange(len(rows)), torch.tensor(list(map(len, rows))))


def _label_numbers(labels: Sequence[str], names: list[str]) -> torch.Tensor:
    numbers = {name: number for number, name in enumerate(names)}
    for row, label in enumerate(labels):
        if label not in numbers:
            raise UnknownNameError("a label is none of the classes", where=f"labels, row {row}", got=repr(label),
                                   expected=", ".join(names[:8]), hint=did_you_mean(str(label), names))  # fmt: skip
    return torch.tensor([numbers[label] for label in labels], dtype=torch.int64)
