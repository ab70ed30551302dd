"""What all encoders of this plugin share: a network, how samples become its inputs, and rows out in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.nn.functional import normalize as unit_length

import anybind
from anybind.encoder_kit.batches import encode_in_batches
from anybind.encoder_kit.devices import checked_device, checked_dtype
from anybind_transformers.adapters import with_adapter

Inputs = Mapping[str, torch.Tensor]


class NetworkEncoder:
    """A frozen network with what prepares samples for it.

    A subclass loads the network and defines ``check``, ``prepare`` and ``outputs``. ``vectors`` is the differentiable
    core of ``encode``, for fine-tuning.

    Args:
        spec: The encoder's spec; ``spec.dim`` is compared with what the network returns.
        network: In evaluation mode afterwards, without gradients.
        batch_size: Samples per batch.
        device: A torch device.
        dtype: Number format of the network.
        normalize: Whether vectors are scaled to length 1.
        adapter: Folder of a peft adapter, or None.
    """

    def __init__(
        self,
        spec: anybind.EncoderSpec,
        network: Any,
        *,
        batch_size: int,
        device: str,
        dtype: str,
        normalize: bool,
        adapter: str | None,
    ) -> None:
        self.spec = spec
        self._batch_size = batch_size
        self._normalize = normalize
        self._device = checked_device(spec.name, device)
        self._dtype = checked_dtype(spec.name, dtype)
        merged = with_adapter(network, adapter)
        self.network = merged.to(self._device, self._dtype).eval().requires_grad_(False)

    def encode(self, samples: Sequence[Any]) -> torch.Tensor:
        """Embed samples, in order.

        Returns:
            (len(samples), spec.dim) float32 tensor on the CPU.

        Raises:
            anybind.DataError: a sample cannot be read; ``where`` names its place.
        """
        self.check(samples)
        return encode_in_batches(
            samples, self.vectors, batch_size=self._batch_size, dim=self.spec.dim, length=self.length
        )

    def vectors(self, batch: Sequence[Any]) -> torch.Tensor:
        """(len(batch), dim) rows of checked samples on the encoder's device, with gradient where torch records it."""
        found = self.outputs(self._moved(self.prepare(batch)))
        return unit_length(found, dim=1) if self._normalize else found

    def check(self, samples: Sequence[Any]) -> None:
        """Raise DataError for a sample that is of another kind."""
        raise NotImplementedError

    def length(self, sample: Any) -> int:
        """How long a sample is; batches hold samples of like length."""
        raise NotImplementedError

    def prepare(self, batch: Sequence[Any]) -> Inputs:
        """Checked samples as the inputs of the network, on the CPU."""
        raise NotImplementedError

    def outputs(self, inputs: Inputs) -> torch.Tensor:
        """Inputs of the network -> (n, dim) vectors."""
        raise NotImplementedError

    def _moved(self, inputs: Inputs) -> Inputs:
        return {
            name: value.to(self._device, self._dtype if value.is_floating_point() else None)
            for name, value in inputs.items()
        }


class ByShape(NetworkEncoder):
    """For samples that are prepared one by one: those of equal shape go through the network together.

    Nothing is padded, so no sample changes the vector of another.
    """

    def vectors(self, batch: Sequence[Any]) -> torch.Tensor:
        """See ``NetworkEncoder.vectors``."""
        prepared = [self.prepare([sample]) for sample in batch]
        shapes = [tuple((name, value.shape) for name, value in inputs.items()) for inputs in prepared]
        rows: list[torch.Tensor] = [torch.empty(0)] * len(prepared)
        for shape in dict.fromkeys(shapes):
            places = [place for place, other in enumerate(shapes) if other == shape]
            joined = {name: torch.cat([prepared[place][name] for place in places]) for name, _ in shape}
            found = self.outputs(self._moved(joined))
            for place, row in zip(places, found, strict=True):
                rows[place] = row
        stacked = torch.stack(rows)
        return unit_length(stacked, dim=1) if self._normalize else stacked


def measured_dim(encoder: NetworkEncoder, sample: Any) -> int:
    """The length of the vectors, found by embedding a sample."""
    with torch.inference_mode():
        return int(encoder.vectors([sample]).shape[1])


def require_dim(encoder: NetworkEncoder, sample: Any, problem: Callable[[int], anybind.AnybindError]) -> None:
    """Raise ``problem(dim)`` when the network returns vectors of another length than the spec says."""
    dim = measured_dim(encoder, sample)
    if dim != encoder.spec.dim:
        raise problem(dim)
