"""The design's example graph, what would be installed for it, and short ways to read and change it."""

import pytest
import yaml

from anybind.catalogue import Catalogue
from anybind.declaration import parse_declaration
from anybind.errors import DeclarationError
from anybind.registry import Entry, Registry
from anybind.specs import BinderSpec, DatasetSpec, EncoderSpec, ModalitySpec, OptionSpec

EXAMPLE = """\
version: 1
name: emoji-by-japanese
seeds: [0, 1, 2]
modalities: {text_en: {kind: text}, text_ja: {kind: text}}
encoders:
  image: {use: efficientnet-lite0}
  text_en: {use: minilm-l6}
  text_ja: {use: use-multilingual, batch_size: 64}
datasets:
  pictures:    {use: emoji, split: d1, modalities: [image, text_en]}
  translation: {use: emoji, split: d2, modalities: [text_en, text_ja]}
bind:
  targets: [[image, text_ja]]
  method: pcca
  options: {rank: auto}
evaluate:
  - dataset: {use: emoji, split: test}
    pair: [image, text_ja]
    oracle: {use: emoji, split: oracle}
    baselines: [ridge-chain, mox]
"""


def _modality(name, kind=None):
    return ModalitySpec(name=name, kind=kind, factory="m:C")


def _encoder(name, modality, dim, **options):
    specs = {key: OptionSpec(**spec) for key, spec in options.items()}
    return EncoderSpec(
        name=name,
        modality=modality,
        dim=dim,
        factory="m:C",
        weights="w",
        revision="r1",
        licence="MIT",
        options=specs,
    )


def _dataset(name, modalities, **options):
    specs = {key: OptionSpec(**spec) for key, spec in options.items()}
    return DatasetSpec(name=name, modalities=modalities, factory="m:C", licence="MIT", options=specs)


def _binder(name, **options):
    specs = {key: OptionSpec(**spec) for key, spec in options.items()}
    return BinderSpec(name=name, factory="m:C", summary="s", options=specs)


_SPLIT = {"type": "str", "choices": ("d1", "d2", "test", "oracle")}
_PAIRS = {"type": "int", "default": 1500, "minimum": 2, "maximum": 9999}
_SEED = {"type": "int", "default": 0}
_BATCH = {"type": "int", "default": 32, "minimum": 1}
_SPECS = [
    _modality("image"),
    _modality("text"),
    _modality("audio"),
    _modality("photo", "image"),
    _encoder("efficientnet-lite0", "image", 1280),
    _encoder("minilm-l6", "text", 384),
    _encoder("use-multilingual", "text", 512, batch_size=_BATCH),
    _encoder("hub-text", "text", 64, revision={"type": "str"}),
    _encoder("clap", "audio", 512),
    _dataset("emoji", ("image", "text_en", "text_ja"), split=_SPLIT, pairs=_PAIRS, seed=_SEED),
    _dataset("clips", ("image", "audio"), rate={"type": "float", "default": 1.0}),
    _dataset("manifest", None, path={"type": "str"}),
    _binder("auto"),
    _binder("pcca", rank={"type": "int", "default": "auto", "minimum": 1}),
    _binder("mox"),
    _binder("ridge-chain"),
]
_REGISTRY = Registry([Entry(spec, "anybind-fake", "1.0") for spec in _SPECS], catalogue=Catalogue())


@pytest.fixture(scope="session")
def example():
    """The text of the example graph."""
    return EXAMPLE


@pytest.fixture(scope="session")
def registry():
    """What is installed."""
    return _REGISTRY


@pytest.fixture(scope="session")
def changed():
    """The example with one part of its text replaced."""

    def change(old, new):
        assert old in EXAMPLE
        return EXAMPLE.replace(old, new, 1)

    return change


@pytest.fixture(scope="session")
def parse():
    """Reads a graph from its text."""

    def read(text, registry=_REGISTRY):
        return parse_declaration(text, "g.yaml", registry)

    return read


@pytest.fixture(scope="session")
def problems(parse):
    """The problems of a text, as they are printed."""

    def find(text, registry=_REGISTRY):
        with pytest.raises(DeclarationError) as caught:
            parse(text, registry)
        assert caught.value.exit_code == 3
        return [str(problem) for problem in caught.value.problems]

    return find


@pytest.fixture(scope="session")
def tree():
    """The example as plain data."""
    return yaml.safe_load(EXAMPLE)


@pytest.fixture(scope="session")
def replaced():
    """Puts another value at a place of a tree; the tree stays as it is."""

    def replace(value, path, other):
        if not path:
            return other
        copy = dict(value) if isinstance(value, dict) else list(value)
        copy[path[0]] = replace(value[path[0]], path[1:], other)
        return copy

    return replace
