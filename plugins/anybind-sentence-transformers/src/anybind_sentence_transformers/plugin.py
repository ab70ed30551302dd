"""What anybind-sentence-transformers adds. Imports nothing heavy."""

from __future__ import annotations

from typing import NamedTuple

import anybind
from anybind.encoder_kit.options import checkpoint_options, running_options

ANYBIND_HOOK_API = 1

_FACTORY = "anybind_sentence_transformers.encoder"


class Preset(NamedTuple):
    """A published model: the commit is the one its main branch had when this was written."""

    name: str
    dim: int
    weights: str
    revision: str
    licence: str
    factory: str
    description: str


PRESETS = [
    Preset("all-minilm-l6-v2", 384, "sentence-transformers/all-MiniLM-L6-v2",
           "1110a243fdf4706b3f48f1d95db1a4f5529b4d41", "Apache-2.0", "Published", "English sentences, small."),
    Preset("all-mpnet-base-v2", 768, "sentence-transformers/all-mpnet-base-v2",
           "e8c3b32edf5434bc2275fc9bab85f82640a19130", "Apache-2.0", "Published", "English sentences."),
    Preset("paraphrase-multilingual-minilm-l12-v2", 384,
           "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2", "e8f8c211226b894fcb81acc59f3b34ba3efd5f42",
           "Apache-2.0", "Published", "Sentences in more than 50 languages, small."),
    Preset("multilingual-e5-small", 384, "intfloat/multilingual-e5-small",
           "614241f622f53c4eeff9890bdc4f31cfecc418b3", "MIT", "Query",
           "Texts in about 100 languages, small; every text is led in by 'query: ', as its authors ask for."),
]  # fmt: skip


@anybind.hookimpl
def anybind_encoders() -> list[anybind.EncoderSpec]:
    """The encoder of any SentenceTransformer, and published ones by name."""
    return [_any(), *(_published(preset) for preset in PRESETS)]


@anybind.hookimpl
def anybind_examples() -> list[anybind.ExampleSpec]:
    """Tiny checkpoints for the conformance kit."""
    factories = {"sentence-transformers": "any_model"} | {preset.name: "published" for preset in PRESETS}
    return [
        anybind.ExampleSpec(kind="encoder", name=name, factory=f"anybind_sentence_transformers.examples:{factory}")
        for name, factory in factories.items()
    ]


def _any() -> anybind.EncoderSpec:
    return anybind.EncoderSpec(
        name="sentence-transformers",
        modality="text",
        dim=384,
        factory=f"{_FACTORY}:AnyModel",
        weights="a model of your choice",
        revision="unpinned",
        licence="unknown",
        options={
            "dim": anybind.OptionSpec(type="int", required=True, minimum=1, description="Length of the vectors."),
            **checkpoint_options(),
            "prompt_name": anybind.OptionSpec(
                type="str", description="One of the model's own prompts; none is the model's default, if it has one."
            ),
            "prompt": _prompt(None),
            "truncate_dim": anybind.OptionSpec(
                type="int", minimum=1, description="Keep the first numbers only, for models trained so (Matryoshka)."
            ),
            **_running(),
        },
        description="Any model of sentence-transformers, without code of its own.",
    )


def _published(preset: Preset) -> anybind.EncoderSpec:
    return anybind.EncoderSpec(
        name=preset.name,
        modality="text",
        dim=preset.dim,
        factory=f"{_FACTORY}:{preset.factory}",
        weights=preset.weights,
        revision=preset.revision,
        licence=preset.licence,
        options={
            **checkpoint_options(),
            "prompt": _prompt("query: " if preset.factory == "Query" else None),
            **_running(),
        },
        description=preset.description,
    )


def _prompt(default: str | None) -> anybind.OptionSpec:
    return anybind.OptionSpec(type="str", default=default, description="Put before every text.")


def _running() -> dict[str, anybind.OptionSpec]:
    normalize = anybind.OptionSpec(type="bool", default=True, description="Scale every vector to length 1.")
    return {"normalize": normalize, **running_options(32)}
