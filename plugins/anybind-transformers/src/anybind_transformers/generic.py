"""Encoders that read any checkpoint of one modality through transformers' AutoModel, and pool its hidden states."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import anybind
from anybind.encoder_kit.batches import check_texts
from anybind.encoder_kit.clips import check_sounds
from anybind.encoder_kit.devices import checked_dtype
from anybind.encoder_kit.notices import quiet_transformers
from anybind.encoder_kit.pictures import check_pictures
from anybind_transformers.encoder import ByShape, Inputs, NetworkEncoder, require_dim
from anybind_transformers.loading import (
    fetched,
    read_config,
    read_network,
    read_picture_processor,
    read_sound_processor,
    read_tokenizer,
)  # fmt: skip
from anybind_transformers.pooling import Pooling
from anybind_transformers.samples import sound_at
from anybind_transformers.texts import Tokens

# Weights that only a training uses, or that only ``pooling: pooler`` does.
_UNUSED = ("masked_spec_embed", "mask_token")
_POOLER = ("pooler",)
# What sentence-transformers calls the ways of pooling that it has, too.
_POOLING_THERE = {"mean": "mean", "cls": "cls", "last": "lasttoken"}


class _Generic(NetworkEncoder):
    """What the three encoders share: finding the checkpoint, reading its network, checking its modality and length."""

    _inputs: tuple[str, ...] = ()
    _probe: Any = None

    def _load(
        self, spec: anybind.EncoderSpec, dim: int, checkpoint: tuple[str | None, str | None, str | None],
        pooling: Pooling, **running: Any,
    ) -> Path:  # fmt: skip
        """Everything but what prepares samples; gives the checkpoint's folder."""
        path = fetched(spec.name, *checkpoint)
        _refuse_towers(spec.name, path)
        lacking = _UNUSED if pooling.kind == "pooler" else _UNUSED + _POOLER
        network = read_network(path, checked_dtype(spec.name, running["dtype"]), may_lack=lacking)
        if network.main_input_name not in self._inputs:
            raise anybind.PluginError(
                f"encoder {spec.name} cannot read this checkpoint", where=path,
                got=f"{type(network).__name__}, which reads {network.main_input_name}",
                expected=f"a network that reads {' or '.join(self._inputs)}",
            )  # fmt: skip
        if network.config.is_encoder_decoder:
            network = network.get_encoder()
        self._pooling = pooling
        super().__init__(spec.model_copy(update={"dim": dim}), network, **running)
        return path

    def _require_dim(self) -> None:
        require_dim(self, self._probe, self._wrong_dim)

    def _wrong_dim(self, dim: int) -> anybind.UsageError:
        return anybind.UsageError(
            "the option dim is not the length of the checkpoint's vectors",
            where=f"encoder {self.spec.name}, option dim", got=self.spec.dim, expected=dim, hint=f"dim: {dim}",
        )  # fmt: skip

    def outputs(self, inputs: Inputs) -> torch.Tensor:
        """Pooled hidden states."""
        output = self.network(**inputs, output_hidden_states=self._pooling.layer is not None, return_dict=True)
        return self._pooling(output, inputs.get("attention_mask"))


class TextModel(_Generic):
    """Any text checkpoint: BERT, RoBERTa, E5, the encoder of T5, a language model's states.

    Args:
        spec: The encoder's spec; the option ``dim`` takes the place of its length.
        dim: Length of the vectors.
        weights: Repository on the Hugging Face Hub.
        revision: Commit of that repository.
        folder: A checkpoint on disk, in place of both.
        pooling: ``mean``, ``cls``, ``last`` or ``pooler``.
        layer: Which hidden layer, None for the network's output.
        max_tokens: Longer texts are cut; None for the most that the network takes, at most 512.
        normalize: Scale every vector to length 1.
        adapter: Folder of a peft adapter.
        batch_size: Samples per batch, at least 1.
        device: A torch device.
        dtype: ``float32``, ``bfloat16`` or ``float16``.

    Raises:
        anybind.PluginError: the checkpoint cannot be had or read, or is of another modality.
        anybind.UsageError: an option does not fit the checkpoint; for ``dim`` the message has the right one.
    """

    _inputs = ("input_ids",)
    _probe = "a"

    def __init__(
        self,
        spec: anybind.EncoderSpec,
        *,
        dim: int,
        weights: str | None = None,
        revision: str | None = None,
        folder: str | None = None,
        pooling: str = "mean",
        layer: int | None = None,
        max_tokens: int | None = None,
        normalize: bool = False,
        adapter: str | None = None,
        batch_size: int = 32,
        device: str = "cpu",
        dtype: str = "float32",
    ) -> None:
        path = self._load(
            spec, dim, (weights, revision, folder), Pooling(spec.name, pooling, layer),
            batch_size=batch_size, device=device, dtype=dtype, normalize=normalize, adapter=adapter,
        )  # fmt: skip
        self._folder, self._adapter = path, adapter
        self._tokens = Tokens(spec.name, read_tokenizer(path), self.network, max_tokens)
        self._require_dim()

    def as_sentence_transformer(self) -> Any:
        """The same model as a ``sentence_transformers.SentenceTransformer``, for export; needs that library.

        Raises:
            UsageError: an option asks for what that library's own layers cannot do.
        """
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

        kind = _POOLING_THERE.get(self._pooling.kind)
        if kind is None or self._pooling.layer is not None or self._adapter is not None:
            raise anybind.UsageError(
                "an option of this encoder cannot be exported", where=f"encoder {self.spec.name}",
                got=f"pooling {self._pooling.kind}, layer {self._pooling.layer}, adapter {self._adapter}",
                expected="pooling mean, cls or last, and no layer or adapter",
            )  # fmt: skip
        with quiet_transformers(), torch.random.fork_rng(devices=[]):
            network = Transformer(str(self._folder), max_seq_length=self._tokens.limit)
        layers: list[torch.nn.Module] = [network, Pooling(self.spec.dim, kind)]
        return SentenceTransformer(modules=[*layers, Normalize()] if self._normalize else layers, device="cpu")

    def check(self, samples: Sequence[Any]) -> None:
        """Every sample is a str."""
        check_texts(self.spec.name, samples)

    def length(self, sample: str) -> int:
        """Characters."""
        return len(sample)

    def prepare(self, batch: Sequence[str]) -> Inputs:
        """Tokens."""
        return self._tokens(batch)


