"""The options for kernel features, and the quality they are chosen by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from anybind.errors import SelectionError
from anybind.features import FeatureOptions
from anybind.fit_data import FitData
from anybind.methods.on_features import WIDTHS, OnFeatures, feature_quality
from anybind.methods.selection import symmetric_mrr

Make = Callable[..., FitData]


def test_identity_needs_no_features_and_leaves_no_choice() -> None:
    method = OnFeatures(features="identity")
    assert method.input_features is None
    assert method.alternatives() == (method,)


def test_options_say_which_features_are_needed() -> None:
    method = OnFeatures(features="fourier", kernel="laplacian", width=0.5, landmarks=7, feature_dims=9)
    assert method.input_features == FeatureOptions("fourier", "laplacian", 0.5, 7, 9)
    assert method.alternatives() == (method,)


def test_auto_offers_each_width_and_the_vectors_themselves() -> None:
    offered = OnFeatures().alternatives()
    assert [(m.features, m.width) for m in offered] == [
        *(("nystroem", width) for width in WIDTHS), ("identity", "auto"),
    ]  # fmt: skip
    assert [(m.features, m.width) for m in OnFeatures(width=3.0).alternatives()] == [
        ("nystroem", 3.0), ("identity", 3.0),
    ]  # fmt: skip
    assert [m.width for m in OnFeatures(features="fourier").alternatives()] == list(WIDTHS)


def test_what_is_saved_is_enough_to_make_it_again() -> None:
    method = OnFeatures(features="nystroem", width=2.0, landmarks=5)
    assert OnFeatures(**OnFeatures.saved_features(method.feature_config())) == method


def test_quality_is_the_retrieval_of_ridge_regression_on_held_out_rows(fit_data: Make) -> None:
    random = np.random.default_rng(0)
    meaning = random.normal(size=(120, 3))
    rows = {s: meaning @ random.normal(size=(3, 6)) + 0.5 * random.normal(size=(120, 6)) for s in "ab"}
    data = fit_data({"d": rows})
    sample = data.samples["d"]
    best = []
    for ridge in (0.03, 0.3, 3.0):
        values = []
        for fold in (0, 1, 2):
            held = (sample.folds == fold).numpy()
            a, b = (sample.vectors[s].double().numpy() for s in "ab")
            a, b = a - a[~held].mean(0), b - b[~held].mean(0)
            for x, y in ((a, b), (b, a)):
                level = ridge * (x[~held] ** 2).sum() / x.shape[1]
                predicted = Ridge(alpha=level, fit_intercept=False).fit(x[~held], y[~held]).predict(x[held])
                unit = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in (predicted, y[held])]
                values.append(symmetric_mrr(_tensor(unit[0] @ unit[1].T)))
        best.append(np.mean(values))
    assert feature_quality(data) == pytest.approx(max(best), rel=1e-6)


def test_an_edge_that_nothing_retrieves_counts_as_much_as_a_perfect_one(fit_data: Make) -> None:
    """What hops keep multiplies, so quality is a geometric mean over edges."""
    random = np.random.default_rng(1)
    a = random.normal(size=(100, 4))
    perfect = {"a": a, "b": a @ random.normal(size=(4, 4))}
    noise = {"b": random.normal(size=(100, 4)), "c": random.normal(size=(100, 4))}
    one, other = (feature_quality(fit_data(rows)) for rows in ({"d1": perfect}, {"d2": noise}))
    assert one > 3 * other
    assert feature_quality(fit_data({"d1": perfect, "d2": noise})) == pytest.approx(np.sqrt(one * other))


def test_too_few_rows_to_judge_by_are_refused(fit_data: Make) -> None:
    rows = np.random.default_rng(0).normal(size=(8, 3))
    with pytest.raises(SelectionError, match="too few paired rows"):
        feature_quality(fit_data({"d": {"a": rows, "b": rows}}))
    assert replace(OnFeatures(), features="identity").alternatives()


def _tensor(table: np.ndarray) -> torch.Tensor:
    return torch.tensor(table)
