"""The modalities, encoders and data sets of a plugin as subjects of checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any

import anybind
from anybind.testing.contents import contents
from anybind.testing.errors import ConformanceError, NotApplicableError
from anybind.testing.examples import DatasetExample, EncoderExample, ModalityExample
from anybind.testing.processes import ask_probe
from anybind.testing.subjects import Part, attempt, unwrap
from anybind.testing.surroundings import Surroundings

_FEWEST_SAMPLES = 3  # a middle one, and one on each side
_MOST_ROWS = 1000  # of a data set; an example should have far fewer


class ModalitySubject(Part):
    """A modality."""

    kind = word = "modality"
    example_type = ModalityExample

    def __init__(self, plugin: anybind.InstalledPlugin, spec: anybind.ModalitySpec) -> None:
        super().__init__(plugin, spec.name)
        self.spec = spec

    @property
    def example(self) -> ModalityExample:
        """Its example."""
        example: ModalityExample = self.needed_example()
        return example

    @cached_property
    def _built(self) -> Any:
        return attempt(lambda: self.plugin.build_modality(self.spec))

    def built(self) -> Any:
        """The modality, or the error that building it raised."""
        return unwrap(self._built)

    @property
    def modality(self) -> Any:
        """The modality."""
        return self.needed("modality_builds", self.built)

    @cached_property
    def samples(self) -> list[Any]:
        """The loaded sources of its example, which its own check accepts."""
        modality, sources = self.modality, self.example.sources
        return self.needed("modality_loads", lambda: [_loaded(modality, source) for source in sources])


class EncoderSubject(Part):
    """An encoder."""

    kind = word = "encoder"
    example_type = EncoderExample

    def __init__(self, plugin: anybind.InstalledPlugin, spec: anybind.EncoderSpec) -> None:
        super().__init__(plugin, spec.name)
        self.spec = spec

    def guard(self) -> AbstractContextManager[object]:
        """Global state is put back after each check, whatever the encoder did to it."""
        return Surroundings.watched()

    @property
    def example(self) -> EncoderExample:
        """Its example."""
        example: EncoderExample = self.needed_example()
        return example

    @cached_property
    def expected_spec(self) -> anybind.EncoderSpec:
        """The spec that the encoder is built with: with the example's dim, where it has one."""
        spec: anybind.EncoderSpec = self.spec
        dim = self.example.dim
        return spec if dim is None else spec.model_copy(update={"dim": dim})

    @property
    def dim(self) -> int:
        """Length of the vectors it should return."""
        return self.expected_spec.dim_for(self.example.options)

    def loaded_samples(self) -> list[Any]:
        """The example's samples, as the modality loads and accepts them; ConformanceError if there are too few."""
        modality = self.plugin.registry.build_modality(self.spec.modality)
        samples = [_loaded(modality, source) for source in self.made_example().samples]
        different = len({contents(sample) for sample in samples})
        if different < _FEWEST_SAMPLES:
            raise ConformanceError(
                "encoder_example", self, got=f"{different} different samples", expected=f"{_FEWEST_SAMPLES} or more"
            )
        return samples

    @cached_property
    def samples(self) -> list[Any]:
        """The example's samples."""
        self.needed_example()
        return self.needed("encoder_example", self.loaded_samples)

    def build(self, **options: Any) -> Any:
        """Build it with the example's options, and with ``options`` in place of some."""
        return self.plugin.build_encoder(self.expected_spec, {**self.example.options, **options})

    @cached_property
    def _built(self) -> Any:
        self.needed("encoder_builds", lambda: self.plugin.load_factory(self.spec.factory))  # imports are not the build
        with Surroundings.watched() as self._moved_by_building:
            return attempt(self.build)

    def built(self) -> Any:
        """The encoder, or the error that building it raised."""
        return unwrap(self._built)

    @property
    def encoder(self) -> Any:
        """The encoder."""
        return self.needed("encoder_builds", self.built)

    @property
    def moved_by_building(self) -> list[str]:
        """What of the process's global state building it has changed."""
        _ = self.encoder
        return list(self._moved_by_building)

    def encode(self, samples: Sequence[Any], encoder: Any = None) -> Any:
        """A tensor on the CPU without its history; where there is none, encoder_shape tells what is wrong."""
        import torch

        vectors = self.needed("encoder_shape", lambda: (encoder or self.encoder).encode(list(samples)))
        if not isinstance(vectors, torch.Tensor):
            raise NotApplicableError("see encoder_shape", where=self)
        return vectors.detach().cpu()

    @cached_property
    def vectors(self) -> Any:
        """(n, dim) float32 tensor of its samples' vectors; see ``encode``."""
        import torch

        vectors = self.encode(self.samples)
        if vectors.shape != (len(self.samples), self.dim) or vectors.dtype != torch.float32:
            raise NotApplicableError("see encoder_shape", where=self)
        return vectors

    @property
    def tolerance(self) -> float:
        """How far a value may lie from what it should equal."""
        finite = self.vectors[self.vectors.isfinite()].abs()
        return self.example.tolerance * max(1.0, float(finite.max()) if len(finite) else 1.0)


