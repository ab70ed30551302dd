"""``anybind plugins check``."""

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("only_fake_plugins")

PLUGIN = """
import anybind

@anybind.hookimpl
def anybind_modalities():
    return [anybind.ModalitySpec(name="note", factory="mutants:{factory}")]

@anybind.hookimpl
def anybind_examples():
    return [anybind.ExampleSpec(kind="modality", name="note", factory="mutants:notes")]
"""


@pytest.fixture
def checked(fake_plugin, anybind, monkeypatch):
    """Check a plugin whose modality has this class of tests/testing/mutants.py; nothing runs in a fresh Python."""
    answer = {"heavy": [], "said": "", "torch": None}
    monkeypatch.setattr("anybind.testing.subjects.ask_probe", lambda task, **arguments: answer)
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "testing"))

    def check(factory, *arguments, code=PLUGIN):
        fake_plugin("anybind-tried", code.format(factory=factory), version="2.5", requires=["anybind<1"])
        return anybind("plugins", "check", *arguments)

    return check


def test_what_is_right_is_counted_and_the_exit_code_is_0(checked):
    result = checked("GoodModality", "tried")
    assert (result.code, result.stderr) == (0, "")
    header, _, plugin, modality, whole = result.stdout.splitlines()
    assert header.split() == ["subject", "passed", "failed", "xfail", "skipped"]
    assert plugin.split() == ["plugin/tried", "12", "0", "0", "0"]
    assert modality.split() == ["modality/note", "8", "0", "0", "0"]
    assert whole.split() == ["all", "20", "0", "0", "0"]


def test_what_is_wrong_is_told_with_what_to_do_and_the_exit_code_is_1(checked):
    result = checked("ModalityThatDoesNotEscape", "anybind-tried")
    assert result.code == 1
    lines = result.stdout.splitlines()
    assert "! modality/note modality_previews_safely" in lines
    assert any(line.strip().startswith("hint:") and "html.escape()" in line for line in lines)


def test_what_is_skipped_says_why(checked):
    result = checked("ModalityThatFailsToBuild", "tried")
    (skipped,) = [line for line in result.stdout.splitlines() if line.startswith("- ")]
    assert skipped.startswith("- modality/note skipped, see modality_builds: modality_loads, ")


def test_json_holds_every_check(checked):
    result = checked("ModalityThatDoesNotEscape", "tried", "--json")
    answer = json.loads(result.stdout)
    assert (result.code, answer["ok"], answer["plugin"], answer["version"]) == (1, False, "tried", "2.5")
    assert answer["counts"] == {"passed": 19, "failed": 1, "xfail": 0, "skipped": 0}
    assert len(answer["checks"]) == 20
    (failed,) = [check for check in answer["checks"] if check["status"] == "failed"]
    assert (failed["subject"], failed["check"]) == ("modality/note", "modality_previews_safely")
    assert "<script>" in failed["reason"]


def test_a_failure_that_is_expected_is_none(checked):
    result = checked("ModalityThatDoesNotEscape", "tried", "--expect-failure", "modality_previews_safely=issue 7")
    assert result.code == 0
    assert result.stdout.splitlines()[-1] == "x modality/note modality_previews_safely: issue 7"


def test_a_failure_that_is_expected_and_does_not_come_is_one(checked):
    result = checked("GoodModality", "tried", "--expect-failure", "modality_previews_safely=issue 7")
    assert result.code == 1
    assert "it was expected to fail, but passes: issue 7" in result.stdout


@pytest.mark.parametrize(
    ("text", "words"), [("modality_previews_safly=x", "names no check"), ("x", "CHECK=REASON"), ("a=", "CHECK=REASON")]
)
def test_an_expected_failure_that_means_nothing_is_a_usage_error(checked, text, words):
    result = checked("GoodModality", "tried", "--expect-failure", text)
    assert result.code == 2
    assert words in result.stderr


def test_a_name_that_is_not_there_suggests_the_closest(checked):
    result = checked("GoodModality", "tired")
    assert result.code == 3
    assert "did you mean 'tried'?" in result.stderr


def test_a_plugin_that_offers_nothing_is_an_error(checked):
    nothing = "import anybind\n@anybind.hookimpl\ndef anybind_encoders(): return []"
    result = checked("", "tried", code=nothing)
    assert result.code == 1
    assert "offers nothing" in result.stderr
