import builtins
import json
import os
import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from anybind.errors import DuplicateNameError, PluginError
from anybind.plugins import discover, installed_registry

GOOD = """
import anybind

@anybind.hookimpl
def anybind_encoders():
    return [anybind.EncoderSpec(name={name!r}, modality="text", dim=3, factory="good:Encoder", weights="none",
                                revision="1", licence="MIT")]

@anybind.hookimpl
def anybind_modalities():
    return [anybind.ModalitySpec(name="smell", factory="good:Smell")]
"""

pytestmark = pytest.mark.usefixtures("only_fake_plugins")


def good(name="good-encoder"):
    return GOOD.format(name=name)


def status_of(statuses, distribution):
    (status,) = [status for status in statuses if status.distribution == distribution]
    return status


def test_a_plain_install_has_the_built_in_plugin():
    registry, (builtin,) = discover()
    assert (builtin.name, builtin.distribution, builtin.status) == ("builtin", "anybind", "ok")
    assert {"text", "image", "audio"} <= set(registry.modalities)
    assert "pcca" in registry.binders
    assert builtin.provides["modalities"] == sorted(registry.modalities)


def test_a_plugin_is_found_and_its_specs_are_stamped(fake_plugin):
    fake_plugin("anybind-good", good(), version="1.2.3")
    registry, statuses = discover()
    status = status_of(statuses, "anybind-good")
    assert (status.name, status.version, status.status, status.error) == ("good", "1.2.3", "ok", None)
    assert status.provides == {"encoders": ["good-encoder"], "modalities": ["smell"]}
    assert registry.encoder("good-encoder").owner == "anybind-good 1.2.3"
    json.dumps(status.to_dict())


HEAD = "import anybind\nfrom anybind import hookimpl, EncoderSpec, ModalitySpec, OptionSpec\n"
ENCODER = 'name="e", modality="text", dim=3, factory="m:E", weights="w", revision="1", licence="MIT"'
BROKEN = {
    "import error": ("import not_there_at_all", "ModuleNotFoundError: No module named 'not_there_at_all'"),
    "no module": (None, "ModuleNotFoundError: No module named 'anybind_broken'"),
    "raises": ("raise RuntimeError('no\\n  driver')", "RuntimeError: no driver"),
    "exits": ("import sys; sys.exit(7)", "SystemExit: 7"),
    "exits quietly": ("import sys; sys.exit()", "SystemExit"),
    "syntax error": ("def (", "SyntaxError"),
    "misspelt hook": (
        HEAD + good() + "\n@hookimpl\ndef anybind_encodrs(): return []",
        "implements an unknown hook 'anybind_encodrs'; did you mean 'anybind_encoders'?",
    ),
    "far from any hook": (
        HEAD + "@hookimpl\ndef frobnicate(): return []",
        "implements an unknown hook 'frobnicate'; the hooks are anybind_modalities, anybind_encoders",
    ),
    "unmarked hook": (
        HEAD + good() + "\ndef anybind_datasets(): return []",
        "anybind_datasets is not marked with @anybind.hookimpl",
    ),
    "wrong argument": (HEAD + "@hookimpl\ndef anybind_encoders(x): return []", "PluginValidationError: "),
    "no hook": ("x = 1", "implements no hook; expected at least one of anybind_modalities"),
    "raises in a hook": (HEAD + "@hookimpl\ndef anybind_encoders(): return 1 / 0", "ZeroDivisionError"),
    "exits in a hook": (HEAD + "@hookimpl\ndef anybind_encoders(): raise SystemExit(2)", "SystemExit: 2"),
    "returns nothing": (
        HEAD + "@hookimpl\ndef anybind_encoders(): pass",
        "anybind_encoders returned None, not a list of EncoderSpec",
    ),
    "returns a generator": (
        HEAD + "@hookimpl\ndef anybind_encoders(): yield 1",
        "anybind_encoders returned a generator, not a list of EncoderSpec",
    ),
    "wrong type": (
        HEAD + good() + "\n@hookimpl\ndef anybind_datasets(): return [ModalitySpec(name='x', factory='m:X')]",
        "anybind_datasets[0] is a ModalitySpec, not DatasetSpec",
    ),
    "a dict": (HEAD + "@hookimpl\ndef anybind_encoders(): return [{}]", "anybind_encoders[0] is a dict"),
    "invalid factory": (
        HEAD + "@hookimpl\ndef anybind_modalities(): return [ModalitySpec(name='x', factory='os.system')]",
        "invalid ModalitySpec: factory: String should match pattern",
    ),
    "unknown field": (
        HEAD + f"@hookimpl\ndef anybind_encoders(): return [EncoderSpec({ENCODER}, license='MIT')]",
        "invalid EncoderSpec: license: Extra inputs are not permitted",
    ),
    "unchecked spec": (
        HEAD + "@hookimpl\ndef anybind_modalities(): return [ModalitySpec.model_construct(name='x')]",
        "invalid ModalitySpec: factory: Field required",
    ),
    "one name twice": (
        HEAD + "@hookimpl\ndef anybind_modalities(): return [ModalitySpec(name='x', factory='m:X')] * 2",
        "anybind_modalities gives the name x twice",
    ),
    "reserved option": (
        HEAD + "@hookimpl\ndef anybind_encoders():\n"
        f"    return [EncoderSpec({ENCODER}, options={{'spec': OptionSpec(type='int')}})]",
        "anybind_encoders[0] (e): an option cannot be named 'spec'",
    ),
    "newer hook API": (
        "ANYBIND_HOOK_API = 99" + good(),
        "written for hook API 99, but this anybind has hook API 1",
    ),
    "long error": ("raise RuntimeError('x' * 100_000)", "RuntimeError: xxx"),
}  # fmt: skip


