"""What anybind-speech adds: the data set ``spoken-emoji`` and the modality ``speech``."""

from __future__ import annotations

import anybind

ANYBIND_HOOK_API = 1
MODALITIES = ("image", "text_en", "speech")


@anybind.hookimpl
def anybind_modalities() -> list[anybind.ModalitySpec]:
    """``speech``, a kind of audio."""
    return [
        anybind.ModalitySpec(
            name="speech", kind="audio", factory="anybind.builtin.audio:Audio", description="Spoken language."
        )
    ]


@anybind.hookimpl
def anybind_datasets() -> list[anybind.DatasetSpec]:
    """The data set ``spoken-emoji``."""
    return [
        anybind.DatasetSpec(
            name="spoken-emoji",
            modalities=MODALITIES,
            factory="anybind_speech.dataset:SpokenEmoji",
            licence="Apache-2.0 AND CC-BY-SA-4.0 AND MIT",
            options=_options(),
            description="1,644 emoji: pictures, English texts, and names spoken by six synthetic voices.",
        )
    ]


@anybind.hookimpl
def anybind_examples() -> list[anybind.ExampleSpec]:
    """A small cut of the data set, and clips for the modality."""
    return [
        anybind.ExampleSpec(kind="dataset", name="spoken-emoji", factory="anybind_speech.examples:few_rows"),
        anybind.ExampleSpec(kind="modality", name="speech", factory="anybind_speech.examples:clips"),
    ]


def _options() -> dict[str, anybind.OptionSpec]:
    option = anybind.OptionSpec
    return {
        "split": option(type="str", description="Required: d1 ... dN, test, oracle (the items of d1), all."),
        "parts": option(type="int", default=2, minimum=1, description="Number N of disjoint parts."),
        "pairs": option(type="int", minimum=1, description="Items per part; as many as fit when not given."),
        "seed": option(type="int", default=0, minimum=0, description="Seeds the cut into splits, as in emoji."),
        "words": option(
            type="str",
            default="any",
            choices=("any", "unseen"),
            description="unseen: only names that share no word with the names of d1 ... dN. For the split test.",
        ),
    }
