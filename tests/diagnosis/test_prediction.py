"""Held-out ridge and CCA against scikit-learn and matrices written out."""

import numpy as np
import pytest
import torch
from scipy.linalg import fractional_matrix_power
from sklearn.linear_model import Ridge

from anybind.diagnosis import prediction
from anybind.diagnosis.matching import match_tables
from anybind.diagnosis.prediction import held_out_folds, predict_held_out


@pytest.fixture
def pairs(views):
    rows = views(120)
    folds = held_out_folds([str(row) for row in range(120)])
    return torch.from_numpy(rows["a"]), torch.from_numpy(rows["b"]), folds


@pytest.mark.parametrize("rows", [120, 35])  # more rows than dims, and fewer
def test_r2_is_that_of_sklearn(pairs, rows, monkeypatch):
    a, b, folds = (part[:rows] for part in pairs)
    monkeypatch.setattr(prediction, "PENALTIES", (0.1,))
    missed = total = 0.0
    for fold in sorted(set(folds.tolist())):
        train, test = (folds != fold).numpy(), (folds == fold).numpy()
        x, y = a.double().numpy(), b.double().numpy()
        centred = x[train] - x[train].mean(0)
        values = np.linalg.eigvalsh(centred.T @ centred)
        unit = values[values > values.max() * 1e-10].mean()
        predicted = Ridge(alpha=0.1 * unit).fit(x[train], y[train]).predict(x[test])
        missed += ((y[test] - predicted) ** 2).sum()
        total += ((y[test] - y[train].mean(0)) ** 2).sum()
    assert predict_held_out(a, b, folds).r2[0] == pytest.approx(1 - missed / total, rel=1e-6)
    assert predict_held_out(b, a, folds).r2[1] == pytest.approx(1 - missed / total, rel=1e-6)


def test_canonical_tables_are_those_of_whitened_matrices(pairs, monkeypatch):
    a, b, folds = pairs
    monkeypatch.setattr(prediction, "SHRINKAGES", (0.3,))
    fold = min(folds.tolist())
    train, test = (folds != fold).numpy(), (folds == fold).numpy()
    sides = []
    for rows in (a.double().numpy(), b.double().numpy()):
        centred = rows - rows[train].mean(0)
        covariance = np.cov(rows[train].T, bias=True)
        shrunk = covariance + 0.3 * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
        sides.append(centred @ fractional_matrix_power(shrunk, -0.5).real)
    cross = sides[0][train].T @ sides[1][train] / train.sum()
    left, rho, right = np.linalg.svd(cross, full_matrices=False)
    one, other = sides[0][test] @ left * rho, sides[1][test] @ right.T * rho
    cosines = one @ other.T / np.linalg.norm(one, axis=1)[:, None] / np.linalg.norm(other, axis=1)
    np.testing.assert_allclose(predict_held_out(a, b, folds).tables[0], cosines, atol=1e-5)


def test_unrelated_rows_predict_nothing(draws):
    found = []
    for seed in range(6):
        a, b = draws(200, 60, seed).float(), draws(200, 300, seed + 50).float()
        predicted = predict_held_out(a, b, held_out_folds([str(row) for row in range(200)], seed))
        assert max(predicted.r2) < 0.01
        found.append(match_tables(predicted.tables).placed_above)
    assert max(abs(share - 0.5) for share in found) < 0.06
    assert abs(np.mean(found) - 0.5) < 0.025


def test_a_linear_map_is_found_and_half_of_the_rows_find_less(pairs):
    a, _, folds = pairs
    mapped = a @ torch.randn(40, 25, generator=torch.Generator().manual_seed(1))
    assert min(predict_held_out(a[:, :20], a[:, :20] @ torch.eye(20), folds).r2) > 0.99
    half = torch.arange(120) % 2 == 0
    whole, part = predict_held_out(a, mapped, folds), predict_held_out(a, mapped, folds, fitted_on=half)
    assert part.r2[0] < whole.r2[0]
    assert len(part.tables) == len(whole.tables) == 5, "all rows are looked up all the same"


def test_a_row_has_no_part_in_its_own_prediction(pairs, monkeypatch):
    monkeypatch.setattr(prediction, "SHRINKAGES", (0.3,))
    a, b, folds = pairs
    fold = int(folds[3])
    place = int((folds[:3] == fold).sum())
    before = predict_held_out(a, b, folds).tables[fold]
    changed = b.clone()
    changed[3] = 100.0
    after = predict_held_out(a, changed, folds).tables[fold]
    others = torch.arange(len(before)) != place
    torch.testing.assert_close(before[:, others], after[:, others])
    assert not torch.allclose(before[:, place], after[:, place])


def test_a_side_that_does_not_vary_predicts_nothing(pairs):
    a, _, folds = pairs
    found = predict_held_out(a, torch.ones(120, 4), folds)
    assert found.r2[0] == 0
    assert match_tables(found.tables).placed_above == 0.5


def test_groups_stay_in_one_fold():
    folds = held_out_folds([f"g{row // 3}" for row in range(300)])
    assert (folds[0::3] == folds[1::3]).all()
    assert (folds[0::3] == folds[2::3]).all()
    assert set(folds.tolist()) == {0, 1, 2, 3, 4}
