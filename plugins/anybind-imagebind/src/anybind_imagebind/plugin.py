"""What anybind-imagebind adds: seven encoders whose vectors share one space."""

from __future__ import annotations

import anybind
from anybind import OptionSpec
from anybind.encoder_kit.options import checkpoint_options, running_options

ANYBIND_HOOK_API = 1

DIM = 1024
LICENCE = "CC-BY-NC-SA-4.0"
BATCH = 8

_TOKENIZER = OptionSpec(
    type="path", description="CLIP's list of merges, or the folder that holds it; without it, the checkpoint's folder."
)
_AUDIO_CLIPS = OptionSpec(
    type="int", default=3, minimum=1, description="Clips of 2 s, evenly spread, whose vectors are averaged."
)
_VIDEO_CLIPS = OptionSpec(
    type="int", default=5, minimum=1, description="Clips of 2 s, evenly spread, whose vectors are averaged."
)
_CROPS = OptionSpec(
    type="int", default=3, choices=(1, 3), description="Squares cut along the longer side: 1 in the middle, or 3."
)
_BASELINE = OptionSpec(
    type="float", default=0.075, minimum=1e-6, description="Distance in metres of the depth camera's two eyes."
)
_FOCAL = OptionSpec(
    type="float", default=518.857901, minimum=1e-6, description="Focal length of the depth camera in pixels."
)
_DEPTH_SCALE = OptionSpec(
    type="float", default=8.0, minimum=1e-6, description="Metres are multiplied by this first: see the README."
)
_SECONDS = OptionSpec(
    type="float", default=5.0, minimum=1e-3, description="How much of the middle of a recording is read."
)


@anybind.hookimpl
def anybind_encoders() -> list[anybind.EncoderSpec]:
    """One encoder a modality; ``image`` and ``video`` are read by the same tower."""
    return [
        _encoder("image", "pictures:Pictures", "Pictures."),
        _encoder("video", "video:Videos", "Videos: the mean of clips of 2 frames.", clips=_VIDEO_CLIPS, crops=_CROPS),
        _encoder("text", "text:Texts", "English text of up to 77 tokens.", tokenizer=_TOKENIZER),
        _encoder("audio", "audio:Sounds", "Sounds: the mean of clips of 2 s.", clips=_AUDIO_CLIPS),
        _encoder(
            "depth", "depth:DepthMaps", "Depth maps, as disparity.",
            baseline=_BASELINE, focal=_FOCAL, depth_scale=_DEPTH_SCALE,
        ),
        _encoder("thermal", "pictures:ThermalPictures", "Pictures of heat, in grey."),
        _encoder("imu", "imu:Recordings", "Acceleration and rotation, 6 channels.", seconds=_SECONDS),
    ]  # fmt: skip


@anybind.hookimpl
def anybind_examples() -> list[anybind.ExampleSpec]:
    """A tiny checkpoint in the published format, for the conformance kit."""
    return [
        anybind.ExampleSpec(kind="encoder", name=spec.name, factory=f"anybind_imagebind.examples:{spec.modality}")
        for spec in anybind_encoders()
    ]


def _encoder(modality: str, factory: str, description: str, **own: OptionSpec) -> anybind.EncoderSpec:
    return anybind.EncoderSpec(
        name=f"imagebind-{modality}",
        modality=modality,
        dim=DIM,
        factory=f"anybind_imagebind.{factory}",
        weights="imagebind_huge.pth",
        revision="unpinned",
        licence=LICENCE,
        shared_space="imagebind",
        options={**own, **checkpoint_options(), **running_options(BATCH)},
        description=f"ImageBind-Huge. {description} Not for commercial use.",
    )
