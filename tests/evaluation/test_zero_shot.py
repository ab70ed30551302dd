"""Zero-shot classification against scikit-learn and brute force."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, recall_score, top_k_accuracy_score

import anybind
from anybind.errors import EvaluationError, ShapeError, UnknownNameError, UsageError
from anybind.evaluation import class_scores, classify, multilabel, prompts, zero_shot


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
    by_class = recall_score(labels.numpy(), scores.argmax(dim=1).numpy(), labels=present, average=None)
    assert list(result.per_class) == present.tolist()
    assert list(result.per_class.values()) == pytest.approx(by_class)
    assert result.interval is None
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


def test_the_interval_is_that_of_the_mean_of_hits():
    scores, labels = _scored(200, 12, seed=0)
    result = zero_shot(scores, labels, n_boot=4000, seed=1)
    low, high = result.interval[1]
    share = result.accuracy[1]
    assert low < share < high
    spread = math.sqrt(share * (1 - share) / 200)
    assert (high - low) / 2 == pytest.approx(1.96 * spread, rel=0.1)
    assert json.loads(json.dumps(result.to_dict()))["interval"]["1"] == [low, high]


class Dot:
    """Scores by dot product of vectors as they come."""

    def score(self, space_a, a, space_b, b):
        return a @ b.T


KINDS = ("cat", "dog", "owl")


def _kinds(rows: int, seed: int, noise: float = 0.5) -> tuple[np.ndarray, list[str]]:
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(3, 8))
    numbers = generator.integers(0, 3, rows)
    return centres[numbers] + noise * generator.normal(size=(rows, 8)), [KINDS[number] for number in numbers]


@pytest.mark.parametrize("ensemble", ["vectors", "scores"])
def test_classify_equals_scikit_learn_on_the_scores_of_the_ensemble(ensemble):
    items, labels = _kinds(90, seed=0, noise=2.0)
    generator = np.random.default_rng(1)
    classes = {name: generator.normal(size=(m, 8)) for name, m in zip(KINDS, (1, 4, 2), strict=True)}
    result = classify(Dot(), "image", items, labels, by="text", classes=classes, ensemble=ensemble, ks=(1, 2))
    if ensemble == "vectors":
        rows = [(each / np.linalg.norm(each, axis=1, keepdims=True)).mean(0) for each in classes.values()]
        scores = items @ np.stack(rows).T
    else:
        scores = np.stack([(items @ each.T).mean(1) for each in classes.values()], axis=1)
    truth = [KINDS.index(label) for label in labels]
    for k in (1, 2):
        assert result.accuracy[k] == pytest.approx(top_k_accuracy_score(truth, scores, k=k, labels=range(3)))
    by_class = recall_score(truth, scores.argmax(1), average=None)
    assert result.per_class == pytest.approx(dict(zip(KINDS, by_class, strict=True)))
    assert result.interval[1][0] < result.accuracy[1] < result.interval[1][1]


def test_prototypes_across_a_pivot_find_the_class_and_unrelated_ones_do_not():
    generator = np.random.default_rng(5)
    views = {name: generator.normal(size=(8, 12)) for name in ("image", "text", "audio")}

    def seen(hidden, *names):
        return {name: hidden @ views[name] + 0.3 * generator.normal(size=(len(hidden), 12)) for name in names}

    first, second = (_kinds(150, seed, noise=1.0)[0] for seed in (1, 2))
    data = {"captions": seen(first, "image", "text"), "sounds": seen(second, "text", "audio")}
    binder = anybind.fit(data, method="ridge-chain", options={"ridge": 0.1}, targets=[("image", "audio")])
    items, labels = _kinds(120, seed=3)
    known, kinds = _kinds(60, seed=4)
    sounds, images = seen(items, "audio")["audio"], seen(known, "image")["image"]
    classes = {name: images[[kind == name for kind in kinds]] for name in KINDS}
    found = classify(binder, "audio", sounds, labels, by="image", classes=classes)
    assert found.accuracy[1] > 0.8
    shuffled = [labels[i] for i in np.random.default_rng(6).permutation(len(labels))]
    chance = classify(binder, "audio", sounds, shuffled, by="image", classes=classes)
    assert chance.interval[1][0] < max(labels.count(kind) for kind in KINDS) / 120 + 0.02


def test_items_are_scored_a_block_at_a_time_unless_scores_depend_on_the_others():
    class Counting(Dot):
        rows: list[int]
        scores_batches = False

        def score(self, space_a, a, space_b, b):
            self.rows = [*getattr(self, "rows", []), len(a)]
            return super().score(space_a, a, space_b, b)

    items, labels = _kinds(9000, seed=0)
    classes = {name: np.eye(3, 8)[i : i + 1] for i, name in enumerate(KINDS)}
    binder, whole = Counting(), Counting()
    whole.scores_batches = True
    results = [classify(each, "image", items, labels, by="text", classes=classes) for each in (binder, whole)]
    assert binder.rows == [4096, 4096, 808]
    assert whole.rows == [9000]
    assert results[0] == results[1]


def test_prompts_fill_every_template_with_every_class():
    assert prompts(["dog", "{}"], ["a {}.", "{}"]) == {"dog": ["a dog.", "dog"], "{}": ["a {}.", "{}"]}
    assert prompts(["dog"]) == {"dog": ["dog"]}


CLASSES = {"cat": np.eye(2)[:1], "dog": np.eye(2)[1:]}


def _classify(labels=("cat", "dog"), **changed):
    given = {"by": "text", "classes": CLASSES, **changed}
    return classify(Dot(), "image", np.eye(2), labels, **given)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: _classify(("cat", "dgo")), UnknownNameError),
        (lambda: _classify(("cat",)), ShapeError),
        (lambda: _classify(classes={"cat": np.eye(2)}, labels=("cat", "cat")), EvaluationError),
        (lambda: _classify(classes={**CLASSES, "owl": np.zeros((0, 2))}), ShapeError),
        (lambda: _classify(classes={**CLASSES, "owl": np.ones((1, 3))}), ShapeError),
        (lambda: _classify(classes={**CLASSES, "owl": np.full((1, 2), math.nan)}), EvaluationError),
        (lambda: _classify(ensemble="median"), UsageError),
        (lambda: prompts(["dog"], []), UsageError),
        (lambda: prompts(["dog"], "a {}"), UsageError),
        (lambda: prompts(["dog"], ["a dog"]), UsageError),
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
