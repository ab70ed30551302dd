"""What anybind-tvl adds: TVL's encoders of touch, in the space of open_clip's ViT-L-14 (DataComp XL)."""

from __future__ import annotations

import anybind
from anybind.encoder_kit.options import checkpoint_options, running_options
from anybind_tvl.files import FILES, REPOSITORY, REVISION

ANYBIND_HOOK_API = 1

_DESCRIPTIONS = {
    "tvl-tiny-touch": "TVL's ViT-Tiny for frames of a DIGIT touch sensor.",
    "tvl-small-touch": "TVL's ViT-Small for frames of a DIGIT touch sensor.",
    "tvl-base-touch": "TVL's ViT-Base for frames of a DIGIT touch sensor.",
    "tvl-small-bgs-touch": "TVL's ViT-Small, trained with the untouched sensor's picture taken away from each frame.",
}


@anybind.hookimpl
def anybind_encoders() -> list[anybind.EncoderSpec]:
    """Three sizes, and one that takes away the untouched sensor's picture."""
    return [_touch(name) for name in FILES]


@anybind.hookimpl
def anybind_examples() -> list[anybind.ExampleSpec]:
    """A tiny checkpoint for every encoder."""
    return [
        anybind.ExampleSpec(kind="encoder", name=name, factory=f"anybind_tvl.examples:{name.replace('-', '_')}")
        for name in FILES
    ]


def _touch(name: str) -> anybind.EncoderSpec:
    background = anybind.OptionSpec(
        type="path", required=name == "tvl-small-bgs-touch",
        description="Picture of the untouched sensor, taken away from every frame; only for weights trained so.",
    )  # fmt: skip
    return anybind.EncoderSpec(
        name=name,
        modality="touch",
        dim=768,
        factory="anybind_tvl.touch:TouchEncoder",
        weights=REPOSITORY,
        revision=REVISION,
        licence="Apache-2.0",
        shared_space="open-clip-vit-l14-datacomp",
        options={**checkpoint_options(REPOSITORY, REVISION), "background": background, **running_options(32)},
        description=_DESCRIPTIONS[name],
    )
