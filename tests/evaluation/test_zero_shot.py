"""Zero-shot classification against scikit-learn and brute force."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, recall_score, top_k_accuracy_score

from anybind.errors import EvaluationError, ShapeError
from anybind.evaluation import class_scores, multilabel, zero_shot


def _scored(n_items: int, n_classes: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, n_classes, (n_items,), generator=generator) ** 2 % n_classes
    scores = torch.randn(n_items, n_classes, generator=generator)
    return scores + torch.nn.functional.one_hot(labels, n_classes), labels


def test_accuracy_equals_scikit_learn():
    scores, labels = _scored(200, 12, seed=0)
    result = zero_shot(scores, labels)
    for k in (1, 5):
        expected = top_k_accuracy_score(labels.numpy(), scores.numpy(), k=k, labels=np.arange(12))
        assert result.accuracy[k] == pytest.approx(expected)
    present = labels.unique().numpy()
    assert len(present) < 12, "some classes have no items, which the mean leaves out"
    expected = recall_score(labels.numpy(), scores.argmax(dim=1).numpy(), labels=present, average="macro")
    assert result.mean_class_accuracy == pytest.approx(expected)
    assert result.chance == {1: 1 / 12, 5: 5 / 12}
    assert json.loads(json.dumps(result.to_dict()))["accuracy"]["5"] == result.accuracy[5]


def test_ties_count_half():
    scores = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 2.0, 2.0]])
    result = zero_shot(scores, torch.tensor([0, 1, 0]), ks=(1, 2))
    assert result.accuracy == {1: 0.0, 2: 2 / 3}, "ranks are 1.5, 2 and 3"


def test_several_prompts_of_a_class_are_averaged():
    scores = torch.tensor([[1.0, 10.0, 3.0], [0.0, 5.0, 1.0]])
    assert class_scores(scores, torch.tensor([0, 1, 0]), 2).tolist() == [[2.0, 10.0], [0.5, 5.0]]


def test_multilabel_equals_scikit_learn_over_the_classes_that_have_items():
    generator = torch.Generator().manual_seed(1)
    targets = torch.rand(80, 6, generator=generator) < torch.tensor([0.05, 0.2, 0.5, 0.9, 0.0, 0.3])
    scores = torch.randn(80, 6, generator=generator) + targets
    result = multilabel(scores, targets)
    present = [0, 1, 2, 3, 5]
    expected = average_precision_score(targets[:, present].numpy(), scores[:, present].numpy())
    assert result.map == pytest.approx(expected, rel=1e-9)
    assert sorted(result.per_class) == present
    assert result.n_classes == 5
    assert json.loads(json.dumps(result.to_dict()))["per_class"]["5"] == result.per_class[5]


def test_multilabel_chance_equals_simulation():
    generator = torch.Generator().manual_seed(2)
    targets = torch.rand(25, 4, generator=generator) < 0.3
    maps = [multilabel(torch.rand(25, 4, generator=generator), targets).map for _ in range(2000)]
    assert multilabel(torch.zeros(25, 4), targets).chance == pytest.approx(sum(maps) / 2000, rel=0.02)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: zero_shot(torch.zeros(2, 3), torch.tensor([0, 3])), EvaluationError),
        (lambda: zero_shot(torch.zeros(2, 1), torch.tensor([0, 0])), EvaluationError),
        (lambda: zero_shot(torch.full((1, 2), math.nan), torch.tensor([0])), EvaluationError),
        (lambda: zero_shot(torch.zeros(2, 3), torch.tensor([0])), ShapeError),
        (lambda: zero_shot(torch.zeros(0, 3), torch.tensor([], dtype=torch.long)), ShapeError),
        (lambda: class_scores(torch.zeros(2, 2), torch.tensor([0, 0]), 2), EvaluationError),
        (lambda: class_scores(torch.zeros(2, 2), torch.tensor([0, 2]), 2), EvaluationError),
        (lambda: class_scores(torch.zeros(2, 2), torch.tensor([0]), 1), ShapeError),
        (lambda: class_scores(torch.zeros(2), torch.tensor([0]), 1), ShapeError),
        (lambda: multilabel(torch.zeros(2, 3), torch.zeros(2, 3)), EvaluationError),
        (lambda: multilabel(torch.zeros(2, 3), torch.zeros(3, 2)), ShapeError),
    ],
)
def test_bad_input_is_a_clear_error(call, error):
    with pytest.raises(error):
        call()
