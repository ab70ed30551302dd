"""What anybind-languagebind adds: one encoder for each tower of LanguageBind. Imports nothing heavy."""

from __future__ import annotations

import anybind
from anybind.encoder_kit.options import checkpoint_options, running_options
from anybind_languagebind import repositories
from anybind_languagebind.repositories import Repository

ANYBIND_HOOK_API = 1

DIM = 768
SPACE = "languagebind"


@anybind.hookimpl
def anybind_encoders() -> list[anybind.EncoderSpec]:
    """``languagebind-video``, ``-audio``, ``-depth``, ``-thermal``, ``-image`` and ``-text``."""
    antialias = {
        "antialias": anybind.OptionSpec(
            type="bool", default=False,
            description="Smooth before shrinking, as torchvision does from 0.17 on; the published models did not.",
        )
    }  # fmt: skip
    return [
        _encoder("video", repositories.VIDEO, "video:VideoTower", 2, "8 frames, attention over time"),
        _encoder("audio", repositories.AUDIO, "audio:AudioTower", 8, "log mel spectrogram of three pieces of 10 s"),
        _encoder("depth", repositories.DEPTH, "depth:DepthTower", 16, "depth up to 10 m as a grey picture", antialias),
        _encoder("thermal", repositories.THERMAL, "pictures:ThermalTower", 16, "pictures of heat", antialias),
        _encoder("image", repositories.IMAGE, "pictures:ImageTower", 16, "OpenCLIP ViT-L/14, not tuned", antialias),
        _encoder("text", repositories.TEXT, "text:TextTower", 32, "English, up to 77 tokens"),
    ]


@anybind.hookimpl
def anybind_examples() -> list[anybind.ExampleSpec]:
    """A tiny random checkpoint in the published format for every tower."""
    return [
        anybind.ExampleSpec(
            kind="encoder", name=f"languagebind-{tower}", factory=f"anybind_languagebind.examples:{tower}_tower"
        )
        for tower in ("video", "audio", "depth", "thermal", "image", "text")
    ]


def _encoder(
    modality: str, repository: Repository, factory: str, batch: int, what: str,
    own: dict[str, anybind.OptionSpec] | None = None,
) -> anybind.EncoderSpec:  # fmt: skip
    return anybind.EncoderSpec(
        name=f"languagebind-{modality}",
        modality=modality,
        dim=DIM,
        factory=f"anybind_languagebind.{factory}",
        weights=repository.weights,
        revision=repository.revision or "unpinned",
        licence="MIT",
        shared_space=SPACE,
        options={
            **checkpoint_options(repository.weights, repository.revision), **(own or {}), **running_options(batch)
        },
        description=f"LanguageBind, {modality}: {what}.",
    )  # fmt: skip
