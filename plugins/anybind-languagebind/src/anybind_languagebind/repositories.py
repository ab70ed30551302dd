"""Where the published checkpoints are. Imports nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Repository:
    """A repository on the Hugging Face Hub.

    Attributes:
        weights: Its name.
        revision: A commit, None where no source for one is known.
        model_type: What its config.json calls itself.
    """

    weights: str
    revision: str | None
    model_type: str


# The commits of video, audio and image are those that MTEB's catalogue of models pins.
VIDEO = Repository(
    "LanguageBind/LanguageBind_Video_FT", "13f52c20ce666a7d017bcd00522039f4ab034a66", "LanguageBindVideo"
)
AUDIO = Repository(
    "LanguageBind/LanguageBind_Audio_FT", "4820c496563c46acfb1ff9a486fae5319f16257e", "LanguageBindAudio"
)
IMAGE = Repository(
    "LanguageBind/LanguageBind_Image", "d8c2e37b439f4fc47c649dc8b90cdcd3a4e0c80e", "LanguageBindImage"
)
# That of a page of the repository itself, later than the weights.
DEPTH = Repository(
    "LanguageBind/LanguageBind_Depth", "7b06680e540773a6538ceb5f595242b519d5932a", "LanguageBindDepth"
)
THERMAL = Repository("LanguageBind/LanguageBind_Thermal", None, "LanguageBindThermal")
# Every repository holds a language tower; training leaves it as it is.
TEXT = IMAGE