class ImageModel(_Generic, ByShape):
    """Any picture checkpoint: ViT, DINOv2, ConvNeXt, ResNet. Arguments and errors as ``TextModel``'s."""

    _inputs = ("pixel_values",)
    _probe = Image.new("RGB", (32, 32))

    def __init__(
        self,
        spec: anybind.EncoderSpec,
        *,
        dim: int,
        weights: str | None = None,
        revision: str | None = None,
        folder: str | None = None,
        pooling: str = "mean",
        layer: int | None = None,
        normalize: bool = False,
        adapter: str | None = None,
        batch_size: int = 16,
        device: str = "cpu",
        dtype: str = "float32",
    ) -> None:
        path = self._load(
            spec, dim, (weights, revision, folder), Pooling(spec.name, pooling, layer),
            batch_size=batch_size, device=device, dtype=dtype, normalize=normalize, adapter=adapter,
        )  # fmt: skip
        self._processor = read_picture_processor(path)
        self._require_dim()

    def check(self, samples: Sequence[Any]) -> None:
        """Every sample is a PIL image."""
        check_pictures(self.spec.name, samples)

    def length(self, sample: Image.Image) -> int:
        """Order does not matter: pictures are grouped by the shape their processor gives them."""
        return 0

    def prepare(self, batch: Sequence[Image.Image]) -> Inputs:
        """Pixels, as the checkpoint's processor makes them."""
        pictures = [picture.convert("RGB") for picture in batch]
        with quiet_transformers():
            return {"pixel_values": self._processor(images=pictures, return_tensors="pt")["pixel_values"]}


class AudioModel(_Generic, ByShape):
    """Any sound checkpoint: wav2vec 2.0, HuBERT, WavLM, AST, the encoder of Whisper.

    Sound is resampled to the checkpoint's rate. Clips of other lengths do not share a batch, so nothing is padded
    beyond what the checkpoint's own processor does (Whisper's pads every clip to 30 seconds).
    Arguments and errors as ``TextModel``'s, and:

    Args:
        max_seconds: Longer sounds are cut to their first seconds.
    """

    _inputs = ("input_values", "input_features")
    _probe = anybind.AudioClip(np.zeros(16_000, np.float32), 16_000)

    def __init__(
        self,
        spec: anybind.EncoderSpec,
        *,
        dim: int,
        weights: str | None = None,
        revision: str | None = None,
        folder: str | None = None,
        pooling: str = "mean",
        layer: int | None = None,
        max_seconds: float = 30.0,
        normalize: bool = False,
        adapter: str | None = None,
        batch_size: int = 4,
        device: str = "cpu",
        dtype: str = "float32",
    ) -> None:
        path = self._load(
            spec, dim, (weights, revision, folder), Pooling(spec.name, pooling, layer),
            batch_size=batch_size, device=device, dtype=dtype, normalize=normalize, adapter=adapter,
        )  # fmt: skip
        self._processor = read_sound_processor(path)
        self._max_seconds = max_seconds
        self._require_dim()

    def check(self, samples: Sequence[Any]) -> None:
        """Every sample is an anybind.AudioClip."""
        check_sounds(self.spec.name, samples)

    def length(self, sample: anybind.AudioClip) -> int:
        """Microseconds."""
        return round(sample.seconds * 1_000_000)

    def prepare(self, batch: Sequence[anybind.AudioClip]) -> Inputs:
        """Features of one clip."""
        rate = self._processor.sampling_rate
        sounds = [sound_at(clip, rate, self._max_seconds) for clip in batch]
        with quiet_transformers():
            found = self._processor(sounds, sampling_rate=rate, return_tensors="pt", return_attention_mask=False)
        return {name: found[name] for name in self._inputs if name in found}


def _refuse_towers(encoder: str, folder: Path) -> None:
    """A joint checkpoint has no one output."""
    config = read_config(folder)
    parts = [name for name in ("text_config", "vision_config", "audio_config") if hasattr(config, name)]
    if len(parts) > 1:
        raise anybind.PluginError(
            f"encoder {encoder} reads checkpoints of one modality", where=folder, got=f"{config.model_type}: {parts}",
            expected="a network with one input", hint="for CLIP, SigLIP, CLAP and X-CLIP use the encoders of a tower",
        )  # fmt: skip
