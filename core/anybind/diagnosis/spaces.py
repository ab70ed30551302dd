"""One space of one data set: dead and equal vectors, how many directions it uses, and hubs."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from anybind.diagnosis.neighbours import hubness, nearest
from anybind.diagnosis.sampling import FEWEST_ROWS, SampledRows


@dataclass(frozen=True)
class SpaceReport:
    """What the vectors of a space are like in a data set. The first block counts all rows, the rest a sample.

    Attributes:
        space, dataset: Where.
        dim: Length of the vectors.
        rows, missing, zero, not_finite, dead_dims, dead_ids: As ``sampling.Tally``.
        sampled: Sound rows in the sample.
        equal: Sampled rows that have exactly the vector of another one.
        equal_apart: Those among them that have the vector of a row in another group.
        equal_most: Size of the largest set of equal rows; 1 if there is none.
        equal_ids: The first few ids of that set, none if there is none.
        effective_rank: See ``effective_rank``; None with fewer than 20 sound rows, as the two below.
        participation_ratio: See ``participation_ratio``.
        hubness: Skewness of the 10-occurrence by cosine of centred vectors.
    """

    space: str
    dataset: str
    dim: int
    rows: int
    missing: int
    zero: int
    not_finite: int
    dead_dims: int
    dead_ids: tuple[str, ...]
    sampled: int
    equal: int
    equal_apart: int
    equal_most: int
    equal_ids: tuple[str, ...]
    effective_rank: float | None
    participation_ratio: float | None
    hubness: float | None

    @property
    def constant(self) -> bool:
        """Whether all vectors are one and the same."""
        return self.rows > 1 and self.dead_dims == self.dim

    @property
    def most_directions(self) -> int:
        """The highest rank that the sample could have."""
        return min(self.dim, self.sampled - 1)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        lists = {"dead_ids": list(self.dead_ids), "equal_ids": list(self.equal_ids)}
        return {**asdict(self), **lists, "constant": self.constant}


def space_report(rows: SampledRows, space: str) -> SpaceReport:
    """Look at one space of a data set."""
    tally, unit = rows.tallies[space], rows.of(space)
    equal, apart, largest = _equal_rows(rows, space)
    rank = participation = hubs = None
    if len(unit) >= FEWEST_ROWS:
        centred = centre(unit)
        spectrum = covariance_spectrum(unit)
        rank, participation = effective_rank(spectrum), participation_ratio(spectrum)
        hubs = hubness(nearest(centred), len(centred)) if rank else None
    return SpaceReport(
        space, rows.name, rows.vectors[space].shape[1], tally.rows, tally.missing, tally.zero, tally.not_finite,
        tally.dead_dims, tally.dead_ids, len(unit), equal, apart, max(len(largest), 1), tuple(largest[:5]),
        rank or None, participation or None, hubs,
    )  # fmt: skip


def centre(unit: torch.Tensor) -> torch.Tensor:
    """Rows less their mean, scaled to unit length again: as the methods compare them. (n, d) float32."""
    centred = unit.double() - unit.double().mean(0)
    scaled: torch.Tensor = centred / centred.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return scaled.float()


def covariance_spectrum(rows: torch.Tensor) -> torch.Tensor:
    """Eigenvalues of the covariance, (min(n, d),) float64, not negative."""
    centred = rows.double() - rows.double().mean(0)
    wide = centred.shape[1] > centred.shape[0]
    gram = centred @ centred.T if wide else centred.T @ centred
    values: torch.Tensor = torch.linalg.eigvalsh(gram)
    return values.clamp(min=0) / len(rows)


def effective_rank(spectrum: torch.Tensor) -> float:
    """``exp(-sum p log p)`` with p the spectrum's shares: r for r equal directions (Roy and Vetterli 2007, EUSIPCO).

    Their definition, taken of the covariance matrix. 0 without any variance.
    """
    total = float(spectrum.sum())
    if total <= _ROUNDING:
        return 0.0
    shares = spectrum / total
    return float(torch.exp(-torch.special.xlogy(shares, shares).sum()))


def participation_ratio(spectrum: torch.Tensor) -> float:
    """``(sum v)^2 / sum v^2``: also r for r equal directions; faint ones count less. 0 without variance."""
    total = float(spectrum.sum())
    return total**2 / float((spectrum**2).sum()) if total > _ROUNDING else 0.0


_ROUNDING = 1e-10  # variance of unit vectors in float32 that are all the same


def _equal_rows(rows: SampledRows, space: str) -> tuple[int, int, list[str]]:
    """Rows with the vector of another row, those whose twin is in another group, and the largest set's ids."""
    sound = rows.sound[space].tolist()
    raw = rows.raw[space].numpy() + np.float32(0)  # -0 and 0 are one number
    by_content: dict[bytes, list[int]] = {}
    for row in (row for row, kept in enumerate(sound) if kept):
        by_content.setdefault(raw[row].tobytes(), []).append(row)
    sets = [members for members in by_content.values() if len(members) > 1]
    apart = 0
    for members in sets:
        families = Counter(rows.groups[row] for row in members)
        apart += len(members) if len(families) > 1 else 0
    largest = max(sets, key=len, default=[])
    return sum(map(len, sets)), apart, [rows.ids[row] for row in largest]
