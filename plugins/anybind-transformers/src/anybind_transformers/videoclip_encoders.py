"""The encoders of VideoCLIP, one tower at a time.

No repository on the Hub is known to hold the published files, so the user names a folder, or a repository of theirs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import BertTokenizer

import anybind
from anybind.encoder_kit.batches import check_texts
from anybind.encoder_kit.checkpoints import checkpoint_folder
from anybind.encoder_kit.clips import check_videos
from anybind.encoder_kit.pictures import centre_square
from anybind_transformers.encoder import ByShape, Inputs, NetworkEncoder
from anybind_transformers.loading import reading
from anybind_transformers.texts import Tokens
from anybind_transformers.videoclip import CHECKPOINT, MAX_SECONDS, S3D_FILE, read_text_tower, read_video_tower

VOCABULARY = "vocab.txt"
_MAX_TOKENS = 95  # the published 96 places, of which one is the [SEP] of videos
_RATE, _SIDE = 30, 224


class VideoClipTexts(NetworkEncoder):
    """The text tower of VideoCLIP; longer texts are cut to 93 tokens.

    Args:
        spec: The encoder's spec; ``spec.dim`` must be the length of the checkpoint's vectors.
        weights: Repository on the Hub that holds a copy of the files.
        revision: Commit of that repository.
        folder: In place of both; has ``checkpoint_best.pt``, and the ``vocab.txt`` of bert-base-uncased.
        normalize: Scale every vector to length 1. The published model compares by dot product without.
        batch_size: Texts per batch, at least 1.
        device: A torch device.
        dtype: ``float32``, ``bfloat16`` or ``float16``.

    Raises:
        anybind.PluginError: the folder or a file in it is missing, cannot be read or does not fit.
        anybind.UsageError: the device does not exist, or neither folder nor repository is named.
    """

    def __init__(
        self,
        spec: anybind.EncoderSpec,
        *,
        weights: str | None = None,
        revision: str | None = None,
        folder: str | None = None,
        normalize: bool = False,
        batch_size: int = 32,
        device: str = "cpu",
        dtype: str = "float32",
    ) -> None:
        path = checkpoint_folder(
            spec.name, weights=weights, revision=revision, folder=folder, files=[CHECKPOINT, VOCABULARY]
        )
        network = read_text_tower(spec.name, path)
        super().__init__(
            spec, network, batch_size=batch_size, device=device, dtype=dtype, normalize=normalize, adapter=None
        )
        _check_length(spec, path, network.config.hidden_size)
        self._tokens = Tokens(spec.name, _tokenizer(path, network.config.vocab_size), network, _MAX_TOKENS)

    def check(self, samples: Sequence[Any]) -> None:
        """Every sample is a str."""
        check_texts(self.spec.name, samples)

    def length(self, sample: str) -> int:
        """Characters."""
        return len(sample)

    def prepare(self, batch: Sequence[str]) -> Inputs:
        """Tokens, padded to the longest text."""
        return self._tokens(batch)

    def outputs(self, inputs: Inputs) -> torch.Tensor:
        """The vector of each text."""
        found: torch.Tensor = self.network(**inputs)
        return found


class VideoClipVideos(ByShape):
    """The video tower of VideoCLIP, S3D included: the first 32 seconds, at 30 frames a second.

    Args:
        spec: The encoder's spec; ``spec.dim`` must be the length of the checkpoint's vectors.
        weights: Repository on the Hub that holds a copy of the files.
        revision: Commit of that repository.
        folder: In place of both; has ``checkpoint_best.pt`` and ``s3d_howto100m.pth``.
        normalize: As for texts.
        batch_size: Videos per batch, at least 1.
        device: A torch device.
        dtype: ``float32``, ``bfloat16`` or ``float16``.

    Raises:
        anybind.PluginError: the folder or a file in it is missing, cannot be read or does not fit.
        anybind.UsageError: the device does not exist, or neither folder nor repository is named.
    """

    def __init__(
        self,
        spec: anybind.EncoderSpec,
        *,
        weights: str | None = None,
        revision: str | None = None,
        folder: str | None = None,
        normalize: bool = False,
        batch_size: int = 4,
        device: str = "cpu",
        dtype: str = "float32",
    ) -> None:
        path = checkpoint_folder(
            spec.name, weights=weights, revision=revision, folder=folder, files=[CHECKPOINT, S3D_FILE]
        )
        network = read_video_tower(spec.name, path)
        super().__init__(
            spec, network, batch_size=batch_size, device=device, dtype=dtype, normalize=normalize, adapter=None
        )
        _check_length(spec, path, network.config.hidden_size)

    def check(self, samples: Sequence[Any]) -> None:
        """Every sample is an anybind.VideoClip."""
        check_videos(self.spec.name, samples)

    def length(self, sample: anybind.VideoClip) -> int:
        """Frames at 30 a second that are looked at."""
        return len(frame_places(len(sample.frames), sample.rate))

    def prepare(self, batch: Sequence[anybind.VideoClip]) -> Inputs:
        """Pixels of every second of videos that have as many."""
        return {"pixels": torch.stack([torch.from_numpy(seconds_of(clip)) for clip in batch])}

    def outputs(self, inputs: Inputs) -> torch.Tensor:
        """The vector of each video."""
        found: torch.Tensor = self.network(**inputs)
        return found


def frame_places(count: int, rate: float) -> list[int]:
    """Which of ``count`` frames stand for each thirtieth of a second, in the first 32 seconds; one at least.

    Every frame goes to the nearest thirtieth, and stays until the next one comes, as in ffmpeg's filter ``fps``.
    """
    wanted = min(max(1, round(count * _RATE / rate)), MAX_SECONDS * _RATE)
    return [min(max(math.ceil((place + 0.5) * rate / _RATE) - 1, 0), count - 1) for place in range(wanted)]


def seconds_of(clip: anybind.VideoClip) -> NDArray[np.uint8]:
    """(seconds, 30, 224, 224, 3) uint8: the middle squares; the last second is filled up with black."""
    places = frame_places(len(clip.frames), clip.rate)
    squares = np.zeros((math.ceil(len(places) / _RATE) * _RATE, _SIDE, _SIDE, 3), np.uint8)
    made: dict[int, NDArray[np.uint8]] = {}
    for row, place in enumerate(places):
        if place not in made:  # a frame that stands for several is scaled once; they come in order
            made = {place: np.asarray(centre_square(Image.fromarray(clip.frames[place]), _SIDE))}
        squares[row] = made[place]
    return squares.reshape(-1, _RATE, _SIDE, _SIDE, 3)


def _tokenizer(path: Path, words: int) -> Any:
    """The tokenizer of bert-base-uncased, from its vocabulary alone."""
    file = path / VOCABULARY
    if not file.is_file():
        raise anybind.PluginError(
            "a checkpoint's folder lacks the vocabulary", where=path, got=f"no {VOCABULARY}",
            expected="the vocab.txt of google-bert/bert-base-uncased beside the checkpoint",
        )  # fmt: skip
    with reading(VOCABULARY, path):
        tokenizer = BertTokenizer.from_pretrained(path, do_lower_case=True, local_files_only=True)
    if len(tokenizer) != words:
        raise anybind.PluginError(
            "a vocabulary does not fit its checkpoint", where=file, got=f"{len(tokenizer)} words", expected=str(words)
        )
    return tokenizer


def _check_length(spec: anybind.EncoderSpec, path: Path, dim: int) -> None:
    if dim != spec.dim:
        raise anybind.PluginError(
            f"the checkpoint is not one for encoder {spec.name}", where=path, got=f"vectors of {dim} numbers",
            expected=f"vectors of {spec.dim} numbers",
        )  # fmt: skip
