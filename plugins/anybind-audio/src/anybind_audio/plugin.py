"""What anybind-audio adds: an encoder of speech whose weights come inside a package, and one without weights."""

from __future__ import annotations

import anybind
from anybind_audio import weights

ANYBIND_HOOK_API = 1


@anybind.hookimpl
def anybind_encoders() -> list[anybind.EncoderSpec]:
    """``speech-embedding`` and ``mel-features``."""
    return [_speech_embedding(), _mel_features()]


@anybind.hookimpl
def anybind_examples() -> list[anybind.ExampleSpec]:
    """Clips to try each encoder on."""
    return [
        anybind.ExampleSpec(kind="encoder", name=spec.name, factory="anybind_audio.examples:clips")
        for spec in anybind_encoders()
    ]


def _speech_embedding() -> anybind.EncoderSpec:
    context = anybind.OptionSpec(
        type="float", default=0.4, minimum=0, maximum=10, description="Seconds of silence before and after a clip."
    )
    threads = anybind.OptionSpec(
        type="int", default=1, minimum=1, affects_output=False, description="Threads of onnxruntime."
    )
    return anybind.EncoderSpec(
        name="speech-embedding",
        modality="audio",
        dim=576,
        factory="anybind_audio.speech_embedding:SpeechEmbedding",
        weights=weights.DISTRIBUTION,
        revision=weights.EMBEDDING.revision,
        licence="Apache-2.0",
        options={"context": context, "threads": threads},
        description="Google's speech embedding, 96 numbers for each 80 ms, summed up over the clip.",
    )


def _mel_features() -> anybind.EncoderSpec:
    return anybind.EncoderSpec(
        name="mel-features",
        modality="audio",
        dim=448,
        factory="anybind_audio.mel_features:MelFeatures",
        weights="none",
        revision="1",
        licence="Apache-2.0",
        description="Statistics of the log energies in 64 mel bands; nothing is learned.",
    )
