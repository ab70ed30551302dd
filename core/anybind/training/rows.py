"""Rows as heads see them: centred per data set, scaled, with zeros where a space is missing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import torch

from anybind.fit_data import Sample
from anybind.training.step import ByDataset

# Fewer held-out pairs than this cannot tell when to stop: one lucky row would decide.
FEWEST_HELD_OUT_PAIRS = 20


@dataclass(frozen=True)
class Rows:
    """Rows of several data sets.

    Attributes:
        vectors: Data set -> space -> (n, d) float32, centred and scaled; zeros where a space is missing.
        present: Data set -> space -> (n,) bool.
        folds: Data set -> (n,) integers; near-duplicates share a fold.
    """

    vectors: ByDataset
    present: ByDataset
    folds: Mapping[str, torch.Tensor] = field(default_factory=dict)

    def size(self, dataset: str) -> int:
        """Number of rows of a data set."""
        return len(next(iter(self.present[dataset].values())))

    def count(self, space: str) -> int:
        """Number of rows that have a space, in all data sets."""
        return sum(int(present[space].sum()) for present in self.present.values() if space in present)

    def dim(self, space: str) -> int:
        """Length of a space's rows."""
        return next(vectors[space].shape[1] for vectors in self.vectors.values() if space in vectors)

    def stacked(self, space: str) -> torch.Tensor:
        """(n, d) every row that has a space, of all data sets."""
        return torch.cat([self.vectors[d][space][p[space]] for d, p in self.present.items() if space in p])


@dataclass(frozen=True)
class Prepared:
    """Rows to train on, rows held out to judge by, and what the centred rows of a space were divided by."""

    train: Rows
    held_out: Rows
    units: Mapping[str, float]


def prepared(
    samples: Mapping[str, Sample],
    spaces: Collection[str],
    fold: int | None,
    fewest: int = 2,
    unseen: Mapping[str, Sample] | None = None,
) -> Prepared:
    """Centre every data set by the mean of its own training rows, and scale spaces to a mean variance of 1.

    Args:
        samples: Data set -> its rows.
        spaces: The spaces to train; others are ignored.
        fold: The fold to hold out, None for none.
        fewest: Rows that show fewer of the spaces are left out.
        unseen: Where the held-out rows are taken from, row by row like ``samples``; from there when None.

    Returns:
        ``held_out`` is centred and scaled like the training rows. A data set without training rows that show
        ``fewest`` spaces is left out, and so is a space of a data set that has none.
    """
    train, held = _Part(samples), _Part(unseen or samples)
    for name, sample in sorted(samples.items()):
        kept = sorted(space for space in sample.vectors if space in spaces)
        shown = sum((sample.present[space].long() for space in kept), torch.zeros(len(sample.ids)).long())
        out = (sample.folds == fold) if fold is not None else torch.zeros(len(sample.ids), dtype=torch.bool)
        for space in kept:
            has = sample.present[space]
            if (has & ~out & (shown >= fewest)).any():
                mean = sample.vectors[space][has & ~out].to(torch.float64).mean(0)
                train.add(name, space, ~out & (shown >= fewest), mean)
                held.add(name, space, out & (shown >= fewest), mean)
    units = {space: _unit(train.vectors, train.present, space) for space in sorted(spaces)}
    return Prepared(train.scaled(units), held.scaled(units), units)


class _Part:
    """Some rows of the samples, space by space."""

    def __init__(self, samples: Mapping[str, Sample]) -> None:
        self._samples = samples
        self.vectors: dict[str, dict[str, torch.Tensor]] = {}
        self.present: dict[str, dict[str, torch.Tensor]] = {}
        self.folds: dict[str, torch.Tensor] = {}

    def add(self, name: str, space: str, chosen: torch.Tensor, mean: torch.Tensor) -> None:
        sample = self._samples[name]
        has, rows = sample.present[space][chosen], sample.vectors[space][chosen].to(torch.float64)
        self.vectors.setdefault(name, {})[space] = torch.where(has[:, None], rows - mean, 0.0)
        self.present.setdefault(name, {})[space] = has
        self.folds[name] = sample.folds[chosen]

    def scaled(self, units: Mapping[str, float]) -> Rows:
        scaled = {
            name: {space: (rows / units[space]).to(torch.float32) for space, rows in by_space.items()}
            for name, by_space in self.vectors.items()
        }
        return Rows(scaled, self.present, self.folds)


def _unit(vectors: ByDataset, present: ByDataset, space: str) -> float:
    """The root of the mean variance of a space's dims, 1 where it does not vary."""
    rows = [v[space][present[name][space]] for name, v in vectors.items() if space in v]
    variance = float(torch.cat(rows).square().mean()) if rows else 0.0
    return variance**0.5 or 1.0


def held_out_fold(samples: Mapping[str, Sample], spaces: Collection[str], folds: int) -> int | None:
    """The first fold to judge by: 20 or more pairs in it, and two rows left to train on for every edge.

    None when there is no such fold: then nothing can tell when to stop.
    """
    return next((fold for fold in range(folds) if _can_judge(samples, spaces, fold)), None)


def _can_judge(samples: Mapping[str, Sample], spaces: Collection[str], fold: int) -> bool:
    pairs = 0
    for sample in samples.values():
        out = sample.folds == fold
        for a, b in _pairs(sample, spaces):
            both = sample.present[a] & sample.present[b]
            within = int((both & out).sum())
            if int(both.sum()) - within < min(2, int(both.sum())):
                return False
            pairs += within if within >= 2 else 0
    return pairs >= FEWEST_HELD_OUT_PAIRS


def _pairs(sample: Sample, spaces: Collection[str]) -> list[tuple[str, str]]:
    kept = sorted(space for space in sample.vectors if space in spaces)
    return [(a, b) for i, a in enumerate(kept) for b in kept[i + 1 :]]
