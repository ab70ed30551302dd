"""Encoders of a plugin that is not there: ``PLUGIN`` is its code for ``fake_plugin``, and ``LOADS`` what was loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

import anybind
from anybind.binder import Binder
from anybind.builtin.toy import ToyImage, ToyText
from anybind.plugins import installed_registry
from anybind.specs import EncoderSpec

DISTRIBUTION = "anybind-tiny"
PLUGIN = """
import anybind

ANYBIND_HOOK_API = 1


@anybind.hookimpl
def anybind_encoders():
    def spec(name, modality, dim, factory):
        return anybind.EncoderSpec(name=name, modality=modality, dim=dim, factory=f"tiny_encoders:{factory}",
                                   weights="none", revision="1", licence="MIT")

    return [spec("tiny-words", "text", 12, "Words"), spec("tiny-letters", "text", 64, "Letters"),
            spec("tiny-colours", "image", 64, "Colours")]
"""
COLOURS = {"red": (250, 30, 20), "green": (20, 240, 40), "blue": (30, 20, 245), "grey": (128, 128, 128)}
# The names of the encoders that were built, in order.
LOADS: list[str] = []


class Letters(ToyText):
    """Character n-grams."""

    def __init__(self, spec: EncoderSpec) -> None:
        super().__init__(spec)
        LOADS.append(spec.name)


class Colours(ToyImage):
    """Colours of pictures."""

    def __init__(self, spec: EncoderSpec) -> None:
        super().__init__(spec)
        LOADS.append(spec.name)


class Words:
    """Means of random vectors of words: a model of sentence-transformers without a network."""

    def __init__(self, spec: EncoderSpec) -> None:
        self.spec = spec
        LOADS.append(spec.name)
        self._model = self.as_sentence_transformer()

    def encode(self, samples: Sequence[str]) -> torch.Tensor:
        found: torch.Tensor = self._model.encode(list(samples), convert_to_tensor=True, show_progress_bar=False)
        return found

    def as_sentence_transformer(self) -> Any:
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.modules import StaticEmbedding
        from tokenizers import Tokenizer, models, pre_tokenizers

        words = ["[UNK]", *COLOURS, *"a dog two dogs play in the snow and bird house".split()]
        tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(dict.fromkeys(words))}, unk_token="[UNK]"))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        weights = torch.randn(len(set(words)), self.spec.dim, generator=torch.Generator().manual_seed(0))
        return SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=weights)], device="cpu")


def with_encoders(binder: Binder, **encoders: str) -> Binder:
    """The binder, as if its spaces had been fitted on what these installed encoders gave."""
    registry, spaces = installed_registry(), dict(binder.spaces)
    for space, name in encoders.items():
        entry = registry.encoder(name)
        known = {"modality": entry.spec.modality, "encoder": name, "revision": entry.spec.revision,
                 "weights": entry.spec.weights, "licence": entry.spec.licence,
                 "distribution": f"{entry.distribution} {entry.version}"}  # fmt: skip
        spaces[space] = spaces[space].model_copy(update=known)
    return Binder(binder.method_name, binder._method, spaces, binder._inputs, binder.training, registry=registry,
                  licence=binder.licence)  # fmt: skip


def colour_items(count: int, seed: int) -> tuple[list[str], list[Any]]:
    """Texts and pictures of the same colours, in random order."""
    import random

    from PIL import Image

    draw, texts, pictures = random.Random(seed), [], []
    for _ in range(count):
        name = draw.choice(list(COLOURS))
        texts.append(f"{draw.choice(['a', 'the', 'two'])} {name} {draw.choice(['dog', 'bird', 'house'])}")
        shade = tuple(max(0, min(255, value + draw.randint(-20, 20))) for value in COLOURS[name])
        pictures.append(Image.new("RGB", (draw.randint(8, 16), 12), shade))
    return texts, pictures


def colour_binder(words: str, **options: Any) -> Binder:
    """A binder of texts and pictures of colours; ``words`` is the encoder of the texts."""
    registry = installed_registry()
    texts, pictures = colour_items(120, 1)
    rows = {"text": registry.build_encoder(words).encode(texts),
            "image": registry.build_encoder("tiny-colours").encode(pictures)}  # fmt: skip
    binder = anybind.fit({"pairs": rows}, method="pcca", options={"features": "identity", "rank": 3, **options})
    LOADS.clear()
    return with_encoders(binder, text=words, image="tiny-colours")
