"""``conformance`` under pytest: what a plugin's author sees for each outcome."""

import numpy  # noqa: F401 loaded before pytester takes down what is loaded, as a second import of it warns
import pytest
import torch  # noqa: F401

import anybind
from anybind.testing import conformance

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.usefixtures("on_path", "only_fake_plugins")

PLUGIN = """
import anybind

@anybind.hookimpl
def anybind_modalities():
    return [anybind.ModalitySpec(name="note", factory="mutants:{factory}")]

@anybind.hookimpl
def anybind_examples():
    return [anybind.ExampleSpec(kind="modality", name="note", factory="mutants:notes")]
"""
FILE = "from anybind.testing import conformance\n\ntest_conformance = conformance('tried'{more})\n"
BROKEN = "ModalityThatDoesNotEscape"
QUICK = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest")  # which imports hypothesis anew each time
CHECKS = 8  # those of a modality


@pytest.fixture
def run(pytester, fake_plugin):
    """Write the test of a plugin whose modality has this class, and run it."""

    def run_it(factory, more="", *options, only="modality"):
        fake_plugin("anybind-tried", PLUGIN.format(factory=factory), requires=["anybind<1"])
        pytester.makepyfile(test_tried_conformance=FILE.format(more=more))
        return pytester.runpytest_inprocess(*QUICK, "-rsxX", "-k", only, *options)

    return run_it


def test_what_is_right_passes_one_case_a_check(run):
    result = run("GoodModality", "", "-v", only="")
    result.assert_outcomes(passed=12 + CHECKS)
    result.stdout.fnmatch_lines(["*test_conformance[[]plugin/tried/import_is_light] PASSED*"])
    result.stdout.fnmatch_lines(["*test_conformance[[]modality/note/modality_loads] PASSED*"])


def test_what_is_wrong_fails_and_says_how(run):
    result = run(BROKEN)
    result.assert_outcomes(passed=CHECKS - 1, failed=1)
    result.stdout.fnmatch_lines(
        ["*modality 'note' fails the check modality_previews_safely", "*got: *<script>*", "*hint: *html.escape()*"]
    )


def test_what_cannot_be_tried_is_skipped_with_the_reason(run):
    result = run("ModalityThatFailsToBuild")
    result.assert_outcomes(passed=CHECKS - 7, failed=1, skipped=6)
    result.stdout.fnmatch_lines(["*SKIPPED*see modality_builds*"])


@pytest.mark.parametrize("name", ["modality_previews_safely", "modality/note/modality_previews_safely"])
def test_an_expected_failure_is_no_failure(run, name):
    result = run(BROKEN, f", expected_failures={{'{name}': 'issue 7'}}")
    result.assert_outcomes(passed=CHECKS - 1, xfailed=1)
    result.stdout.fnmatch_lines(["XFAIL *issue 7*"])


def test_an_expected_failure_that_passes_is_a_failure(run):
    result = run("GoodModality", ", expected_failures={'modality_previews_safely': 'issue 7'}")
    result.assert_outcomes(passed=CHECKS - 1, failed=1)
    result.stdout.fnmatch_lines(["*XPASS(strict)*issue 7*"])


def test_an_expected_failure_of_no_check_is_an_error(run):
    result = run(BROKEN, ", expected_failures={'modality_previews_safly': 'issue 7'}")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*UsageError: an expected failure names no check of this plugin*"])
    result.stdout.fnmatch_lines(["*got: *modality_previews_safly*"])


def test_a_plugin_that_offers_nothing_is_an_error(fake_plugin):
    fake_plugin("anybind-tried", "import anybind\n@anybind.hookimpl\ndef anybind_encoders(): return []")
    with pytest.raises(anybind.PluginError, match="offers nothing"):
        conformance("tried")


def test_a_plugin_that_fails_to_load_fails_one_case(fake_plugin, pytester):
    fake_plugin("anybind-tried", "import not_there_at_all", requires=["anybind<1"])
    pytester.makepyfile(test_tried=FILE.format(more=""))
    result = pytester.runpytest_inprocess(*QUICK, "-rs")
    outcomes = result.parseoutcomes()
    assert (outcomes["failed"], outcomes["passed"]) == (1, 1), "core_is_bounded can be told"
    result.stdout.fnmatch_lines(["*got: *No module named 'not_there_at_all'*", "SKIPPED*see entry_point_loads*"])


def test_a_plugin_that_is_not_there_is_an_error_that_names_the_closest(fake_plugin):
    fake_plugin("anybind-tried", PLUGIN.format(factory="GoodModality"))
    with pytest.raises(anybind.UnknownNameError) as caught:
        conformance("tired")
    assert caught.value.hint == "did you mean 'tried'?"
