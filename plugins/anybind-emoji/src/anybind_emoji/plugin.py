"""What anybind-emoji adds: the data set ``emoji`` and one text modality per language."""

from __future__ import annotations

import anybind
from anybind_emoji import collection

ANYBIND_HOOK_API = 1


@anybind.hookimpl
def anybind_modalities() -> list[anybind.ModalitySpec]:
    """One modality per language, each a kind of text."""
    return [
        anybind.ModalitySpec(
            name=f"text_{language}",
            kind="text",
            factory="anybind.builtin.text:Text",
            description=f"Text in the language {language}.",
        )
        for language in collection.LANGUAGES
    ]


@anybind.hookimpl
def anybind_datasets() -> list[anybind.DatasetSpec]:
    """The data set ``emoji``."""
    return [
        anybind.DatasetSpec(
            name="emoji",
            modalities=collection.MODALITIES,
            factory="anybind_emoji.dataset:EmojiDataset",
            licence="CC-BY-SA-4.0 AND MIT",
            options=_options(),
            description=f"1,644 emoji: pictures, names and keywords. {collection.ATTRIBUTION}",
        )
    ]


@anybind.hookimpl
def anybind_examples() -> list[anybind.ExampleSpec]:
    """The data set itself: it is shipped."""
    return [anybind.ExampleSpec(kind="dataset", name="emoji", factory="anybind_emoji.examples:few_emoji")]


def _options() -> dict[str, anybind.OptionSpec]:
    option = anybind.OptionSpec
    return {
        "split": option(type="str", description="Required: d1 ... dN, test, oracle (the items of d1), all."),
        "parts": option(type="int", default=2, minimum=1, description="Number N of disjoint parts."),
        "pairs": option(type="int", minimum=1, description="Items per part; as many as fit when not given."),
        "seed": option(type="int", default=0, minimum=0, description="Seeds the cut into splits."),
        "languages": option(
            type="list[str]",
            default=list(collection.LANGUAGES),
            choices=collection.LANGUAGES,
            description="Languages whose texts rows hold.",
        ),
    }
