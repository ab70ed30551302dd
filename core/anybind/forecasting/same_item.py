"""The probability that two rows are of the same item, from the score of a pair of spaces.

A score says how well two rows fit, on a scale of its method's and its pair of spaces' own. ``SameItem`` turns it into
log odds: natural logs of how much likelier the score is for rows of one item than for unrelated rows. These have one
scale for all pairs of spaces, so results of several can be merged. With a prior, the share of right pairs
among all that are looked at, they give a probability (Bayes); 1 / gallery where one item of a gallery is right.

Scores are standardised first. Where a query is compared with enough rows, by its scores of all the others: some
queries score high with everything (T-norm of speaker verification, Auckenthaler et al. 2000). Else by the scores of
unrelated held-out pairs, which are less sharp. Each of the two ways has its own likelihood ratio.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import expm1, isfinite, log, log1p
from typing import Any

import torch

from anybind.errors import UsageError
from anybind.forecasting.likelihood_ratio import LikelihoodRatio

ENOUGH = 50  # rows whose scores with a query tell how that query scores


@dataclass(frozen=True)
class SameItem:
    """How to read the scores of a pair of spaces.

    Attributes:
        mean: Of unrelated pairs' scores.
        deviation: Their standard deviation, above 0.
        alone: For scores standardised by these two.
        among: For scores standardised by the query's other ones.
    """

    mean: float
    deviation: float
    alone: LikelihoodRatio
    among: LikelihoodRatio

    def log_odds(self, scores: torch.Tensor) -> torch.Tensor:
        """Natural logs of the density ratio, right pairs over unrelated ones.

        Args:
            scores: (n, m) of ``Binder.score``, a row per query. With 50 columns or more, a row is read by its own
                mean and deviation; then what a pair gets depends a little on the other columns.

        Returns:
            (n, m) float32, never decreasing in a query's score.
        """
        return self._log_odds(scores).to(torch.float32)

    def probability(self, scores: torch.Tensor, prior: float) -> torch.Tensor:
        """(n, m) float32: the probability of being the same item.

        Args:
            scores: As for ``log_odds``.
            prior: The share of right pairs among all pairs, between 0 and 1; 1 / m where each query has one.

        Raises:
            UsageError: the prior is not between 0 and 1.
        """
        return torch.sigmoid(self._log_odds(scores) + log_prior_odds(prior)).to(torch.float32)

    def false_match_rate(self, scores: torch.Tensor) -> torch.Tensor:
        """(n, m) float32: how often unrelated pairs score above each; no less than held-out pairs can show."""
        kind, standard = self._standardised(scores)
        return kind.exceeded(standard).to(torch.float32)

    def threshold(self, false_match_rate: float) -> float:
        """The score above which unrelated pairs come that often, for scores that are looked at one by one.

        Raises:
            UsageError: the rate is no fraction of 1, or lower than the held-out pairs can show.
        """
        return self.mean + self.deviation * self.alone.threshold(false_match_rate)

    def matches(self, scores: torch.Tensor, false_match_rate: float) -> torch.Tensor:
        """(n, m) booleans: which pairs to take for matches, if unrelated ones may be taken for it that often.

        Args:
            scores: As for ``log_odds``.
            false_match_rate: Per pair; see ``rate_per_pair`` for that of a whole search.

        Raises:
            UsageError: as ``threshold``.
        """
        kind, standard = self._standardised(scores)
        return standard > kind.threshold(false_match_rate)

    def least_rate(self, columns: int) -> float:
        """The lowest rate of false matches per pair that held-out pairs can show, for a table of so many columns."""
        return self._read_by(columns).least_rate

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, a few kilobytes."""
        parts = {"alone": self.alone.to_dict(), "among": self.among.to_dict()}
        return {"mean": self.mean, "deviation": self.deviation, **parts}

    @classmethod
    def from_dict(cls, known: Mapping[str, Any]) -> SameItem:
        """Back from ``to_dict``; raises ValueError for what it cannot have given."""
        if not (isfinite(known["mean"]) and isfinite(known["deviation"]) and known["deviation"] > 0):
            raise ValueError("mean and deviation must be numbers, the deviation above 0")
        alone, among = (LikelihoodRatio.from_dict(known[name]) for name in ("alone", "among"))
        return cls(known["mean"], known["deviation"], alone, among)

    def _log_odds(self, scores: torch.Tensor) -> torch.Tensor:
        kind, standard = self._standardised(scores)
        return kind.log_ratio(standard)

    def _standardised(self, scores: torch.Tensor) -> tuple[LikelihoodRatio, torch.Tensor]:
        kind = self._read_by(scores.shape[1])
        if kind is self.among:
            return kind, among_others(scores)
        return kind, (scores.to(torch.float64) - self.mean) / self.deviation

    def _read_by(self, columns: int) -> LikelihoodRatio:
        return self.among if columns >= ENOUGH else self.alone


def among_others(scores: torch.Tensor) -> torch.Tensor:
    """Every score less the mean of its row's others, in their standard deviations: (n, m) float64, m at least 3.

    A right item so leaves its own yardstick alone. Within a row the order stays.
    """
    table = scores.to(torch.float64)
    others = table.shape[1] - 1
    centred = table - table.mean(1, keepdim=True)
    squares = centred.square().sum(1, keepdim=True)
    # of the others: their mean is -centred / others, their squares around it what is left
    variance = (squares - centred.square() * (1 + 1 / others)) / (others - 1)
    least = (1e-12 * squares).clamp(min=torch.finfo(torch.float64).tiny)
    standard: torch.Tensor = centred * (1 + 1 / others) / torch.maximum(variance, least).sqrt()
    return standard


def log_prior_odds(prior: float) -> float:
    """log(prior / (1 - prior)); raises UsageError unless the prior lies between 0 and 1."""
    if not 0 < prior < 1:
        raise UsageError(
            "a prior is a probability", got=f"{prior:g}", expected="more than 0 and less than 1",
            hint="1 / (number of items in the gallery) where one of them is right",
        )  # fmt: skip
    return log(prior) - log(1 - prior)


def rate_per_pair(rate: float, gallery: int) -> float:
    """The rate of false matches per pair at which a search among so many unrelated rows matches one that often.

    Pairs are taken as independent, which is on the safe side where a query's scores go together.
    """
    rate = min(max(rate, 0.0), 1.0)
    return 1.0 if rate == 1 else -expm1(log1p(-rate) / gallery)


def rate_per_search(rate: float, gallery: int) -> float:
    """The inverse of ``rate_per_pair``."""
    return 1.0 if rate >= 1 else -expm1(gallery * log1p(-rate))