class DatasetSubject(Part):
    """A data set."""

    kind, word = "dataset", "data set"
    example_type = DatasetExample

    def __init__(self, plugin: anybind.InstalledPlugin, spec: anybind.DatasetSpec) -> None:
        super().__init__(plugin, spec.name)
        self.spec = spec

    @property
    def options(self) -> Mapping[str, Any]:
        """The options of its example."""
        options: Mapping[str, Any] = self.needed_example().options
        return options

    def build(self, modalities: Sequence[str] | None = None) -> Any:
        """Open it anew."""
        return self.plugin.build_dataset(self.spec, self.options, modalities)

    @cached_property
    def _built(self) -> Any:
        return attempt(self.build)

    def built(self) -> Any:
        """The data set, or the error that opening it raised; ConformanceError if it does not name its modalities."""
        dataset = unwrap(self._built)
        names = dataset.modalities
        if not isinstance(names, tuple) or not names or not all(isinstance(name, str) for name in names):
            raise ConformanceError(
                "dataset_builds", self, got=f"modalities {names!r}", expected="a tuple of names of modalities"
            )
        return dataset

    @property
    def dataset(self) -> Any:
        """The data set."""
        return self.needed("dataset_builds", self.built)

    def counted(self) -> int:
        """Number of its rows; ConformanceError if there are none, or not as many ids."""
        length, ids = len(self.dataset), len(self.dataset.ids)
        if not length or length != ids:
            raise ConformanceError(
                "dataset_length", self, got=f"{length} rows, {ids} ids", expected="as many ids as rows, at least one"
            )
        return length

    @cached_property
    def _rows(self) -> Any:
        dataset, length = self.dataset, self.needed("dataset_length", self.counted)
        return attempt(lambda: [dataset[index] for index in range(min(length, _MOST_ROWS))])

    def read_rows(self) -> list[Mapping[str, Any]]:
        """Its rows, the first 1000 of them, or the error that reading them raised; ConformanceError if one is wrong."""
        rows: list[Mapping[str, Any]] = unwrap(self._rows)
        for index, row in enumerate(rows):
            fault = self.row_fault(row)
            if fault:
                expected = f"modality -> source, of {', '.join(self.dataset.modalities)}"
                raise ConformanceError("dataset_rows", self, got=f"row {index}: {fault}", expected=expected)
        return rows

    def row_fault(self, row: Any) -> str | None:
        """What is wrong with a row, in a few words; None when it is a mapping of its modalities."""
        if not isinstance(row, Mapping):
            return f"a {type(row).__name__}"
        foreign = [name for name in row if name not in self.dataset.modalities]
        if foreign:
            return f"the key {foreign[0]!r}"
        return next((f"None for {name!r}" for name, source in row.items() if source is None), None)

    @cached_property
    def rows(self) -> list[Mapping[str, Any]]:
        """Its rows, nothing wrong with any."""
        return self.needed("dataset_rows", self.read_rows)

    @cached_property
    def probe_report(self) -> dict[str, Any]:
        """What opening it and reading its first rows does in a fresh Python."""
        _ = self.rows
        return ask_probe(
            "dataset", factory=self.spec.factory, options=dict(self.options), folder=str(self.folder)
        )


def _loaded(modality: Any, source: Any) -> Any:
    sample = modality.load(source)
    modality.check(sample)
    return sample
