import importlib
import inspect
from pathlib import Path

import numpy as np
import pytest

from anybind.catalogue import load_catalogue
from anybind.errors import UsageError
from anybind.plugins import discover


@pytest.fixture(scope="module")
def registry():
    return discover(load_external=False)[0]


def all_entries():
    registry = discover(load_external=False)[0]
    sections = (registry.modalities, registry.encoders, registry.datasets, registry.binders)
    return [entry for section in sections for entry in section.values()]


@pytest.mark.parametrize("entry", all_entries(), ids=lambda entry: entry.spec.name)
def test_every_factory_exists_and_takes_the_declared_options(entry):
    module, _, name = entry.spec.factory.partition(":")
    parameters = inspect.signature(getattr(importlib.import_module(module), name)).parameters
    assert set(getattr(entry.spec, "options", {})) <= set(parameters)


@pytest.mark.parametrize(
    "entry", [e for e in all_entries() if hasattr(e.spec, "options")], ids=lambda entry: entry.spec.name
)
def test_declared_defaults_are_those_of_the_factory(entry):
    module, _, name = entry.spec.factory.partition(":")
    parameters = inspect.signature(getattr(importlib.import_module(module), name)).parameters
    for option, spec in entry.spec.options.items():
        if not spec.required:
            assert spec.default == parameters[option].default, option


def test_the_modalities_are_those_that_the_catalogue_says_the_core_provides(registry):
    known = load_catalogue().modalities
    assert {name for name, m in known.items() if m.provided_by == "anybind"} == set(registry.modalities)


def test_toy_encoders_encode_what_their_modality_loads(registry):
    from PIL import Image

    samples = {"toy-text": ["a dog", "犬"], "toy-image": [Image.new("RGB", (8, 6), "red")]}
    for name, sources in samples.items():
        encoder = registry.build_encoder(name)
        modality = registry.build_modality(encoder.spec.modality)
        loaded = [modality.load(source) for source in sources]
        assert tuple(encoder.encode(loaded).shape) == (len(sources), registry.encoder(name).spec.dim)


def test_vectors_need_their_dim_and_pass_through(registry):
    with pytest.raises(UsageError, match="cannot take the option dim"):
        registry.build_encoder("vectors")
    encoder = registry.build_encoder("vectors", dim=3)
    assert encoder.spec.dim == 3
    vector = np.array([1, 2, 3], dtype=np.float32)
    assert encoder.encode([vector]).tolist() == [[1, 2, 3]]


def test_a_manifest_and_arrays_open_through_the_registry(registry, tmp_path: Path):
    (tmp_path / "rows.csv").write_text("id,text,image\na,hello,a.png\n", encoding="utf-8")
    manifest = registry.build_dataset("manifest", path=str(tmp_path / "rows.csv"), modalities=["text"])
    assert manifest[0] == {"text": "hello"}
    np.save(tmp_path / "x.npy", np.ones((2, 3), dtype=np.float32))
    arrays = registry.build_dataset("arrays", path=str(tmp_path), missing_from_nan=True)
    assert (arrays.modalities, len(arrays)) == (("x",), 2)


@pytest.mark.parametrize("name", ["manifest", "arrays"])
def test_a_forgotten_path_is_told_plainly(registry, name):
    with pytest.raises(UsageError) as caught:
        registry.build_dataset(name)
    assert caught.value.got == "path: missing"
