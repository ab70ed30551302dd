"""``auto``: several methods on the same rows, and of those that retrieve held-out rows best the one named first.

Every method is fitted without each of three folds and judged by how well the fold's rows find each other, on the
edges that exist. Of those that come close to the best, the first scores alone: what edges show cannot tell them apart,
and the order of ``USUAL`` goes from the method that is fitted and stored most cheaply to the one that models most.
``combine: average`` averages them instead: of a pair, each method's score is centred and scaled by the mean and the
standard deviation of its scores of training rows that do not belong together, so that a score does not depend on
the rest of its batch.

``pcca``, where it is among the methods, is kept in any case: the others centre rows by its means, which allow for data
sets whose items differ on average, and it imputes.

Use it by default: methods differ in which data suit them. Cost: the sum of its methods' fits, and of each three more
with the options that it has chosen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import torch

from anybind.errors import ArtifactError, NoPathError, SelectionError, UsageError
from anybind.fit_data import FitData
from anybind.methods.cca_chain import CCAChain
from anybind.methods.chain_binder import ChainBinder
from anybind.methods.on_features import FEATURE_OPTIONS, OnFeatures
from anybind.methods.pcca import PCCA
from anybind.methods.pivot import Pivot
from anybind.methods.posterior import Imputed, Rows
from anybind.methods.relative import Relative
from anybind.methods.score_spread import Spread, drawn_rows, every_spread, some_rows
from anybind.methods.selection import Edge, held_out_mrr, selection_folds
from anybind.methods.similarity import InnerProduct
from anybind.moments import Moments
from anybind.steps import SideBySide, Steps, UnitLength

if TYPE_CHECKING:
    from anybind.protocols import BinderMethod

Pair = tuple[str, str]

METHODS: Mapping[str, Any] = {"pcca": PCCA, "cca-chain": CCAChain, "pivot": Pivot, "relative": Relative}
USUAL = ("cca-chain", "pcca")
# One fold of a few hundred pairs cannot tell methods apart that differ by a few percent.
_FOLDS = 3


@dataclass(frozen=True, kw_only=True)
class Auto(OnFeatures):
    """The best method, or the average of the best.

    Args:
        methods: The methods to choose among, by name, in order of preference; ``USUAL`` if None.
        combine: Of those that come close to the best, take the "first", or "average" all.
        tolerance: How much less than the best one's held-out MRR comes close, as a share of it.
    """

    methods: Sequence[str] | None = None
    combine: str = "first"
    tolerance: float = 0.03
    members: Mapping[str, BinderMethod] = field(default_factory=dict)
    scoring: Sequence[str] = ()
    quality: Mapping[str, float] = field(default_factory=dict)
    spreads: Mapping[Pair, Mapping[str, Spread]] = field(default_factory=dict)

    def fit(
        self,
        data: FitData,
        *,
        targets: Sequence[Pair] = (),
        routes: Mapping[Pair, Any] | None = None,
        seed: int = 0,
    ) -> Auto:
        """Fit every method, judge it, and keep those that come close to the best; see ``BinderMethod.fit``.

        Raises:
            UsageError: no method is named, or an unknown one.
            SelectionError: too few paired rows can be held out.
            DataError, NoPathError: as the methods.
        """
        told: dict[str, Any] = {"targets": targets, "routes": routes or {}, "seed": seed}
        fitted = _on_common_means(
            {name: self._unfitted(name).fit(data, **told) for name in _checked(self.methods or USUAL)}
        )
        quality = {name: self._held_out(name, method, data, seed) for name, method in fitted.items()}
        scoring = self._chosen(quality)
        members = {name: fitted[name] for name in fitted if name in (*scoring, "pcca")}
        chosen = replace(self, members=members, scoring=scoring, quality=quality)
        return chosen._spread_out(data.moments, targets, data)

    def partial_fit(
        self,
        moments: Moments,
        *,
        targets: Sequence[Pair] = (),
        routes: Mapping[Pair, Any] | None = None,
        steps: int = 5,
    ) -> Auto:
        """Go on with the methods that were kept, each from where it is; none is judged again.

        There are no rows whose scores would tell how these are spread: rows drawn from normal distributions with
        the data sets' own moments take their place.

        Args:
            moments: Of everything, in the coordinates of this fit: those it was fitted to, merged with the new.
            targets, routes: As in ``fit``.
            steps: Of the methods that need steps.

        Raises:
            UsageError: this method is not fitted, or has kept one that cannot go on.
            SelectionError, DataError, NoPathError: as the methods.
        """
        if not self.members:
            raise UsageError("there is no fit to go on from", hint="use fit first")
        told: dict[str, Any] = {"targets": targets, "routes": routes or {}, "steps": steps}
        grown: dict[str, Any] = {}
        for name, method in self.members.items():
            if not hasattr(method, "partial_fit"):
                raise UsageError("a method that auto keeps needs the rows it was fitted on", got=name,
                                 hint="fit with methods: [pcca, cca-chain]")  # fmt: skip
            grown[name] = method.partial_fit(moments, **told)
        return replace(self, members=_on_common_means(grown))._spread_out(moments, targets)

    def refit(
        self,
        data: FitData,
        *,
        targets: Sequence[Pair] = (),
        routes: Mapping[Pair, Any] | None = None,
        seed: int = 0,
    ) -> Auto:
        """The kept methods fitted to other rows with what they have chosen, so that these rows are judged alike.

        Raises:
            UsageError: this method is not fitted.
            SelectionError, DataError, NoPathError: as the methods.
        """
        if not self.members:
            raise UsageError("there is no fit to repeat", hint="use fit first")
        told: dict[str, Any] = {"targets": targets, "routes": routes or {}, "seed": seed}
        again = {name: self._fitted_again(name, method, data, told) for name, method in self.members.items()}
        return replace(self, members=_on_common_means(again))._spread_out(data.moments, targets, data)

    def embed(self, space: str, vectors: torch.Tensor) -> torch.Tensor:
        """(n, r) float32 unit rows: the methods' joint spaces side by side, each as long as the others."""
        known = [method.embed(space, vectors) for method in self._scorers().values()]
        parts = [torch.nn.functional.normalize(part.to(torch.float64), dim=1) for part in known]
        return (torch.cat(parts, 1) / math.sqrt(len(parts))).to(torch.float32)

    def score(self, space_a: str, a: torch.Tensor, space_b: str, b: torch.Tensor) -> torch.Tensor:
        """(n_a, n_b) float32: the mean of the methods' scores, in standard deviations of unrelated rows' scores.

        Raises:
            NoPathError: no chain of data sets joins the two spaces, or the pair is no target.
        """
        tables = {name: method.score(space_a, a, space_b, b) for name, method in self._scorers().items()}
        if len(tables) == 1:
            only: torch.Tensor = tables.popitem()[1]
            return only
        spreads = self._spreads_of(space_a, space_b)
        scaled = [(table - spreads[name].mean) / spreads[name].deviation for name, table in tables.items()]
        return torch.stack(scaled).mean(0)

    def embedding_steps(self, space: str) -> Steps:
        """``embed``, step by step; errors as it."""
        members: Sequence[Any] = tuple(self._scorers().values())
        maps = tuple((*method.embedding_steps(space), UnitLength()) for method in members)
        return maps[0] if len(maps) == 1 else (SideBySide(maps, 1 / math.sqrt(len(maps))),)

    def as_inner_product(self, space_a: str, space_b: str) -> InnerProduct:
        """``score`` as one inner product: the methods' own, scaled and side by side, and a constant; errors as it."""
        members: Mapping[str, Any] = self._scorers()
        products: dict[str, InnerProduct] = {
            name: method.as_inner_product(space_a, space_b) for name, method in members.items()
        }
        if len(products) == 1:
            return products.popitem()[1]
        spreads, count = self._spreads_of(space_a, space_b), len(products)
        constant = -sum(spread.mean / spread.deviation for spread in spreads.values()) / count

        def left(rows: torch.Tensor) -> torch.Tensor:
            parts = [each.left(rows) / (count * spreads[name].deviation) for name, each in products.items()]
            return torch.cat([*parts, torch.full((len(rows), 1), constant)], 1)

        def right(rows: torch.Tensor) -> torch.Tensor:
            return torch.cat([*(each.right(rows) for each in products.values()), torch.ones(len(rows), 1)], 1)

        return InnerProduct(left, right)

    def impute(self, goal: str, rows: Rows, present: Rows | None = None) -> Imputed:
        """As ``PCCA.impute``; UsageError unless pcca is among the methods."""
        return self._latent().impute(goal, rows, present)

    def fuse(self, rows: Rows, present: Rows | None = None) -> torch.Tensor:
        """Unit rows, as ``fuse`` of the method that scores; UsageError where it has none, or several score."""
        fused: torch.Tensor = self._sole("fuse").fuse(rows, present)
        return torch.nn.functional.normalize(fused, dim=1)

    def uncertainty(self, rows: Rows, present: Rows | None = None) -> torch.Tensor:
        """As ``uncertainty`` of the method that scores; UsageError where it has none, or several score."""
        told: torch.Tensor = self._sole("uncertainty").uncertainty(rows, present)
        return told

    def _sole(self, verb: str) -> Any:
        """The one method that scores, if it is able to; what others fuse cannot be compared with its embeddings."""
        only = self.members[self.scoring[0]] if len(self.scoring) == 1 else None
        if not hasattr(only, verb):
            raise UsageError(
                f"auto has no one method that can {verb}", got=", ".join(self.scoring), expected="pcca or cca-chain",
                hint="fit with combine: first, and with methods that can",
            )  # fmt: skip
        return only

    def _scorers(self) -> dict[str, BinderMethod]:
        return {name: self.members[name] for name in self.scoring}

    def _spread_out(self, moments: Moments, targets: Sequence[Pair], data: FitData | None = None) -> Auto:
        """With the spreads that several methods' scores are averaged by; drawn from the moments without data."""
        if len(self.scoring) < 2:
            return replace(self, spreads={})
        some = drawn_rows(moments) if data is None else {space: some_rows(data, space) for space in data.dims}
        return replace(self, spreads=every_spread(self._scorers(), moments, targets, some))

    def _spreads_of(self, space_a: str, space_b: str) -> Mapping[str, Spread]:
        low, high = sorted((space_a, space_b))
        if (low, high) not in self.spreads:
            raise NoPathError(
                "the binder was fitted without this pair of spaces", where=f"{space_a!r} and {space_b!r}",
                hint="fit with this pair among the targets",
            )  # fmt: skip
        return self.spreads[low, high]

    def _latent(self) -> PCCA:
        found = self.members.get("pcca")
        if not isinstance(found, PCCA):
            raise UsageError(
                "auto has no method with a model of the rows", got=", ".join(self.members), expected="pcca",
                hint="fit with method pcca",
            )  # fmt: skip
        return found

    def config(self) -> dict[str, Any]:
        """Options, every kept method's own, which of them score, what each reached on held-out rows, the spreads."""
        spreads = [
            {"pair": list(pair), **{name: [s.mean, s.deviation] for name, s in each.items()}}
            for pair, each in sorted(self.spreads.items())
        ]
        return {
            **self.feature_config(), "methods": self.methods and list(self.methods), "combine": self.combine,
            "tolerance": self.tolerance, "held_out_mrr": dict(self.quality), "scoring": list(self.scoring),
            "spreads": spreads,
            "members": {name: method.config() for name, method in self.members.items()},
        }  # fmt: skip

    def tensors(self) -> dict[str, torch.Tensor]:
        """The methods' tensors, as ``<method>/<name>``."""
        return {
            f"{method}/{name}": tensor
            for method, each in self.members.items() for name, tensor in each.tensors().items()
        }  # fmt: skip

    @classmethod
    def restore(cls, config: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> Auto:
        """Rebuild from ``config`` and ``tensors``; raises ArtifactError for a method it does not know."""
        members: dict[str, BinderMethod] = {}
        for name, own in config["members"].items():
            if name not in METHODS:
                raise ArtifactError("a method is unknown", where="auto", got=name, expected=", ".join(METHODS))
            prefix = f"{name}/"
            parts = {key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)}
            members[name] = METHODS[name].restore(own, parts)
        spreads = {
            (each["pair"][0], each["pair"][1]): {name: Spread(*each[name]) for name in config["scoring"]}
            for each in config["spreads"]
        }
        return cls(
            **cls.saved_features(config), methods=config["methods"], combine=config["combine"],
            tolerance=config["tolerance"], members=members, scoring=tuple(config["scoring"]),
            quality=dict(config["held_out_mrr"]), spreads=spreads,
        )  # fmt: skip

    def _unfitted(self, name: str) -> Any:
        method = METHODS[name]
        known = {f.name for f in fields(method)}
        return method(**{option: getattr(self, option) for option in FEATURE_OPTIONS if option in known})

    def _held_out(self, name: str, fitted: Any, data: FitData, seed: int) -> float:
        """Mean reciprocal rank of folds' rows by the method fitted on the rest, with what it has chosen."""
        edges = data.moments.edges()
        pairs = list(dict.fromkeys((a, b) for _, a, b in edges))
        told: dict[str, Any] = {"targets": pairs, "routes": {pair: [pair] for pair in pairs}, "seed": seed}
        found = []
        for fold in _folds(data, edges):
            seen = data.without_fold(fold)
            again = self._fitted_again(name, fitted, seen, told)
            zeros = {key: torch.zeros_like(mean, dtype=torch.float32) for key, mean in seen.means().items()}
            found.append(held_out_mrr(again.score, data, edges, fold, zeros))
        return sum(found) / len(found)

    def _fitted_again(self, name: str, fitted: Any, seen: FitData, told: Mapping[str, Any]) -> Any:
        if hasattr(fitted, "settled"):
            with suppress(SelectionError):  # a rank that all rows allow may be too high for fewer
                return fitted.settled().fit(seen, **told)
        return self._unfitted(name).fit(seen, **told)

    def _chosen(self, quality: Mapping[str, float]) -> tuple[str, ...]:
        best = max(quality.values())
        close = tuple(name for name, value in quality.items() if value >= (1 - self.tolerance) * best)
        return close if self.combine == "average" else close[:1]


def _checked(methods: Sequence[str]) -> list[str]:
    unknown = [name for name in methods if name not in METHODS]
    if unknown or not methods:
        raise UsageError(
            "auto needs methods that it knows", where="option methods", got=unknown or "none",
            expected=f"some of {', '.join(METHODS)}",
        )  # fmt: skip
    return list(dict.fromkeys(methods))


def _on_common_means(fitted: Mapping[str, Any]) -> dict[str, Any]:
    """The methods, those that leave a chain behind centred as pcca is: its means allow for shifted data sets."""
    model = fitted.get("pcca")
    if not isinstance(model, PCCA):
        return dict(fitted)
    corrected = {space: each.encode.mean for space, each in model.spaces.items()}
    return {
        name: replace(method, chain=replace(method.chain, means={**method.chain.means, **corrected}))
        if isinstance(method, ChainBinder) and method.chain is not None
        else method
        for name, method in fitted.items()
    }


def _folds(data: FitData, edges: Sequence[Edge]) -> list[int]:
    with suppress(SelectionError):
        return selection_folds(data, edges, limit=_FOLDS)
    return selection_folds(data, edges, limit=data.moments.folds)