@pytest.mark.parametrize("code_and_error", BROKEN.values(), ids=BROKEN)
def test_a_broken_plugin_is_reported_and_stops_nothing(fake_plugin, code_and_error):
    code, error = code_and_error
    fake_plugin("anybind-good", good("another-encoder").replace('"smell"', '"odour"'))
    fake_plugin("anybind-broken", code, version="0.3")
    registry, statuses = discover()
    status = status_of(statuses, "anybind-broken")
    assert (status.name, status.version, status.status, status.provides) == ("broken", "0.3", "failed", {})
    assert status.error.startswith(error)
    assert "\n" not in status.error
    assert len(status.error) < 700
    assert "another-encoder" in registry.encoders
    assert registry.conflicts == ()
    everything = [*registry.encoders.values(), *registry.modalities.values(), *registry.datasets.values()]
    assert "anybind-broken" not in {entry.distribution for entry in everything}


@pytest.mark.parametrize("code_and_error", BROKEN.values(), ids=BROKEN)
def test_strict_raises_instead_of_reporting(fake_plugin, monkeypatch, code_and_error):
    monkeypatch.setenv("ANYBIND_PLUGINS_STRICT", "1")
    fake_plugin("anybind-broken", code_and_error[0], version="0.3")
    with pytest.raises(PluginError, match=r"anybind-broken 0\.3, entry point 'broken'") as caught:
        discover()
    assert caught.value.got.startswith(code_and_error[1])
    assert caught.value.__cause__ is not None


