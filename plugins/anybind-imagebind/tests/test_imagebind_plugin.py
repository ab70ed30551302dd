"""What the plugin declares: seven encoders of one space, not for commercial use, and light to list."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib import import_module

import pytest
from anybind_imagebind import plugin

import anybind

SPECS = {spec.name: spec for spec in plugin.anybind_encoders()}


def test_all_encoders_share_a_space_and_the_licence_of_the_weights() -> None:
    assert {spec.modality for spec in SPECS.values()} == {
        "image", "video", "text", "audio", "depth", "thermal", "imu",
    }  # fmt: skip
    for spec in SPECS.values():
        assert (spec.shared_space, spec.dim, spec.licence) == ("imagebind", 1024, "CC-BY-NC-SA-4.0")
        assert spec.revision == "unpinned"
        assert spec.options["weights"].default is spec.options["revision"].default is None


@pytest.mark.parametrize("name", SPECS)
def test_options_are_the_parameters_of_the_class(name: str) -> None:
    module, _, attribute = SPECS[name].factory.partition(":")
    parameters = inspect.signature(getattr(import_module(module), attribute)).parameters
    taken = {key: each.default for key, each in parameters.items() if each.kind is inspect.Parameter.KEYWORD_ONLY}
    assert taken == {key: option.default for key, option in SPECS[name].options.items()}


@pytest.mark.parametrize("name", SPECS)
def test_a_checkpoint_must_be_named(name: str) -> None:
    module, _, attribute = SPECS[name].factory.partition(":")
    with pytest.raises(anybind.UsageError, match="no checkpoint is named"):
        getattr(import_module(module), attribute)(SPECS[name])


def test_every_encoder_has_an_example() -> None:
    examples = plugin.anybind_examples()
    assert [example.name for example in examples] == list(SPECS)


def test_listing_imports_nothing_heavy() -> None:
    code = (
        "import sys; from anybind_imagebind import plugin; plugin.anybind_encoders(); plugin.anybind_examples(); "
        "print(sorted({'torch', 'numpy', 'PIL', 'tokenizers', 'huggingface_hub'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
