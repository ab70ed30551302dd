"""What anybind-open-clip adds: the image and the text tower of published open_clip checkpoints."""

from __future__ import annotations

import anybind
from anybind.encoder_kit.options import checkpoint_options, running_options
from anybind_open_clip.architectures import ARCHITECTURES

ANYBIND_HOOK_API = 1

# Name -> length of the vectors, repository, commit. All of these weights are under the MIT licence.
PRESETS = {
    "open-clip-vit-b32-laion2b": (
        512, "laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "1a25a446712ba5ee05982a381eed697ef9b435cf"
    ),
    "open-clip-vit-b16-laion2b": (
        512, "laion/CLIP-ViT-B-16-laion2B-s34B-b88K", "7288da5a0d6f0b51c4a2b27c624837a9236d0112"
    ),
    "open-clip-vit-l14-datacomp": (
        768, "laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K", "84c9828e63dc9a9351d1fe637c346d4c1c4db341"
    ),
    "open-clip-vit-h14-laion2b": (
        1024, "laion/CLIP-ViT-H-14-laion2B-s32B-b79K", "1c2b8495b28150b8a4922ee1c8edee224c284c0c"
    ),
}  # fmt: skip
_FACTORIES = {"image": "anybind_open_clip.image:ImageEncoder", "text": "anybind_open_clip.text:TextEncoder"}


@anybind.hookimpl
def anybind_encoders() -> list[anybind.EncoderSpec]:
    """The image and the text tower of every preset."""
    return [_tower(name, modality) for name in PRESETS for modality in _FACTORIES]


@anybind.hookimpl
def anybind_examples() -> list[anybind.ExampleSpec]:
    """A tiny checkpoint for every encoder."""
    return [
        anybind.ExampleSpec(
            kind="encoder", name=spec.name, factory=f"anybind_open_clip.examples:{spec.modality}_tower"
        )
        for spec in anybind_encoders()
    ]


def _tower(name: str, modality: str) -> anybind.EncoderSpec:
    dim, weights, revision = PRESETS[name]
    return anybind.EncoderSpec(
        name=f"{name}-{modality}",
        modality=modality,
        dim=dim,
        factory=_FACTORIES[modality],
        weights=weights,
        revision=revision,
        licence="MIT",
        shared_space=name,
        options=_options(),
        description=f"The {modality} tower of {weights.removeprefix('laion/')}.",
    )


def _options() -> dict[str, anybind.OptionSpec]:
    architecture = anybind.OptionSpec(
        type="str", choices=tuple(ARCHITECTURES),
        description="Architecture, for a checkpoint that has no open_clip_config.json.",
    )  # fmt: skip
    normalize = anybind.OptionSpec(type="bool", default=True, description="Scale every vector to length 1.")
    return {
        **checkpoint_options(),
        "architecture": architecture,
        "normalize": normalize,
        **running_options(32),
    }
