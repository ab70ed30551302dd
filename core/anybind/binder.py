"""``Binder``: what users hold. It wraps a fitted method, knows its spaces, loads encoders when asked to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import torch

from anybind.array_input import array_sources, finite_matrix, shown_rows
from anybind.artifact import GRAPH, METRICS, DatasetInfo, SpaceInfo, Training, read_artifact
from anybind.binder_files import BinderFiles
from anybind.encoding import build_encoder, encode_inputs
from anybind.errors import UnknownNameError, UsageError
from anybind.extending import Parts, extended, require_extensible
from anybind.fit_data import RowSource
from anybind.forecasting.forecast import required_basis
from anybind.hub.names import REPOSITORY
from anybind.input_maps import InputMap
from anybind.joint_map import inner_product
from anybind.methods.posterior import Imputed
from anybind.moments import Moments
from anybind.options import did_you_mean
from anybind.plugins import installed_registry
from anybind.restoring import restored_basis, restored_inputs, restored_method, restored_moments

if TYPE_CHECKING:
    from anybind.forecasting.forecast import Basis, Forecast
    from anybind.forecasting.same_item import SameItem
    from anybind.methods.similarity import InnerProduct
    from anybind.protocols import BinderMethod
    from anybind.registry import Registry

Pair = tuple[str, str]


@final
class Binder(BinderFiles):
    """A fitted binder. Made by ``anybind.fit``, ``anybind.run`` or ``Binder.from_pretrained``.

    Attributes:
        method_name: The registered name of the method.
        spaces: Space -> what it is.
        training: The data sets, row counts and seed it was fitted on.
        texts: graph.yaml and metrics.json, those there are.
        licence: The licence a person has chosen for it, as the Hub names it; None to go by its parts.
        revision: The commit it was pulled at; None for one that was not pulled.
        moments: What the fit saw of the data, if it was kept; ``partial_fit`` goes on from it.
        basis: What forecasts are calculated from, if held-out rows could be looked at.
    """

    def __init__(
        self,
        method_name: str,
        method: BinderMethod,
        spaces: Mapping[str, SpaceInfo],
        inputs: Mapping[str, InputMap],
        training: Training,
        texts: Mapping[str, str] | None = None,
        registry: Registry | None = None,
        *,
        licence: str | None = None,
        revision: str | None = None,
        moments: Moments | None = None,
        basis: Basis | None = None,
    ) -> None:
        self.method_name = method_name
        self.licence = licence
        self.revision = revision
        self.moments = moments
        self.basis = basis
        self.spaces = dict(spaces)
        self.training = training
        self.texts = dict(texts or {})
        self._method = method
        self._inputs = dict(inputs)
        self._registry = registry
        self._encoders: dict[str, Any] = {}

    @property
    def dims(self) -> dict[str, int]:
        """Space -> length of its raw vectors."""
        return {name: space.dim for name, space in self.spaces.items()}

    @property
    def fitted(self) -> dict[str, Any]:
        """The method's options and what it chose (ranks, shrinkages, ridges), as plain values."""
        return self._method.config()

    @property
    def scores_batches(self) -> bool:
        """Whether a score depends on the other rows of its call, as with pcca's ``centring: batch``."""
        return getattr(self._method, "centring", "training") == "batch"

    def embed(self, space: str, vectors: Any) -> torch.Tensor:
        """Vectors of a space in the joint space.

        Args:
            space: A space of this binder.
            vectors: (n, dim) array of the encoder's raw vectors.

        Returns:
            (n, r) float32 tensor on the CPU.

        Raises:
            UnknownNameError: no such space.
            ShapeError: not (n, dim).
            DataError: NaN or infinity.
        """
        return self._method.embed(space, self._prepared(space, vectors))

    def score(self, space_a: str, a: Any, space_b: str, b: Any) -> torch.Tensor:
        """How likely rows of two spaces are the same item.

        Args:
            space_a: A space.
            a: (n_a, dim_a) array.
            space_b: Another space.
            b: (n_b, dim_b) array.

        Returns:
            (n_a, n_b) float32; higher is likelier. The scale depends on the method.

        Raises:
            As ``embed``; NoPathError where the method has no route between the two.
        """
        return self._method.score(space_a, self._prepared(space_a, a), space_b, self._prepared(space_b, b))

    def impute(
        self, space: str, rows: Mapping[str, Any], *, present: Mapping[str, Any] | None = None
    ) -> Imputed:
        """Vectors of a space, expected from what rows show in other spaces.

        Args:
            space: The space to fill in. Where ``rows`` shows it, the row itself comes back with variance 0.
            rows: Space -> (n, dim) array; row i of every space is the same item.
            present: Space -> (n,) booleans, where rows are missing.

        Returns:
            ``mean`` and ``variance``, (n, dim) float32 each: the encoder's vectors, of unit length where the
            binder was fitted so. With kernel features the variance is approximate; see ``InputMap.inverse``.

        Raises:
            As ``embed``; UsageError where the method, or its features, cannot tell vectors; NoPathError where no
            chain of data sets joins the spaces.
        """
        goal, able = self._space(space).name, self._able("impute")
        raw, masks = shown_rows(rows, present, self.dims)
        found = able(goal, self._mapped(raw), present=masks)
        mean, variance = self._inputs[goal].inverse(found.mean, found.variance)
        if goal in raw:
            shown = masks.get(goal, torch.ones(len(mean), dtype=torch.bool))
            mean[shown], variance[shown] = self._inputs[goal].scaled(raw[goal])[shown], 0.0
        return Imputed(mean, variance)

    def fuse(self, rows: Mapping[str, Any], *, present: Mapping[str, Any] | None = None) -> torch.Tensor:
        """One vector of the joint space for each row, from all spaces that it shows, by their precision.

        Args:
            rows: Space -> (n, dim) array; row i of every space is the same item.
            present: Space -> (n,) booleans, where rows are missing.

        Returns:
            (n, r) float32, comparable with ``embed``.

        Raises:
            As ``impute``.
        """
        able = self._able("fuse")
        raw, masks = shown_rows(rows, present, self.dims)
        fused: torch.Tensor = able(self._mapped(raw), present=masks)
        return fused

    def uncertainty(self, rows: Mapping[str, Any], *, present: Mapping[str, Any] | None = None) -> torch.Tensor:
        """(n,) float32 in (0, 1]: how little each row's spaces tell of it; 1 for nothing. Arguments as ``fuse``."""
        able = self._able("uncertainty")
        raw, masks = shown_rows(rows, present, self.dims)
        told: torch.Tensor = able(self._mapped(raw), present=masks)
        return told

    def forecast(
        self, space_a: str, space_b: str, *, gallery: int = 1000, ks: Sequence[int] = (1, 5, 10),
        queries: int | None = None,
    ) -> Forecast:
        """What retrieval to expect between two spaces, from held-out rows of the data sets that exist.

        No row that holds both spaces is needed, and none of a test is looked at; see ``anybind.forecasting``.

        Args:
            space_a: A space.
            space_b: Another space; the order does not matter.
            gallery: Items to choose from, the right one among them; at least 2.
            ks: The k of the recalls.
            queries: Of the test whose result the interval is for; as many as the gallery has items if None.

        Raises:
            UnknownNameError: no such space.
            NoPathError: nothing is known of the pair: no route, or too few rows on it.
            UsageError: the binder was fitted without looking at held-out rows, or the gallery is too small.
        """
        return self._known_basis(space_a, space_b).forecast(space_a, space_b, gallery, ks, queries)

    def probability(self, space_a: str, a: Any, space_b: str, b: Any, *, prior: float) -> torch.Tensor:
        """The probability that rows of two spaces are the same item; comparable between pairs of spaces.

        Calibrated on held-out rows, for a bridged pair through the forecast's model; see
        ``anybind.forecasting.same_item``.

        Args:
            space_a, a, space_b, b: As of ``score``. With 50 or more rows of b, a row of a is read beside them.
            prior: The share of right pairs among all, between 0 and 1: 1 / gallery where one item of b is right.

        Returns:
            (n_a, n_b) float32 in [0, 1], never decreasing in a row's score.

        Raises:
            As ``score``; UsageError without a forecast or for a prior out of range; NoPathError as ``forecast``.
        """
        return self._same_item(space_a, space_b).probability(self.score(space_a, a, space_b, b), prior)

    def threshold(self, space_a: str, space_b: str, *, false_match_rate: float) -> float:
        """The score that unrelated rows exceed at a rate per pair, for scores that are looked at one by one.

        Raises:
            UsageError: there is no forecast, or held-out rows cannot show so low a rate.
            NoPathError: as ``forecast``.
        """
        return self._same_item(space_a, space_b).threshold(false_match_rate)

    def as_inner_product(self, space_a: str, space_b: str) -> InnerProduct:
        """``score`` as an inner product of two embeddings; see ``anybind.joint_map.inner_product``."""
        return inner_product(self, space_a, space_b)

    def encode(self, inputs: Any, *, modality: str, batch_size: int = 32) -> torch.Tensor:
        """Raw inputs in the joint space, through the encoder this binder was fitted with.

        Args:
            inputs: One raw input (a path, a text, a loaded sample) or a list of them.
            modality: A modality of this binder, or the space's name where a modality has several.
            batch_size: Inputs per call of the encoder.

        Returns:
            (n, r) float32; (r,) for a single input.

        Raises:
            DataError: an input cannot be read.
            PluginError: the encoder is missing or not the one this binder was fitted with.
        """
        space = self.space_of(modality)
        single = not isinstance(inputs, list | tuple)
        vectors = self.encode_raw([inputs] if single else inputs, space=space, batch_size=batch_size)
        joint = self.embed(space, vectors)
        return joint[0] if single else joint

    def encode_raw(self, inputs: Sequence[Any], *, space: str, batch_size: int = 32) -> torch.Tensor:
        """Raw inputs as the encoder's own (n, dim) float32 vectors, for ``score``; errors as ``encode``."""
        info = self._space(space)
        if info.name not in self._encoders:
            self._encoders[info.name] = build_encoder(info, self._own_registry())
        kinds = {info.modality: info.kind} if info.kind else {}
        modality = self._own_registry().build_modality(info.modality, kinds)
        return encode_inputs(inputs, info, modality, self._encoders[info.name], batch_size)

    def space_of(self, modality: str) -> str:
        """The space of this name, or the only space of this modality.

        Raises:
            UnknownNameError: none, or several.
        """
        if modality in self.spaces:
            return modality
        of_modality = [name for name, info in self.spaces.items() if modality in (info.modality, info.kind)]
        if len(of_modality) == 1:
            return of_modality[0]
        what = "several spaces are of this modality" if of_modality else "this binder has no such modality"
        names = [*self.spaces, *(info.modality for info in self.spaces.values())]
        raise UnknownNameError(what, got=modality, expected=f"one of {', '.join(of_modality or self.spaces)}",
                               hint=did_you_mean(modality, names))  # fmt: skip

    def partial_fit(
        self,
        datasets: Mapping[str, Mapping[str, Any]],
        *,
        present: Mapping[str, Mapping[str, Any]] | None = None,
        ids: Mapping[str, Sequence[str]] | None = None,
        groups: Mapping[str, Sequence[str]] | None = None,
        from_nan: bool = False,
        steps: int = 5,
    ) -> Binder:
        """A new binder that has seen more data sets, and spaces, without the rows this one was fitted on.

        What was chosen stays; what was measured is dropped, and so is the licence, which may not suit the new data.

        Args:
            datasets, present, ids, groups, from_nan: As ``anybind.fit``; data sets must have new names.
            steps: EM steps, for the methods that need them.

        Raises:
            UsageError: this binder's moments were not kept, its method cannot go on from them, or a name is taken.
            As ``anybind.fit``, for the new rows.
        """
        sources = array_sources(datasets, present=present, ids=ids, groups=groups, from_nan=from_nan)
        return self.partial_fit_sources(sources, steps=steps)

    def partial_fit_sources(
        self,
        sources: Sequence[RowSource],
        *,
        steps: int = 5,
        spaces: Mapping[str, SpaceInfo] | None = None,
        datasets: Mapping[str, DatasetInfo] | None = None,
    ) -> Binder:
        """As ``partial_fit``, from streams of rows; ``spaces`` and ``datasets`` tell what is known of the new ones."""
        moments = require_extensible(self.method_name, self._method, self.moments, self._own_registry())
        old = Parts(self._method, self.spaces, self._inputs, self.training, moments)
        new = extended(old, sources, steps=steps, spaces=spaces, datasets=datasets)
        texts = {name: text for name, text in self.texts.items() if name == GRAPH}
        return Binder(self.method_name, new.method, new.spaces, new.inputs, new.training, texts, self._registry,
                      moments=new.moments)  # fmt: skip

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        *,
        revision: str | None = None,
        token: str | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        endpoint: str | None = None,
        registry: Registry | None = None,
    ) -> Binder:
        """Load a binder from a folder or from the Hugging Face Hub.

        Args:
            name: A folder that ``save_pretrained`` wrote, or ``owner/name`` on the Hub; a folder goes first.
            revision, token, cache_dir, local_files_only, endpoint: As ``anybind.hub.pull``; for the Hub only.
            registry: Where methods and encoders are looked up; the installed plugins if None.

        Raises:
            ArtifactError: missing, damaged, changed, or made by a newer version.
            HubError: the Hub does not have it, refuses or cannot be reached.
            UnknownNameError: the method's plugin is not installed.
        """
        folder, commit = Path(name), None
        if not folder.exists() and REPOSITORY.fullmatch(str(name)):
            from anybind.hub import pull

            found = pull(str(name), revision=revision, token=token, cache_dir=cache_dir,
                         local_files_only=local_files_only, endpoint=endpoint)  # fmt: skip
            folder, commit = found.folder, found.revision
        saved = read_artifact(folder)
        config = saved.config
        registry = registry or installed_registry()
        inputs = restored_inputs(config.spaces, saved.tensors)
        method = restored_method(saved, inputs, registry, folder)
        texts = {name: text for name, text in saved.texts.items() if name in (GRAPH, METRICS)}
        return cls(config.method, method, config.spaces, inputs, config.training, texts, registry,
                   licence=config.licence, revision=commit, moments=restored_moments(saved, folder),
                   basis=restored_basis(saved, folder))  # fmt: skip

    def __repr__(self) -> str:
        return f"Binder({self.method_name!r}, spaces={self.dims})"

    def _able(self, verb: str) -> Any:
        """The method's own ``verb``; UsageError where it has none."""
        found = getattr(self._method, verb, None)
        if found is None:
            raise UsageError(
                f"the method {self.method_name!r} cannot {verb}", expected="a method with a model of its rows",
                hint="fit with method pcca",
            )  # fmt: skip
        return found

    def _known_basis(self, *spaces: str) -> Basis:
        for space in spaces:
            self._space(space)
        return required_basis(self.basis, self.method_name)

    def _same_item(self, space_a: str, space_b: str) -> SameItem:
        return self._known_basis(space_a, space_b).same_item(space_a, space_b)

    def _mapped(self, rows: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {space: self._inputs[space](vectors) for space, vectors in rows.items()}

    def _prepared(self, space: str, vectors: Any) -> torch.Tensor:
        info = self._space(space)
        return self._inputs[space](finite_matrix(vectors, f"space {space!r}", info.dim))

    def _space(self, name: str) -> SpaceInfo:
        if name not in self.spaces:
            raise UnknownNameError("this binder has no such space", got=name, expected=", ".join(self.spaces),
                                   hint=did_you_mean(name, self.spaces))  # fmt: skip
        return self.spaces[name]

    def _own_registry(self) -> Registry:
        self._registry = self._registry or installed_registry()
        return self._registry