def test_an_interrupt_is_not_swallowed(fake_plugin):
    fake_plugin("anybind-slow", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        discover()


def test_a_hook_of_the_future_may_be_marked_optional(fake_plugin):
    hook = "\n@anybind.hookimpl(optionalhook=True)\ndef anybind_weather(): return []"
    fake_plugin("anybind-new", good() + hook)
    _, statuses = discover()
    assert status_of(statuses, "anybind-new").status == "ok"


def test_an_entry_point_may_name_an_object(fake_plugin):
    code = HEAD + (
        "class Plugin:\n    @hookimpl\n    def anybind_modalities(self):\n"
        "        return [ModalitySpec(name='x', factory='m:X')]\nplugin = Plugin()\n"
    )
    fake_plugin("anybind-object", code, entry_points="[anybind]\none = anybind_object:plugin\n")
    registry, _ = discover()
    assert "x" in registry.modalities


@pytest.mark.parametrize("order", [("anybind-a", "anybind-b"), ("anybind-b", "anybind-a")])
def test_two_owners_of_a_name_are_an_error_whatever_was_installed_first(fake_plugin, order):
    for distribution in order:
        fake_plugin(distribution, good("same"), version="2.0")
    registry, statuses = discover()
    assert [status.distribution for status in statuses] == ["anybind", "anybind-a", "anybind-b"]
    assert {status.status for status in statuses} == {"ok"}
    assert [(c.kind, c.name) for c in registry.conflicts] == [("encoder", "same"), ("modality", "smell")]
    with pytest.raises(DuplicateNameError) as caught:
        registry.encoder("same")
    assert caught.value.got == "anybind-a 2.0 and anybind-b 2.0"


def test_strict_raises_on_two_owners(fake_plugin, monkeypatch):
    monkeypatch.setenv("ANYBIND_PLUGINS_STRICT", "1")
    fake_plugin("anybind-a", good())
    fake_plugin("anybind-b", good())
    with pytest.raises(DuplicateNameError, match=r"anybind-a 1\.0 and anybind-b 1\.0"):
        discover()


def test_a_name_of_the_built_in_plugin_cannot_be_taken_over_silently(fake_plugin):
    fake_plugin("anybind-rogue", good().replace('"smell"', '"image"'))
    registry, _ = discover()
    with pytest.raises(DuplicateNameError, match="image") as caught:
        registry.modality("image")
    assert "anybind-rogue 1.0" in caught.value.got


@pytest.mark.parametrize("name", ["anybind-good", "Anybind_Good", "good", "other, anybind-good"])
def test_disabled_plugins_are_listed_and_not_loaded(fake_plugin, monkeypatch, name):
    fake_plugin("anybind-good", "raise RuntimeError('was loaded')")
    monkeypatch.setenv("ANYBIND_DISABLE_PLUGINS", name)
    _, statuses = discover()
    status = status_of(statuses, "anybind-good")
    assert (status.status, status.error, status.provides) == ("disabled", None, {})
    _, statuses = discover(disabled=frozenset())
    assert status_of(statuses, "anybind-good").status == "failed"


def test_the_built_in_plugin_cannot_be_disabled(monkeypatch):
    monkeypatch.setenv("ANYBIND_DISABLE_PLUGINS", "anybind,builtin")
    registry, (status,) = discover()
    assert status.status == "ok"
    assert registry.modalities


def test_no_plugins_leaves_only_the_built_in_one(fake_plugin):
    fake_plugin("anybind-good", good())
    registry, statuses = discover(load_external=False)
    assert [status.status for status in statuses] == ["ok", "disabled"]
    assert "good-encoder" not in registry.encoders


def test_entry_points_can_be_given():
    point = EntryPoint("mine", "no_such_module_anywhere", "anybind")
    _, (_, status) = discover(entry_points=[point])
    assert (status.name, status.distribution, status.status) == ("mine", "unknown distribution", "failed")


def test_a_distribution_found_twice_on_the_path_counts_once(fake_plugin):
    fake_plugin("anybind-good", good("stale"), version="1.0")
    fake_plugin("Anybind_Good", good("new"), version="2.0", module="anybind_good")
    registry, statuses = discover(disabled=frozenset())
    assert [(s.version, s.status) for s in statuses[1:]] == [("2.0", "ok")]
    assert "new" in registry.encoders
    assert registry.conflicts == ()


def test_one_distribution_that_owns_a_name_twice_is_no_silent_winner_either(fake_plugin):
    fake_plugin("anybind-good", good(), entry_points="[anybind]\nb = anybind_good\na = anybind_good\n")
    registry, statuses = discover()
    assert [status.name for status in statuses[1:]] == ["a", "b"]
    assert registry.conflicts[0].owners == ("anybind-good 1.0", "anybind-good 1.0")


def test_damaged_metadata_is_reported_and_that_of_strangers_is_not_read(fake_plugin):
    fake_plugin("stranger", "", entry_points="[console_scripts]\nnot a line of an ini file\n")
    fake_plugin("anybind-damaged", good(), entry_points="[anybind]\nnot a line of an ini file\n")
    fake_plugin("anybind-good", good())
    _, statuses = discover()
    found = [(status.distribution, status.status) for status in statuses[1:]]
    assert found == [("anybind-damaged", "failed"), ("anybind-good", "ok")]


def test_the_installed_registry_is_found_once_and_follows_the_environment(fake_plugin, monkeypatch):
    fake_plugin("anybind-good", good())
    registry = installed_registry()
    assert "good-encoder" in registry.encoders
    assert installed_registry() is registry
    monkeypatch.setenv("ANYBIND_DISABLE_PLUGINS", "anybind-good")
    assert "good-encoder" not in installed_registry().encoders
    monkeypatch.delenv("ANYBIND_DISABLE_PLUGINS")
    fake_plugin("anybind-more", good("more").replace('"smell"', '"odour"'))
    assert "more" in installed_registry().encoders


def test_what_plugins_print_does_not_reach_standard_output(fake_plugin, capsys):
    fake_plugin("anybind-good", "print('loading weights')" + good())
    discover()
    assert capsys.readouterr().out == ""
    assert builtins.print is print


def test_an_unavailable_plugin_explains_its_missing_names(fake_plugin):
    fake_plugin("anybind-broken", "raise RuntimeError('no driver')")
    registry, _ = discover()
    assert "anybind-broken" in registry.explain_missing("dataset", "zzzzzz")


def test_discovery_leaves_torch_alone(fake_plugin):
    site = fake_plugin("anybind-good", good())
    code = "import sys; from anybind.plugins import discover; registry, _ = discover(); "
    code += "assert 'good-encoder' in registry.encoders; sys.exit('torch' in sys.modules)"
    paths = [str(site), *sys.path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=60)
