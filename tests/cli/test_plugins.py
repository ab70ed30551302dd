"""``anybind plugins list`` and ``anybind doctor``."""

import json

import pytest

ENCODER = """
import anybind
@anybind.hookimpl
def anybind_encoders():
    return [anybind.EncoderSpec(name="mine", modality="text", dim=4, factory="x:Y", weights="none",
                                revision="1", licence="MIT")]
"""


@pytest.fixture(autouse=True)
def only_fakes(only_fake_plugins):
    """What is really installed does not matter here."""


def test_a_table_of_what_is_installed(fake_plugin, anybind):
    fake_plugin("anybind-good", ENCODER, version="2.5")
    result = anybind("plugins", "list")
    assert (result.code, result.stderr) == (0, "")
    header, _, builtin, good = result.stdout.splitlines()
    assert header.split() == ["plugin", "distribution", "version", "status", "provides"]
    assert builtin.split()[:2] == ["builtin", "anybind"]
    assert good.split() == ["good", "anybind-good", "2.5", "ok", "encoders:", "mine"]


def test_a_failed_plugin_is_named_with_its_error(fake_plugin, anybind):
    fake_plugin("anybind-broken", "raise RuntimeError('no such GPU')", version="0.3")
    result = anybind("plugins", "list")
    assert result.code == 1
    assert "! anybind-broken 0.3 (broken) failed: RuntimeError: no such GPU" in result.stdout.splitlines()
    answer = json.loads(anybind("plugins", "list", "--json").stdout)
    assert [(p["status"], p["error"]) for p in answer["plugins"] if p["name"] == "broken"] == [
        ("failed", "RuntimeError: no such GPU")
    ]


def test_two_owners_of_a_name_are_both_named(fake_plugin, anybind):
    fake_plugin("anybind-one", ENCODER)
    fake_plugin("anybind-two", ENCODER)
    result = anybind("plugins", "list", "--json")
    assert result.code == 1
    (conflict,) = json.loads(result.stdout)["conflicts"]
    assert conflict["name"] == "mine"
    assert conflict["owners"] == ["anybind-one 1.0", "anybind-two 1.0"]
    assert "two owners of encoder 'mine'" in anybind("plugins", "list").stdout


def test_the_doctor_finds_nothing_wrong(anybind, monkeypatch, tmp_path):
    (tmp_path / "runs" / "store").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    result = anybind("doctor", "--json")
    answer = json.loads(result.stdout)
    assert (result.code, answer["problems"]) == (0, [])
    assert answer["versions"]["torch"][0].isdigit()
    assert answer["places"]["stores"] == ["runs/store"]
    assert answer["places"]["hub_cache"] == str(tmp_path / "hub")
    assert answer["places"]["catalogue"].endswith("registry.yaml")
    assert answer["switches"]["HF_HUB_OFFLINE"] == "1"
    assert answer["devices"] is None
    lines = anybind("doctor").stdout.splitlines()
    assert lines[-1] == "nothing wrong"
    assert "HF_HUB_OFFLINE=1" in lines


def test_the_doctor_names_what_is_missing(fake_plugin, anybind, monkeypatch):
    fake_plugin("anybind-broken", "raise RuntimeError('no such GPU')")
    monkeypatch.setattr("anybind.cli.doctor._NEEDED", ("torch", "no-such-distribution"))
    result = anybind("doctor")
    assert result.code == 1
    assert "! no-such-distribution is not installed: pip install no-such-distribution" in result.stdout
    assert result.stdout.count("no such GPU") == 1
    assert result.stdout.endswith("problems: 2\n")


def test_the_doctor_can_look_at_the_devices(anybind):
    devices = json.loads(anybind("doctor", "--torch", "--json").stdout)["devices"]
    assert devices[0].startswith("CPU, ")
