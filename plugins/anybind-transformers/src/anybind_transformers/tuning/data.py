"""The rows of a graph's data sets: frozen vectors in memory, and the samples of the space that is tuned."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

import anybind
from anybind_transformers.encoder import NetworkEncoder

# One row in so many is held out, to tell how good the tuning is on rows it has not seen.
_HELD_OUT = 10
_AT_ONCE = 32


@dataclass(frozen=True)
class Part:
    """One data set.

    Attributes:
        dataset: Where samples come from.
        ids: Its rows.
        vectors: Space -> (n, d) float32 vectors as the encoders give them untuned, zeros in absent rows; without
            spaces that no training row has.
        present: Space -> (n,) bool.
        held_out: (n,) bool.
    """

    dataset: Any
    ids: tuple[str, ...]
    vectors: Mapping[str, torch.Tensor]
    present: Mapping[str, torch.Tensor]
    held_out: torch.Tensor

    def means(self) -> dict[str, torch.Tensor]:
        """Space -> (d,) mean of its vectors in training rows."""
        return {space: rows[self.present[space] & ~self.held_out].mean(0) for space, rows in self.vectors.items()}


class Data:
    """All training data sets of a graph that pair the graph's spaces.

    Args:
        graph: As ``anybind.load_graph`` gives it.
        space: The space that is tuned.
        seed: The data sets' seed.
        tell: Called with a line about what is going on.

    Raises:
        UsageError: the graph has no such space, or its encoder is none of this plugin's.
        DataError: a sample cannot be read, or too few rows hold the space.
    """

    def __init__(self, graph: Any, space: str, seed: int, tell: Callable[[str], None]) -> None:
        self.space = graph.resolve(space)
        self._graph = graph
        self._modality = graph.registry.build_modality(graph.spaces[self.space].modality, graph.declaration.kinds)
        self.encoder = self._tuned_encoder()
        datasets = graph.training(seed)
        found: dict[str, dict[str, tuple[torch.Tensor, torch.Tensor]]] = {name: {} for name in datasets}
        for name in sorted(graph.spaces):  # one encoder after the other, so that one is in memory beside the tuned one
            self._embed(name, datasets, found, tell)
        parts = {name: _part(dataset, found[name]) for name, dataset in datasets.items()}
        self.parts = {name: part for name, part in parts.items() if len(part.vectors) > 1}
        self._require_pairs()

    def _tuned_encoder(self) -> NetworkEncoder:
        encoder = self._build(self.space)
        if not isinstance(encoder, NetworkEncoder) or "adapter" not in encoder.spec.options:
            raise anybind.UsageError(
                "the tower of this space cannot be tuned", where=f"space {self.space!r}",
                got=f"encoder {self._graph.spaces[self.space].encoder}",
                expected="an encoder of anybind-transformers with the option adapter",
            )  # fmt: skip
        if self._graph.encoder_options(self.space).get("adapter"):
            raise anybind.UsageError(
                "the tower has an adapter already", where=f"space {self.space!r}", expected="no option adapter",
                hint="tune the checkpoint itself, or save the merged tower as a checkpoint first",
            )  # fmt: skip
        return encoder

    def _build(self, space: str) -> Any:
        use = self._graph.spaces[space].encoder
        return self._graph.registry.build_encoder(use, **self._graph.encoder_options(space))

    def _embed(
        self, space: str, datasets: Mapping[str, Any], found: dict[str, Any], tell: Callable[[str], None]
    ) -> None:
        held = self._graph.spaces[space]
        encoder = self.encoder if space == self.space else self._build(space)
        modality = self._graph.registry.build_modality(held.modality, self._graph.declaration.kinds)
        for name, dataset in datasets.items():
            if held.modality in dataset.modalities:
                tell(f"embedding {len(dataset)} rows of {name!r} in space {space!r}")
                found[name][space] = _embedded(encoder, modality, dataset, held.modality, name)

    def _require_pairs(self) -> None:
        """Raise DataError unless the tuned space has two training rows that some data set pairs with another space."""
        pairs = 0
        for part in self.parts.values():
            if self.space in part.vectors:
                others = torch.stack([mask for space, mask in part.present.items() if space != self.space]).any(0)
                pairs += int((part.present[self.space] & others & ~part.held_out).sum())
        if pairs < 2:
            raise anybind.DataError(
                "no data set pairs the space with another", where=f"space {self.space!r}",
                got=f"{pairs} training pairs", expected="at least 2",
            )  # fmt: skip

    def samples(self, name: str, rows: list[int]) -> list[Any]:
        """The loaded samples of the tuned space of some rows that have it."""
        dataset, key = self.parts[name].dataset, self._graph.spaces[self.space].modality
        return [_loaded(self._modality, dataset[row][key], f"{name}, id {dataset.ids[row]}") for row in rows]

    def identity(self) -> Any:
        """What the data are, JSON-plain: rows, and which encoder sees them, with options that change vectors.

        Not the vectors themselves: they differ in the last bits between machines and numbers of threads.
        """
        encoders = {}
        for name, space in self._graph.spaces.items():
            spec = self._graph.registry.encoder(space.encoder).spec
            options = self._graph.encoder_options(name)
            kept = {key: value for key, value in options.items() if spec.options[key].affects_output}
            encoders[name] = [space.encoder, spec.revision, kept]
        rows = {
            name: [part.dataset.collection, part.ids, {s: mask.tolist() for s, mask in part.present.items()}]
            for name, part in self.parts.items()
        }
        return [encoders, rows]


def batches(sizes: Mapping[str, int], batch_size: int, key: tuple[object, ...]) -> Iterator[dict[str, torch.Tensor]]:
    """Row numbers of every data set, step by step through an epoch: all of the largest one, others over again.

    Args:
        sizes: Data set -> training rows.
        batch_size: The most rows of a data set in a step.
        key: Seeds the orders.
    """
    orders = {name: _order(name, size, key) for name, size in sorted(sizes.items())}
    steps = -(-max(sizes.values()) // batch_size)
    for _ in range(steps):
        yield {name: torch.tensor([next(order) for _ in range(min(batch_size, sizes[name]))])
               for name, order in orders.items()}  # fmt: skip


def steps_of(sizes: Mapping[str, int], batch_size: int) -> int:
    """Steps of an epoch."""
    return -(-max(sizes.values()) // batch_size)


def generator(*key: object) -> torch.Generator:
    """A generator seeded by a key; the same on every machine."""
    digest = hashlib.sha256(repr(key).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def _order(name: str, size: int, key: tuple[object, ...]) -> Iterator[int]:
    """Permutations one after the other; where two meet, rows of a step may repeat, which masks see to."""
    draw = generator(*key, name)
    while True:
        yield from torch.randperm(size, generator=draw).tolist()


def _embedded(
    encoder: Any, modality: Any, dataset: Any, key: str, name: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """(n, d) vectors of a data set's rows, zeros in rows without the modality, and (n,) which have it."""
    sources = [dataset[row].get(key) for row in range(len(dataset))]
    present = torch.tensor([source is not None for source in sources])
    vectors = torch.zeros(len(dataset), encoder.spec.dim)
    rows = present.nonzero()[:, 0].tolist()
    for start in range(0, len(rows), _AT_ONCE):
        batch = rows[start : start + _AT_ONCE]
        samples = [_loaded(modality, sources[row], f"{name}, id {dataset.ids[row]}") for row in batch]
        vectors[batch] = encoder.encode(samples)
    return vectors, present


def _part(dataset: Any, found: Mapping[str, tuple[torch.Tensor, torch.Tensor]]) -> Part:
    ids = tuple(dataset.ids)
    groups = getattr(dataset, "groups", None) or ids
    held_out = torch.tensor([_hash(str(group)) % _HELD_OUT == 0 for group in groups])
    kept = {space: value for space, value in found.items() if (value[1] & ~held_out).any()}
    vectors = {space: rows for space, (rows, _) in kept.items()}
    return Part(dataset, ids, vectors, {space: mask for space, (_, mask) in kept.items()}, held_out)


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def _loaded(modality: Any, source: Any, where: str) -> Any:
    try:
        sample = modality.load(source)
        modality.check(sample)
    except anybind.AnybindError:
        raise
    except Exception as error:  # modalities of plugins raise anything
        got = f"{type(error).__name__}: {error}"
        raise anybind.DataError("a sample cannot be read", where=where, got=got) from error
    return sample
