"""bench/centrobind.py: its data, its probe, and CentroBind against the worst and the best anchor in little."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Ridge

Bench = Callable[[str], Any]


@pytest.fixture
def centrobind(bench: Bench) -> Any:
    return bench("centrobind")


def test_spaces_fall_in_quality(centrobind: Any) -> None:
    rows, labels = centrobind.draw(0, 3000)
    accuracies = [centrobind.probe(x[:2000], labels[:2000], x[2000:], labels[2000:]) for x in rows.values()]
    assert accuracies == sorted(accuracies, reverse=True)
    assert accuracies[0] > 0.9
    assert 1.5 / centrobind.CLASSES < accuracies[-1] < 0.3


def test_the_probe_is_a_ridge_regression_on_the_classes(centrobind: Any) -> None:
    rows, labels = centrobind.draw(1, 600)
    x, test = rows["x2"][:400].astype(float), rows["x2"][400:].astype(float)
    ridge = 1e-3 * ((x - x.mean(0)) ** 2).sum(0).mean()
    model = Ridge(alpha=ridge).fit(x, np.eye(centrobind.CLASSES)[labels[:400]])
    expected = (model.predict(test).argmax(1) == labels[400:]).mean()
    assert centrobind.probe(x, labels[:400], test, labels[400:]) == expected


def test_centrobind_needs_no_choice_of_anchor(centrobind: Any) -> None:
    """Clearly above the worst anchor, and level with the best."""
    labels = ("centrobind", "fixed-anchor x1", "fixed-anchor x4")
    methods = {label: centrobind.METHODS[label] for label in labels}
    found = centrobind.run(range(1), train=1500, test=1000, methods=methods)
    ours, best, worst = (centrobind.mean_probe(found[label])[0] for label in labels)
    assert ours > worst + 0.02
    assert ours > best - 0.02
    lines = centrobind.table(found)
    assert [line.split(" | ")[0] for line in lines[2:]] == [f"| {label}" for label in labels]


def test_differences_are_paired_over_seeds(centrobind: Any) -> None:
    found = {
        "centrobind": {column: [0.8, 0.9] for column in (*centrobind.NOISE, centrobind.JOINT)},
        "other": {column: [0.7, 0.8] for column in (*centrobind.NOISE, centrobind.JOINT)},
    }
    assert centrobind.table(found)[3].count("+0.100 [+0.100, +0.100]") == 2
