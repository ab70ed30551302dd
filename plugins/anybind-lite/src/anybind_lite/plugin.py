"""What anybind-lite adds: three encoders whose weights come inside registry packages."""

from __future__ import annotations

import anybind
from anybind.encoder_kit.options import batch_size, device
from anybind_lite import weights

ANYBIND_HOOK_API = 1


@anybind.hookimpl
def anybind_encoders() -> list[anybind.EncoderSpec]:
    """``efficientnet-lite0``, ``minilm-l6`` and ``use-multilingual``."""
    return [_efficientnet(), _minilm(), _multilingual_use()]


@anybind.hookimpl
def anybind_examples() -> list[anybind.ExampleSpec]:
    """Each encoder, with the weights that are installed."""
    factories = {"efficientnet-lite0": "pictures", "minilm-l6": "sentences", "use-multilingual": "languages"}
    return [
        anybind.ExampleSpec(kind="encoder", name=name, factory=f"anybind_lite.examples:{function}")
        for name, function in factories.items()
    ]


def _efficientnet() -> anybind.EncoderSpec:
    size = anybind.OptionSpec(
        type="int", default=128, minimum=32, maximum=1024, description="Side of the square input in pixels."
    )
    return anybind.EncoderSpec(
        name="efficientnet-lite0",
        modality="image",
        dim=1280,
        factory="anybind_lite.efficientnet:EfficientNetLite0",
        weights=weights.EFFICIENTNET_LITE0.distribution,
        revision=weights.EFFICIENTNET_LITE0.revision,
        licence="Apache-2.0",
        options={"image_size": size, "batch_size": batch_size(16), "device": device()},
        description="EfficientNet-Lite0 trained on ImageNet; features averaged over space.",
    )


def _minilm() -> anybind.EncoderSpec:
    return anybind.EncoderSpec(
        name="minilm-l6",
        modality="text",
        dim=384,
        factory="anybind_lite.minilm:MiniLM",
        weights=weights.MINILM.distribution,
        revision=weights.MINILM.revision,
        licence="Apache-2.0",
        options={"batch_size": batch_size(32), "device": device()},
        description="all-MiniLM-L6-v2: English sentences, up to 256 tokens.",
    )


def _multilingual_use() -> anybind.EncoderSpec:
    threads = anybind.OptionSpec(
        type="int", default=1, minimum=1, affects_output=False, description="Threads for numpy."
    )
    return anybind.EncoderSpec(
        name="use-multilingual",
        modality="text",
        dim=512,
        factory="anybind_lite.multilingual_use:MultilingualUse",
        weights=weights.USE.distribution,
        revision=weights.USE.revision,
        licence="Apache-2.0",
        options={"batch_size": batch_size(256), "threads": threads},
        description="Multilingual Universal Sentence Encoder 3: sentences in 16 languages.",
    )
