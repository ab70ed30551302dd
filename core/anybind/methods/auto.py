"""``auto``: several methods on the same rows; their scores are made comparable and averaged.

Every method is fitted without each of three folds and judged by how well the fold's rows find each other, on the
edges that exist. Those that come close to the best are averaged: of a pair, each method's score is centred and
scaled by the mean and the standard deviation of its scores of rows that do not belong together. These come
from training rows, so a score does not depend on the rest of its batch. Where ``pcca`` is among the methods, the others
centre rows by its means, which allow for data sets whose items differ on average.

Use it by default: methods differ in which data suit them, and their errors differ too. Averaging over methods
is worth about as much as knowing which is best. Cost: the sum of its methods' fits, and of each three more with the
options that it has chosen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import torch

from anybind.errors import ArtifactError, NoPathError, SelectionError, UsageError
from anybind.fit_data import FitData
from anybind.methods.cca_chain import CCAChain
from anybind.methods.chain_binder import ChainBinder
from anybind.methods.joined import connected_parts
from anybind.methods.linalg import matrix_root
from anybind.methods.on_features import FEATURE_OPTIONS, OnFeatures
from anybind.methods.pcca import PCCA
from anybind.methods.pivot import Pivot
from anybind.methods.posterior import Imputed, Rows
from anybind.methods.relative import Relative
from anybind.methods.selection import Edge, held_out_mrr, selection_folds
from anybind.methods.similarity import InnerProduct
from anybind.moments import Moments
from anybind.steps import SideBySide, Steps, UnitLength

if TYPE_CHECKING:
    from anybind.protocols import BinderMethod

Pair = tuple[str, str]
SomeRows = tuple[list[str], torch.Tensor]  # ids and rows

METHODS: Mapping[str, Any] = {"pcca": PCCA, "cca-chain": CCAChain, "pivot": Pivot, "relative": Relative}
USUAL = ("pcca", "cca-chain")
# Rows of each space whose scores tell how a method's scores of unrelated rows are spread.
_UNRELATED = 500
# One fold of a few hundred pairs cannot tell methods apart that differ by a few percent.
_FOLDS = 3


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation of a method's scores of unrelated rows of a pair of spaces."""

    mean: float
    deviation: float


