"""The encoders of jointly trained towers: CLIP, SigLIP (2), CLAP and X-CLIP, one tower at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import anybind
from anybind.encoder_kit.batches import check_texts
from anybind.encoder_kit.clips import check_sounds, check_videos
from anybind.encoder_kit.notices import quiet_transformers
from anybind.encoder_kit.pictures import check_pictures
from anybind_transformers.encoder import ByShape, Inputs, NetworkEncoder, require_dim
from anybind_transformers.loading import fetched, read_picture_processor, read_sound_processor, read_tokenizer
from anybind_transformers.samples import even_frames, sound_at
from anybind_transformers.texts import Tokens, padded_to_the_end
from anybind_transformers.towers import read_tower


class _Tower(NetworkEncoder):
    """What the four towers share.

    Args:
        spec: The encoder's spec; ``spec.dim`` must be the length of the checkpoint's projected vectors.
        weights: Repository on the Hugging Face Hub; None for the spec's own, at the spec's revision.
        revision: Commit of that repository; needed where the spec has none, and for other weights.
        folder: A checkpoint on disk, in place of both.
        normalize: Scale every vector to length 1, as the towers' training compares them.
        adapter: Folder of a peft adapter for this tower.
        batch_size: Samples per batch, at least 1.
        device: A torch device.
        dtype: ``float32``, ``bfloat16`` or ``float16``.

    Raises:
        anybind.PluginError: the checkpoint cannot be had or read, or is of another architecture or length.
        anybind.UsageError: the device does not exist, or no revision is named.
    """

    _modality = ""
    _probe: Any = None

    def __init__(
        self,
        spec: anybind.EncoderSpec,
        *,
        weights: str | None = None,
        revision: str | None = None,
        folder: str | None = None,
        normalize: bool = True,
        adapter: str | None = None,
        batch_size: int = 16,
        device: str = "cpu",
        dtype: str = "float32",
    ) -> None:
        path = fetched(spec.name, *_published(spec, weights, revision), folder)
        self._config, network = read_tower(spec.name, path, self._modality)
        super().__init__(
            spec, network, batch_size=batch_size, device=device, dtype=dtype, normalize=normalize, adapter=adapter
        )
        self._open(path)
        require_dim(self, self._probe, lambda dim: _other_length(spec, path, dim))

    def _open(self, path: Path) -> None:
        """Read what prepares samples."""
        raise NotImplementedError


class TextTower(_Tower):
    """The text tower of a joint checkpoint; longer texts are cut to the tower's number of tokens.

    SigLIP sees texts as it was trained on them: in lower case, ended by its end token, and padded to full length.
    """

    _modality = "text"
    _probe = "a"

    def _open(self, path: Path) -> None:
        self._tokens = Tokens(self.spec.name, read_tokenizer(path), self.network, None)

    def check(self, samples: Sequence[Any]) -> None:
        """Every sample is a str."""
        check_texts(self.spec.name, samples)

    def length(self, sample: str) -> int:
        """Characters."""
        return len(sample)

    def prepare(self, batch: Sequence[str]) -> Inputs:
        """Tokens, padded to the longest text, or for SigLIP to the end."""
        if self._config.model_type == "siglip":
            return padded_to_the_end([text.lower() for text in batch], self._tokens)
        return self._tokens(batch)

    def outputs(self, inputs: Inputs) -> torch.Tensor:
        """The projected vector of each text."""
        return _projected(self.network(**inputs), "text_embeds")


class ImageTower(_Tower, ByShape):
    """The picture tower of a joint checkpoint; pictures are scaled, cut and normalised as the checkpoint says."""

    _modality = "image"
    _probe = Image.new("RGB", (32, 32))

    def _open(self, path: Path) -> None:
        self._processor = read_picture_processor(path)

    def check(self, samples: Sequence[Any]) -> None:
        """Every sample is a PIL image."""
        check_pictures(self.spec.name, samples)

    def length(self, sample: Image.Image) -> int:
        """All pictures are of one size to the tower."""
        return 0

    def prepare(self, batch: Sequence[Image.Image]) -> Inputs:
        """Pixels."""
        pictures = [picture.convert("RGB") for picture in batch]
        with quiet_transformers():
            return {"pixel_values": self._processor(images=pictures, return_tensors="pt")["pixel_values"]}

    def outputs(self, inputs: Inputs) -> torch.Tensor:
        """The projected vector of each picture."""
        return _projected(self.network(**inputs), "image_embeds")


class VideoTower(_Tower, ByShape):
    """The video tower of X-CLIP: evenly spaced frames of the whole video, as many as the checkpoint takes."""

    _modality = "video"
    _probe = anybind.VideoClip(np.zeros((1, 32, 32, 3), np.uint8), 1.0)

    def _open(self, path: Path) -> None:
        self._processor = read_picture_processor(path)

    def check(self, samples: Sequence[Any]) -> None:
        """Every sample is an anybind.VideoClip."""
        check_videos(self.spec.name, samples)

    def length(self, sample: anybind.VideoClip) -> int:
        """All videos have as many frames to the tower."""
        return 0

    def prepare(self, batch: Sequence[anybind.VideoClip]) -> Inputs:
        """Pixels of the chosen frames."""
        count = self._config.vision_config.num_frames
        videos = [[Image.fromarray(frame) for frame in even_frames(clip.frames, count)] for clip in batch]
        with quiet_transformers():
            return {"pixel_values": self._processor(videos, return_tensors="pt")["pixel_values"]}

    def outputs(self, inputs: Inputs) -> torch.Tensor:
        """The projected vector of each video."""
        found: torch.Tensor = self.network(**inputs)
        return found


class AudioTower(_Tower, ByShape):
    """The sound tower of CLAP: one channel at the checkpoint's rate, its first 10 seconds, a shorter one repeated.

    The checkpoint's own processor would take 10 seconds from a random place; the first ones are the same every time.
    """

    _modality = "audio"
    _probe = anybind.AudioClip(np.zeros(480, np.float32), 48_000)

    def _open(self, path: Path) -> None:
        self._processor = read_sound_processor(path)
        if getattr(self._processor, "truncation", None) == "fusion" or self._config.audio_config.enable_fusion:
            raise anybind.PluginError(
                f"encoder {self.spec.name} reads CLAP without feature fusion", where=path,
                got="a checkpoint with fusion, which looks at random parts of a sound", expected="an unfused one",
            )  # fmt: skip

    def check(self, samples: Sequence[Any]) -> None:
        """Every sample is an anybind.AudioClip."""
        check_sounds(self.spec.name, samples)

    def length(self, sample: anybind.AudioClip) -> int:
        """All sounds are equally long to the tower."""
        return 0

    def prepare(self, batch: Sequence[anybind.AudioClip]) -> Inputs:
        """Mel features."""
        rate, seconds = self._processor.sampling_rate, self._processor.max_length_s
        sounds = [sound_at(clip, rate, seconds) for clip in batch]
        features = self._processor(sounds, sampling_rate=rate, return_tensors="pt")["input_features"]
        return {"input_features": features.to(torch.float32)}

    def outputs(self, inputs: Inputs) -> torch.Tensor:
        """The projected vector of each sound."""
        return _projected(self.network(**inputs), "audio_embeds")


def _published(spec: anybind.EncoderSpec, weights: str | None, revision: str | None) -> tuple[str, str | None]:
    """Repository and commit: the spec's where nothing else is asked for; its commit only for its own repository."""
    own = weights is None or weights == spec.weights
    pinned = spec.revision if own and spec.revision != "unpinned" else None
    return weights or spec.weights, revision or pinned


def _projected(output: Any, name: str) -> torch.Tensor:
    """The projected vectors: by their own name, or pooled where the tower ends in its projection (SigLIP, X-CLIP)."""
    if isinstance(output, torch.Tensor):
        return output
    found: torch.Tensor = getattr(output, name) if hasattr(output, name) else output.pooler_output
    return found


def _other_length(spec: anybind.EncoderSpec, path: Path, dim: int) -> anybind.PluginError:
    return anybind.PluginError(
        f"the checkpoint is not one for encoder {spec.name}", where=path, got=f"vectors of {dim} numbers",
        expected=f"vectors of {spec.dim} numbers, as {spec.weights} has",
    )  # fmt: skip
