"""CentroBind against every fixed anchor and all pairs, on four spaces of falling quality.

Prints a Markdown table: accuracy of a linear (ridge) probe for the 20 classes on every space's joint vectors and
on all of them side by side, mean over seeds; the last columns are the mean paired difference of CentroBind on
the joint probe and on the mean over spaces, with its 95 % Student-t interval over seeds.

Class-conditional latents z ~ N(mu_y, .25 I) in 16 dims; space m shows tanh((z + s_m e) A_m) B_m in 32 dims, with
s = .3, 1, 2, 4 (the set-up of the CentroBind paper in miniature, arXiv:2410.02086; ours, not the paper's code).

    python bench/centrobind.py [--seeds 10]
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from statistics import fmean
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import anybind
from anybind.evaluation import paired_difference

Array = NDArray[np.float64]

CLASSES, LATENT, DIM = 20, 16, 32
SPREAD = 0.5  # of a class around its mean
NOISE = {"x1": 0.3, "x2": 1.0, "x3": 2.0, "x4": 4.0}
TRAIN, TEST = 6000, 2000
JOINT = "all spaces"
# About 400 steps of the same heads for everyone.
TRAINING: Mapping[str, Any] = {
    "features": "identity", "head": "mlp", "hidden_dim": 128, "joint_dim": 32, "batch_size": 128, "epochs": 9,
    "learning_rate": 1e-3, "weight_decay": 0.0, "noise": 0.0, "temperature": 0.1, "patience": 0,
}  # fmt: skip
CENTROBIND = "centrobind"
METHODS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    CENTROBIND: ("centrobind", {"augmentation": 0.0, "leave_one_out": True}),
    "centrobind, its own vector in the centroid": ("centrobind", {"augmentation": 0.0, "leave_one_out": False}),
    "centrobind, centroid of augmented views": ("centrobind", {"augmentation": 0.2, "leave_one_out": False}),
    "centrobind, the same, normalised": (
        "centrobind",
        {"augmentation": 0.2, "leave_one_out": False, "normalised": True},
    ),
    "centrobind, the same, detached": ("centrobind", {"augmentation": 0.2, "leave_one_out": False, "detached": True}),
    "all-pairs": ("all-pairs", {}),
    **{f"fixed-anchor {space}": ("fixed-anchor", {"anchor": space}) for space in NOISE},
}

Accuracies = dict[str, dict[str, list[float]]]  # method -> space or JOINT -> one number per seed


def main() -> None:
    """Run the seeds and print the table."""
    seeds = _arguments().seeds
    torch.set_num_threads(1)
    print(f"{TRAIN} rows to train on, {TEST} to test, {seeds} seeds; chance {1 / CLASSES:.3f}.\n")
    for line in table(run(range(seeds))):
        print(line)


def run(
    seeds: range,
    *,
    train: int = TRAIN,
    test: int = TEST,
    methods: Mapping[str, tuple[str, Mapping[str, Any]]] = METHODS,
) -> Accuracies:
    """Probe accuracies of every method."""
    result: Accuracies = {label: {} for label in methods}
    for seed in seeds:
        rows, labels = draw(seed, train + test)
        for label, (method, options) in methods.items():
            for space, accuracy in probed(rows, labels, train, method, options, seed).items():
                result[label].setdefault(space, []).append(accuracy)
    return result


def draw(seed: int, n: int) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.int64]]:
    """n rows of every space, and their classes."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, CLASSES, n)
    z = random.normal(size=(CLASSES, LATENT))[labels] + SPREAD * random.normal(size=(n, LATENT))
    rows = {}
    for space, noise in NOISE.items():
        inner = random.normal(size=(LATENT, DIM)) / np.sqrt(LATENT)
        outer = random.normal(size=(DIM, DIM)) / np.sqrt(DIM)
        shown = np.tanh((z + noise * random.normal(size=z.shape)) @ inner) @ outer
        rows[space] = shown.astype(np.float32)
    return rows, labels


def probed(
    rows: Mapping[str, Any], labels: NDArray[np.int64], train: int, method: str, options: Mapping[str, Any], seed: int
) -> dict[str, float]:
    """Accuracy of ridge probes on a binder's joint vectors, per space and on all of them side by side."""
    options = {**TRAINING, **options}
    train_rows = {"rows": {space: x[:train] for space, x in rows.items()}}
    binder = anybind.fit(train_rows, method=method, options=options, normalise=False, seed=seed, forecast=False)
    joint = {space: binder.embed(space, x).double().numpy() for space, x in rows.items()}
    joint[JOINT] = np.concatenate([*joint.values()], axis=1)
    return {space: probe(x[:train], labels[:train], x[train:], labels[train:]) for space, x in joint.items()}


def probe(x: Array, labels: NDArray[np.int64], test: Array, truth: NDArray[np.int64], ridge: float = 1e-3) -> float:
    """Accuracy of a ridge regression on the classes; the ridge is in units of the mean variance."""
    mean = x.mean(0)
    centred, goal = x - mean, np.eye(CLASSES)[labels]
    own = centred.T @ centred
    weights = np.linalg.solve(own + ridge * np.trace(own) / len(own) * np.eye(len(own)), centred.T @ goal)
    guesses = ((test - mean) @ weights + goal.mean(0)).argmax(1)
    return float((guesses == truth).mean())


def table(found: Accuracies) -> list[str]:
    """The Markdown lines."""
    columns = [*NOISE, JOINT]
    lines = [
        _row("method", [*columns, f"difference of {CENTROBIND}, {JOINT}", "mean of the spaces"]),
        _row("---", ["---"] * (len(columns) + 2)),
    ]
    for label, accuracies in found.items():
        cells = [f"{fmean(accuracies[column]):.3f}" for column in columns]
        lines.append(_row(label, [*cells, *(_difference(found, label, part) for part in (joint_probe, mean_probe))]))
    return lines


def joint_probe(accuracies: Mapping[str, list[float]]) -> list[float]:
    """Per seed: accuracy on all spaces side by side."""
    return accuracies[JOINT]


def mean_probe(accuracies: Mapping[str, list[float]]) -> list[float]:
    """Per seed: mean accuracy over the spaces."""
    return [fmean(parts) for parts in zip(*(accuracies[space] for space in NOISE), strict=True)]


def _difference(found: Accuracies, label: str, part: Any) -> str:
    ours, other = part(found[CENTROBIND]), part(found[label])
    if label == CENTROBIND or len(ours) < 2:
        return ""
    difference = paired_difference(ours, other)
    low, high = difference.interval
    return f"{difference.mean:+.3f} [{low:+.3f}, {high:+.3f}]"


def _row(first: str, cells: list[str]) -> str:
    return f"| {first} | {' | '.join(cells)} |"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10, help="seeds 0, 1, ...")
    return parser.parse_args()


if __name__ == "__main__":
    main()
