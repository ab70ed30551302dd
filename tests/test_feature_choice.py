"""``features: auto`` goes by held-out rows: kernel features where the world bends, the vectors where it does not."""

from __future__ import annotations

import numpy as np
import pytest

import anybind


def views(bent: bool, rows: int = 200) -> dict[str, dict[str, np.ndarray]]:
    """Two spaces of one item: linear in what it means beside strong nuisance, or one bent and little noise."""
    rng = np.random.default_rng(0)
    latent = 2 if bent else 8
    meaning = rng.standard_normal((rows, latent))
    seen = {}
    for space in "ab":
        vectors = meaning @ rng.standard_normal((latent, 24))
        if bent and space == "a":
            vectors = np.sin(4 * meaning @ rng.standard_normal((latent, 24)))
        nuisance = 0.0 if bent else 1.2
        vectors = vectors + nuisance * rng.standard_normal((rows, 8)) @ rng.standard_normal((8, 24))
        seen[space] = vectors + 0.05 * rng.standard_normal(vectors.shape)
    return {"d": seen}


@pytest.mark.parametrize(("bent", "features"), [(False, "identity"), (True, "nystroem")])
def test_features_are_chosen_by_held_out_rows(bent: bool, features: str) -> None:
    binder = anybind.fit(views(bent), method="pcca", options={"rank": 8, "shrinkage": 1.0})
    assert binder.fitted["features"] == features
