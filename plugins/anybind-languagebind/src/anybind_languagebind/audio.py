"""The tower for sound: three pieces of a log mel spectrogram, as the channels of a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

import anybind
from anybind.encoder_kit.batches import encode_in_batches
from anybind.encoder_kit.clips import check_sounds
from anybind.encoder_kit.sound import kaldi_fbank, resample
from anybind_languagebind import repositories
from anybind_languagebind.loading import vision_network
from anybind_languagebind.settings import VisionSettings

PIECES = 3
# Kaldi's frames: 25 ms long, one each 10 ms.
_SHIFTS_PER_SECOND = 100


class AudioTower:
    """LanguageBind_Audio_FT.

    Args:
        spec: The encoder's spec.
        weights: Repository of the checkpoint.
        revision: Its commit.
        folder: A folder on disk in place of both.
        batch_size: Sounds at once.
        device: Where torch runs it.
        dtype: Number format of the network.

    Raises:
        anybind.PluginError: the checkpoint cannot be had, is damaged, or is another model's.
        anybind.UsageError: no checkpoint is named, or there is no such device or format.
    """

    def __init__(
        self, spec: anybind.EncoderSpec, *, weights: str | None = repositories.AUDIO.weights,
        revision: str | None = repositories.AUDIO.revision, folder: str | None = None, batch_size: int = 8,
        device: str = "cpu", dtype: str = "float32",
    ) -> None:  # fmt: skip
        self.spec = spec
        self._network, self._settings = vision_network(
            spec, repositories.AUDIO.model_type, weights=weights, revision=revision, folder=folder, device=device,
            dtype=dtype,
        )  # fmt: skip
        if not (self._settings.num_mel_bins and self._settings.target_length):
            raise anybind.PluginError(
                "a checkpoint's config says nothing of spectrograms", where=f"encoder {spec.name}",
                expected="num_mel_bins and target_length above 0",
            )  # fmt: skip
        self._batch_size = batch_size
        self._first = next(self._network.parameters())

    def encode(self, samples: Sequence[Any]) -> torch.Tensor:
        """Embed sounds, in order.

        Returns:
            (len(samples), dim) float32 tensor on the CPU, rows of length 1.

        Raises:
            anybind.DataError: a sample is no sound, empty, or not finite; ``where`` names its place.
        """
        check_sounds(self.spec.name, samples)
        return encode_in_batches(samples, self._encode, batch_size=self._batch_size, dim=self.spec.dim)

    def _encode(self, batch: list[Any]) -> torch.Tensor:
        rate = self._settings.audio_sample_rate
        pieces = [spectrograms(resample(clip.samples, clip.rate, rate), self._settings) for clip in batch]
        values = (torch.stack(pieces) - self._settings.audio_mean) / self._settings.audio_std
        rows: torch.Tensor = self._network(values[:, None].to(self._first))
        return rows


def spectrograms(sound: torch.Tensor, settings: VisionSettings) -> torch.Tensor:
    """Log mel energies of three pieces of a sound.

    A short sound is repeated as often as it fits whole, and silence follows; its three pieces are the same. Of a long
    one they begin where each third of the possible beginnings begins.

    Args:
        sound: (frames,) float32 at ``settings.audio_sample_rate``, at least one frame.
        settings: Sizes: mel bins, and length in steps of 10 ms.

    Returns:
        (3, mel bins, target length) float32. Steps that the sound does not fill are 0.
    """
    rate, length = settings.audio_sample_rate, settings.target_length
    wanted = length * rate // _SHIFTS_PER_SECOND
    if len(sound) <= wanted:
        tiled = sound.repeat(wanted // len(sound))
        whole = torch.nn.functional.pad(tiled, (0, wanted - len(tiled)))
        return _mel(whole, settings).expand(PIECES, -1, -1)
    step, size = rate // _SHIFTS_PER_SECOND, rate // 40
    beginnings = max(1, 1 + (len(sound) - size) // step - length + 1)
    # A frame's energies depend on that frame alone: the pieces can be cut before them, which bounds the memory.
    cuts = [start * step for start in _thirds(beginnings)]
    return torch.stack([_mel(sound[cut : cut + (length - 1) * step + size], settings) for cut in cuts])


def _thirds(count: int) -> list[int]:
    """The first of each third of ``count`` places; 0 for a third that is empty."""
    return [int(part[0]) if len(part) else 0 for part in np.array_split(np.arange(count), PIECES)]


def _mel(sound: torch.Tensor, settings: VisionSettings) -> torch.Tensor:
    """(mel bins, target length) of a sound, cut or filled up with 0."""
    energies = kaldi_fbank(sound, settings.audio_sample_rate, mel_bins=settings.num_mel_bins, window="hanning")
    energies = energies[: settings.target_length]
    return torch.nn.functional.pad(energies, (0, 0, 0, settings.target_length - len(energies))).T
