"""One plugin by name, with what it brings and how to build that."""

import pytest

import anybind
from anybind.errors import PluginError, UnknownNameError, UsageError
from anybind.plugins import discover

pytestmark = pytest.mark.usefixtures("only_fake_plugins")

PLUGIN = """
import anybind

@anybind.hookimpl
def anybind_encoders():
    size = anybind.OptionSpec(type="int", default=2, minimum=1)
    return [anybind.EncoderSpec(name="mine", modality="text", dim=4, factory="anybind_mine:Mine", weights="none",
                                revision="1", licence="MIT", options={"size": size})]

@anybind.hookimpl
def anybind_datasets():
    return [anybind.DatasetSpec(name="rows", modalities=("text",), factory="anybind_mine:Rows", licence="MIT")]

@anybind.hookimpl
def anybind_examples():
    return [anybind.ExampleSpec(kind="encoder", name="mine", factory="anybind_mine:example"),
            anybind.ExampleSpec(kind="dataset", name="mine", factory="anybind_mine:example")]

class Mine:
    def __init__(self, spec, *, size):
        self.spec, self.size = spec, size

class Rows:
    def __init__(self, *, modalities):
        self.modalities = modalities
"""


@pytest.mark.parametrize("name", ["mine", "anybind-mine", "Anybind_Mine"])
def test_a_plugin_is_found_by_entry_point_or_distribution(fake_plugin, name):
    fake_plugin("anybind-mine", PLUGIN, version="1.2")
    plugin = anybind.find_plugin(name)
    assert (plugin.name, plugin.distribution, plugin.version) == ("mine", "anybind-mine", "1.2")
    assert (plugin.entry_point, plugin.error) == ("anybind_mine", None)
    assert [spec.name for spec in plugin.encoders] == ["mine"]
    assert [(spec.kind, spec.name) for spec in plugin.examples] == [("encoder", "mine"), ("dataset", "mine")]
    assert plugin.modalities == plugin.binders == ()
    assert "text" in plugin.registry.modalities, "what is installed beside it"


def test_the_built_in_plugin_has_a_name_too(fake_plugin):
    builtin = anybind.find_plugin("builtin")
    assert builtin.entry_point == "anybind.builtin.plugin"
    assert "pcca" in {spec.name for spec in builtin.binders}


def test_its_parts_are_built_with_checked_options(fake_plugin):
    fake_plugin("anybind-mine", PLUGIN)
    plugin = anybind.find_plugin("mine")
    (spec,) = plugin.encoders
    assert plugin.build_encoder(spec, {}).size == 2
    encoder = plugin.build_encoder(spec.model_copy(update={"dim": 3}), {"size": 5})
    assert (encoder.spec.dim, encoder.size) == (3, 5)
    assert plugin.build_dataset(plugin.datasets[0], {}, ["text"]).modalities == ("text",)
    assert plugin.build_dataset(plugin.datasets[0], {}).modalities is None
    with pytest.raises(UsageError, match="encoder 'mine' cannot take the option size"):
        plugin.build_encoder(spec, {"size": 0})
    with pytest.raises(PluginError) as caught:
        plugin.load_factory("anybind_mine:Mien")
    assert "did you mean 'Mine'?" in caught.value.got


def test_examples_are_for_the_kit_and_for_nobody_else(fake_plugin):
    fake_plugin("anybind-mine", PLUGIN)
    registry, statuses = discover()
    assert registry.encoder("mine").spec.name == "mine"
    assert statuses[1].provides == {"encoders": ["mine"], "datasets": ["rows"]}


def test_an_example_twice_is_a_fault_of_the_plugin(fake_plugin):
    fake_plugin("anybind-mine", PLUGIN.replace('kind="dataset", name="mine"', 'kind="encoder", name="mine"'))
    assert anybind.find_plugin("mine").error == "anybind_examples gives the name encoder mine twice"


def test_a_plugin_that_failed_brings_nothing_but_the_reason(fake_plugin):
    fake_plugin("anybind-mine", "raise RuntimeError('no driver')")
    plugin = anybind.find_plugin("mine")
    assert (plugin.error, plugin.specs) == ("RuntimeError: no driver", ())


def test_a_name_that_is_not_there_suggests_the_closest(fake_plugin):
    fake_plugin("anybind-mine", PLUGIN)
    with pytest.raises(UnknownNameError) as caught:
        anybind.find_plugin("anybind-mein")
    assert caught.value.hint == "did you mean 'anybind-mine'?"
    assert caught.value.expected == "one of builtin, mine"


def test_a_distribution_of_several_plugins_is_not_guessed(fake_plugin):
    entry_points = "[anybind]\none = anybind_mine\ntwo = anybind_mine\n"
    fake_plugin("anybind-mine", PLUGIN, entry_points=entry_points)
    with pytest.raises(UsageError) as caught:
        anybind.find_plugin("anybind-mine")
    assert "'one'" in caught.value.got
    assert "'two'" in caught.value.got
    assert anybind.find_plugin("two").name == "two"


def test_a_disabled_plugin_says_so(fake_plugin, monkeypatch):
    fake_plugin("anybind-mine", PLUGIN)
    with pytest.raises(PluginError, match="disabled"):
        anybind.find_plugin("mine", load_external=False)
    monkeypatch.setenv("ANYBIND_DISABLE_PLUGINS", "mine")
    with pytest.raises(PluginError, match="disabled"):
        anybind.find_plugin("mine")
