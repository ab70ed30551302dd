"""Unbiased CKA: by its definition, at its ends, and where the biased one misleads."""

import itertools

import pytest
import torch

from anybind.diagnosis.alignment import unbiased_cka


def hsic_by_tuples(a, b):
    """The unbiased estimator as a mean over all 4-tuples of different rows (Song et al. 2012, eq. 4)."""
    k, l = a @ a.T, b @ b.T  # noqa: E741
    terms = [k[i, j] * (l[i, j] + l[q, r] - 2 * l[i, q]) for i, j, q, r in itertools.permutations(range(len(a)), 4)]
    return sum(terms) / len(terms)


def test_it_is_the_mean_over_tuples_of_rows(draws):
    a, b = draws(8, 3) + 5, draws(8, 2, 1)
    b = b + a[:, :2]
    expected = hsic_by_tuples(a, b) / (hsic_by_tuples(a, a) * hsic_by_tuples(b, b)).sqrt()
    assert unbiased_cka(a, b) == pytest.approx(float(expected), rel=1e-9)


def test_one_for_the_same_up_to_rotation_scale_and_offset(draws):
    a = draws(100, 6)
    rotation = torch.linalg.qr(draws(6, 6, 1)).Q
    assert unbiased_cka(a, 3 * a @ rotation + 40) == pytest.approx(1)


def test_nothing_for_unrelated_spaces_of_many_dims(draws):
    found = [unbiased_cka(draws(60, 500, seed), draws(60, 400, seed + 100)) for seed in range(8)]
    assert max(map(abs, found)) < 0.1
    a, b = draws(60, 500, 0), draws(60, 400, 100)
    a, b = a - a.mean(0), b - b.mean(0)
    biased = (a.T @ b).norm() ** 2 / ((a.T @ a).norm() * (b.T @ b).norm())
    assert biased > 0.8, "the biased one would have claimed it"


def test_a_side_that_does_not_vary_is_aligned_with_nothing(draws):
    assert unbiased_cka(torch.ones(20, 3), draws(20, 3)) == 0
