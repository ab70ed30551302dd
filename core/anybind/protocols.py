"""What plugins implement: Modality, Encoder, Dataset, BinderMethod.

These are static shapes for type checkers and readers. Behaviour is checked where things are used
(extraction checks every vector; fitting checks every array), never by ``isinstance``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from anybind.specs import EncoderSpec

if TYPE_CHECKING:
    import torch

    from anybind.fit_data import FitData


class Modality(Protocol):
    """A kind of raw sample.

    Constructing a modality is cheap and imports no torch.
    """

    name: str

    def load(self, source: Any) -> Any:
        """Turn a source (path, bytes, or a sample that is already loaded) into a sample.

        Raises:
            DataError: the source is missing or unreadable; ``where`` names it.
        """

    def check(self, sample: Any) -> None:
        """Raise DataError when ``sample`` is not a valid sample of this modality."""

    def preview(self, sample: Any) -> str:
        """A small, self-contained, escaped HTML fragment that shows the sample to a person."""


class Encoder(Protocol):
    """A frozen map from samples of one modality to vectors. Weights load in the constructor.

    An encoder of texts may also have ``as_sentence_transformer()``, which gives the same model as a
    ``sentence_transformers.SentenceTransformer``; ``anybind export`` asks for it.
    """

    spec: EncoderSpec

    def encode(self, samples: Sequence[Any]) -> torch.Tensor:
        """Embed loaded samples, in order.

        Returns:
            (len(samples), spec.dim) float32 tensor on the CPU, finite. Zero samples give (0, dim).
        """


class Dataset(Protocol):
    """Rows that pair sources of several modalities, joined by stable string ids.

    Constructing a data set is cheap and imports no torch; reading rows may do more.
    ``collection`` names the items themselves, without split, seed or subset: two data sets of one
    collection that share an id share the item, and so its vector.

    A data set may also have ``groups``, one name per row: rows of one group are near-duplicates (frames of
    one clip, variants of one picture), which are never divided between the rows a choice is fitted on and
    the rows it is judged by. And ``attribution``, a text that must stand wherever its samples are shown. And
    ``skipped``, triples (id, modality, reason) of what was found faulty when the data set was opened and left
    out; the modality is empty when it is a whole row. Extraction lists them in its report.
    """

    collection: str
    modalities: tuple[str, ...]
    ids: Sequence[str]

    def __len__(self) -> int:
        """Number of rows."""

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        """Row ``index`` as modality -> source for Modality.load; a missing modality is an absent key."""


class BinderMethod(Protocol):
    """A binder method: fitted state plus the maps it defines. Instances are made with validated options.

    ``fit`` returns a new fitted object and leaves ``self`` unchanged. Optional members:

    - ``input_features``: an ``anybind.features.FeatureOptions``, or None; kernel features in place of the vectors.
    - ``alternatives() -> tuple`` of methods like itself, in order of preference, and ``held_out(data) -> float``,
      for one that leaves such a choice open: rows are prepared for each, and the one with the highest value
      is fitted.
    - ``settled()``: for a fitted method, an unfitted one with what it has chosen as given.
    - ``partial_fit(moments, *, targets, routes, steps)``: for a fitted method, a new one that is fitted to
      ``moments``, which are those of its own data merged with those of more; behind ``Binder.partial_fit``.
    - ``embedding_steps(space) -> anybind.steps.Steps``: ``embed``, step by step, for export to other formats.
    - ``as_inner_product(space_a, space_b) -> anybind.methods.similarity.InnerProduct``: ``score`` as one inner
      product, for an index that holds one side's vectors.
    - ``impute``, ``fuse``, ``uncertainty``: as those of ``anybind.methods.pcca.PCCA``, behind ``Binder``'s.
    """

    def fit(self, data: FitData, *, targets: Sequence[tuple[str, str]], routes: Mapping[tuple[str, str], Any],
            seed: int) -> BinderMethod:
        """Fit on data.

        Args:
            data: Moments plus a bounded sample of rows for selection.
            targets: Pairs of spaces the user wants bound; they may share no data set.
            routes: For each target pair, its pivot routes: a tuple of tuples of space names, best first.
            seed: Seeds every random choice.

        Raises:
            SelectionError: a choice cannot be made honestly from the data.
            DataError: the data cannot support the method.
        """

    def embed(self, space: str, vectors: torch.Tensor) -> torch.Tensor:
        """(n, dim) float32 vectors of ``space`` -> (n, r) float32 in the joint space."""

    def score(self, space_a: str, a: torch.Tensor, space_b: str, b: torch.Tensor) -> torch.Tensor:
        """(n_a, n_b) float32; higher means likelier the same item."""

    def config(self) -> dict[str, Any]:
        """Fitted choices as plain JSON values (ranks, shrinkages), enough with the tensors to restore."""

    def tensors(self) -> dict[str, torch.Tensor]:
        """Fitted tensors by name."""

    @classmethod
    def restore(cls, config: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> BinderMethod:
        """Rebuild a fitted method from ``config`` and ``tensors``; strict about keys and shapes."""
