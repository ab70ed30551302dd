"""What anybind-transformers adds. Imports nothing heavy."""

from __future__ import annotations

import anybind
from anybind.encoder_kit.options import checkpoint_options, running_options
from anybind_transformers.presets import PRESETS, Preset

ANYBIND_HOOK_API = 1

_GENERIC = {"text": ("texts", 32), "image": ("pictures", 16), "audio": ("sounds", 4)}
_VIDEOCLIP = {"video": 4, "text": 32}
_TOWER_BATCH = 16
_TOWER_CLASSES = {"text": "TextTower", "image": "ImageTower", "audio": "AudioTower", "video": "VideoTower"}


@anybind.hookimpl
def anybind_encoders() -> list[anybind.EncoderSpec]:
    """The towers of published checkpoints, and the encoders that read any checkpoint of one modality."""
    towers = [_tower(preset) for preset in PRESETS] + [_videoclip(modality) for modality in _VIDEOCLIP]
    return towers + [_generic(modality) for modality in _GENERIC]


@anybind.hookimpl
def anybind_examples() -> list[anybind.ExampleSpec]:
    """Tiny checkpoints for the conformance kit."""
    examples = {preset.name: f"{_family(preset)}_{preset.modality}" for preset in PRESETS}
    examples |= {f"videoclip-{modality}": f"videoclip_{modality}" for modality in _VIDEOCLIP}
    examples |= {f"hf-{modality}": f"generic_{modality}" for modality in _GENERIC}
    return [
        anybind.ExampleSpec(kind="encoder", name=name, factory=f"anybind_transformers.examples:{factory}")
        for name, factory in examples.items()
    ]


def _family(preset: Preset) -> str:
    return "xclip" if preset.shared_space.startswith("x-clip") else preset.shared_space.partition("-")[0]


def _tower(preset: Preset) -> anybind.EncoderSpec:
    return anybind.EncoderSpec(
        name=preset.name,
        modality=preset.modality,
        dim=preset.dim,
        factory=f"anybind_transformers.tower_encoders:{_TOWER_CLASSES[preset.modality]}",
        weights=preset.weights,
        revision=preset.revision or "unpinned",
        licence=preset.licence,
        shared_space=preset.shared_space,
        options={
            **checkpoint_options(),
            "normalize": _normalize(True),
            "adapter": _adapter(),
            **running_options(_TOWER_BATCH),
        },
        description=preset.description,
    )


def _videoclip(modality: str) -> anybind.EncoderSpec:
    return anybind.EncoderSpec(
        name=f"videoclip-{modality}",
        modality=modality,
        dim=768,
        factory=f"anybind_transformers.videoclip_encoders:VideoClip{modality.capitalize()}s",
        weights="facebookresearch/fairseq MMPT",
        revision="unpinned",
        licence="unknown",
        shared_space="videoclip",
        options={
            **checkpoint_options(),
            "normalize": _normalize(False),
            **running_options(_VIDEOCLIP[modality]),
        },
        description=f"The {modality} tower of VideoCLIP (Xu et al. 2021, arXiv:2109.14084), from a folder on disk.",
    )


def _generic(modality: str) -> anybind.EncoderSpec:
    samples, batch = _GENERIC[modality]
    own = {"text": {"max_tokens": _max_tokens()}, "audio": {"max_seconds": _max_seconds()}}.get(modality, {})
    return anybind.EncoderSpec(
        name=f"hf-{modality}",
        modality=modality,
        dim=768,
        factory=f"anybind_transformers.generic:{modality.capitalize()}Model",
        weights="a checkpoint of your choice",
        revision="unpinned",
        licence="unknown",
        options={
            "dim": anybind.OptionSpec(type="int", required=True, minimum=1, description="Length of the vectors."),
            **checkpoint_options(),
            "pooling": _pooling(),
            "layer": _layer(),
            **own,
            "normalize": _normalize(False),
            "adapter": _adapter(),
            **running_options(batch),
        },
        description=f"Any {modality} checkpoint that transformers' AutoModel reads: {samples} to pooled hidden states.",
    )


def _normalize(default: bool) -> anybind.OptionSpec:
    return anybind.OptionSpec(type="bool", default=default, description="Scale every vector to length 1.")


def _adapter() -> anybind.OptionSpec:
    return anybind.OptionSpec(
        type="path", description="Folder of a peft adapter (LoRA) as safetensors, merged into the network on loading."
    )


def _pooling() -> anybind.OptionSpec:
    return anybind.OptionSpec(
        type="str", default="mean", choices=("mean", "cls", "last", "pooler"),
        description="How states become one vector: their mean, the first, the last, or the network's own pooler.",
    )  # fmt: skip


def _layer() -> anybind.OptionSpec:
    return anybind.OptionSpec(
        type="int", description="Which hidden layer: 0 is the embeddings, -1 the last; none is the network's output."
    )


def _max_tokens() -> anybind.OptionSpec:
    return anybind.OptionSpec(
        type="int", minimum=2, description="Longer texts are cut; none is the most that the network takes, at most 512."
    )


def _max_seconds() -> anybind.OptionSpec:
    return anybind.OptionSpec(
        type="float", default=30.0, minimum=0.1, description="Longer sounds are cut to their first seconds."
    )