@dataclass(frozen=True, kw_only=True)
class Auto(OnFeatures):
    """The average of the best methods.

    Args:
        methods: The methods to choose among, by name; pcca and cca-chain if None.
        combine: "average" those that come close to the best, or take the "best" one alone.
        tolerance: How much less than the best one's held-out MRR comes close, as a share of it.
    """

    methods: Sequence[str] | None = None
    combine: str = "average"
    tolerance: float = 0.03
    members: Mapping[str, BinderMethod] = field(default_factory=dict)
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
        members = {name: fitted[name] for name in self._kept(quality)}
        some = {space: _some_rows(data, space) for space in data.dims}
        spreads = _every_spread(members, data.moments, targets, some)
        return replace(self, members=members, quality=quality, spreads=spreads)

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
                raise UsageError("a method that auto has kept needs the rows it was fitted on", got=name,
                                 hint="fit with methods: [pcca, cca-chain]")  # fmt: skip
            grown[name] = method.partial_fit(moments, **told)
        members = _on_common_means(grown)
        some = _drawn_rows(moments)
        return replace(self, members=members, spreads=_every_spread(members, moments, targets, some))

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
        members = _on_common_means(again)
        some = {space: _some_rows(data, space) for space in data.dims}
        return replace(self, members=members, spreads=_every_spread(members, data.moments, targets, some))

    def embed(self, space: str, vectors: torch.Tensor) -> torch.Tensor:
        """(n, r) float32 unit rows: the methods' joint spaces side by side, each as long as the others."""
        known = [method.embed(space, vectors) for method in self.members.values()]
        parts = [torch.nn.functional.normalize(part.to(torch.float64), dim=1) for part in known]
        return (torch.cat(parts, 1) / math.sqrt(len(parts))).to(torch.float32)

    def score(self, space_a: str, a: torch.Tensor, space_b: str, b: torch.Tensor) -> torch.Tensor:
        """(n_a, n_b) float32: the mean of the methods' scores, in standard deviations of unrelated rows' scores.

        Raises:
            NoPathError: no chain of data sets joins the two spaces, or the pair is no target.
        """
        tables = {name: method.score(space_a, a, space_b, b) for name, method in self.members.items()}
        if len(tables) == 1:
            only: torch.Tensor = tables.popitem()[1]
            return only
        spreads = self._spreads_of(space_a, space_b)
        scaled = [(table - spreads[name].mean) / spreads[name].deviation for name, table in tables.items()]
        return torch.stack(scaled).mean(0)

    def embedding_steps(self, space: str) -> Steps:
        """``embed``, step by step; errors as it."""
        members: Sequence[Any] = tuple(self.members.values())
        maps = tuple((*method.embedding_steps(space), UnitLength()) for method in members)
        return maps[0] if len(maps) == 1 else (SideBySide(maps, 1 / math.sqrt(len(maps))),)

    def as_inner_product(self, space_a: str, space_b: str) -> InnerProduct:
        """``score`` as one inner product: the methods' own, scaled and side by side, and a constant; errors as it."""
        members: Mapping[str, Any] = self.members
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
        """As ``PCCA.impute``; UsageError unless pcca is among the kept methods."""
        return self._latent().impute(goal, rows, present)

    def fuse(self, rows: Rows, present: Rows | None = None) -> torch.Tensor:
        """As ``PCCA.fuse``, unit rows; UsageError unless pcca alone was kept: the others cannot fuse."""
        model = self._latent()
        if len(self.members) > 1:
            raise UsageError(
                "auto averages several methods, and not all can fuse", got=", ".join(self.members),
                expected="pcca alone", hint="fit with method pcca",
            )  # fmt: skip
        return torch.nn.functional.normalize(model.fuse(rows, present), dim=1)

    def uncertainty(self, rows: Rows, present: Rows | None = None) -> torch.Tensor:
        """As ``PCCA.uncertainty``; UsageError unless pcca is among the kept methods."""
        return self._latent().uncertainty(rows, present)

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
                "auto kept no method with a model of the rows", got=", ".join(self.members), expected="pcca",
                hint="fit with method pcca",
            )  # fmt: skip
        return found

    def config(self) -> dict[str, Any]:
        """Options, every kept method's own, what they reached on held-out rows, and the spreads."""
        spreads = [
            {"pair": list(pair), **{name: [s.mean, s.deviation] for name, s in each.items()}}
            for pair, each in sorted(self.spreads.items())
        ]
        return {
            **self.feature_config(), "methods": self.methods and list(self.methods), "combine": self.combine,
            "tolerance": self.tolerance, "held_out_mrr": dict(self.quality), "spreads": spreads,
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
            (each["pair"][0], each["pair"][1]): {name: Spread(*each[name]) for name in members}
            for each in config["spreads"]
        }
        return cls(
            **cls.saved_features(config), methods=config["methods"], combine=config["combine"],
            tolerance=config["tolerance"], members=members, quality=dict(config["held_out_mrr"]), spreads=spreads,
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

    def _kept(self, quality: Mapping[str, float]) -> list[str]:
        best = max(quality, key=lambda name: quality[name])
        if self.combine == "best":
            return [best]
        return [name for name, value in quality.items() if value >= (1 - self.tolerance) * quality[best]]


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


def _every_spread(
    members: Mapping[str, BinderMethod], moments: Moments, targets: Sequence[Pair], some: Mapping[str, SomeRows]
) -> dict[Pair, dict[str, Spread]]:
    """For the targets, or else all that is joined, how each method's scores of unrelated rows are spread."""
    joined = [pair for part in connected_parts(moments) for pair in combinations(sorted(part), 2)]
    pairs = [(min(pair), max(pair)) for pair in targets] or joined
    return {(a, b): _spreads(members, a, some[a], b, some[b]) for a, b in dict.fromkeys(pairs)}


def _spreads(
    members: Mapping[str, BinderMethod], a: str, some_a: SomeRows, b: str, some_b: SomeRows
) -> dict[str, Spread]:
    (ids_a, rows_a), (ids_b, rows_b) = some_a, some_b
    unrelated = torch.tensor([[x != y for y in ids_b] for x in ids_a], dtype=torch.bool)
    if int(unrelated.sum()) < 2:
        raise SelectionError(
            "scores cannot be calibrated without rows", where=f"{a!r} and {b!r}",
            hint="name one method instead of auto where data sets may not show rows",
        )  # fmt: skip
    spreads = {}
    for name, method in members.items():
        scores = method.score(a, rows_a, b, rows_b)[unrelated].to(torch.float64)
        spreads[name] = Spread(float(scores.mean()), max(float(scores.std()), 1e-12))
    return spreads


def _some_rows(data: FitData, space: str) -> SomeRows:
    """Ids and rows of a space, from all data sets that hold it in turn."""
    ids: list[str] = []
    rows = []
    holding = [sample for sample in data.samples.values() if space in sample.vectors]
    for sample in holding:
        held = sample.present[space].nonzero()[:, 0][: _UNRELATED // len(holding)]
        ids += [sample.ids[i] for i in held.tolist()]
        rows.append(sample.vectors[space][held])
    return ids, torch.cat(rows) if rows else torch.zeros(0, data.dims[space])


def _drawn_rows(moments: Moments) -> dict[str, SomeRows]:
    """Space -> rows as normal distributions would have them, one for each group that holds the space, in turn."""
    groups, generator = moments.groups(), torch.Generator().manual_seed(0)
    found: dict[str, SomeRows] = {}
    for space, dim in sorted(moments.dims.items()):
        holding = [group for group in groups if space in group.spaces]
        rows = []
        for group in holding:
            standard = torch.randn(-(-_UNRELATED // len(holding)), dim, generator=generator, dtype=torch.float64)
            rows.append(standard @ matrix_root(group.block(space, space)) + group.mean[group.columns[space]])
        drawn = torch.cat(rows).to(torch.float32)
        found[space] = [f"{space} {row}" for row in range(len(drawn))], drawn
    return found
