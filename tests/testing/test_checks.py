"""Every check passes what is right and fails what is wrong: nothing else fails for one fault."""

import importlib
import re
import sys
from pathlib import Path

import pytest
import torch  # noqa: F401 the real one, before a test puts another on the path

import anybind
from anybind.installed_plugin import InstalledPlugin
from anybind.plugins import discover
from anybind.testing import ConformanceError, NotApplicableError, iter_checks, run_checks
from anybind.testing.cases import CHECKS

sys.path.insert(0, str(Path(__file__).parent))
mutants = importlib.import_module("mutants")
sys.path.pop(0)

pytestmark = pytest.mark.usefixtures("on_path")
CONTRACT = Path(__file__).parents[2] / "docs" / "contract.md"
ALL_CHECKS = {check.__name__.removeprefix("check_"): check for checks in CHECKS.values() for check in checks}


@pytest.fixture(autouse=True)
def quick_torch(tmp_path, monkeypatch):
    """A torch of nothing for the processes that the kit starts: they only see whether it is imported."""
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "torch.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path / "path"))


@pytest.fixture(scope="module")
def registry():
    return discover(entry_points=[])[0]


def plugin_of(registry, *specs):
    return InstalledPlugin("tried", "anybind-tried", "1.0", "tried", None, tuple(specs), registry)


def run_parts(plugin):
    """Name of a check -> its outcome, without the checks of the plugin as a whole."""
    return {case.name: result(case) for case in iter_checks(plugin) if case.subject.kind != "plugin"}


def result(case):
    """passed, failed, or why it is skipped."""
    try:
        case.run()
    except NotApplicableError as error:
        return error.what
    except ConformanceError as error:
        told = (error.check, error.subject, error.got is not None, error.expected is not None)
        return "failed" if told == (case.name, str(case.subject), True, True) else f"tells {told}"
    return "passed"


def reason(case):
    """What a case that fails says it got."""
    with pytest.raises(ConformanceError) as caught:
        case.run()
    return str(caught.value.got)


@pytest.mark.parametrize("kind", mutants.KINDS)
def test_what_is_right_passes_and_nothing_is_skipped(registry, kind):
    found = run_parts(plugin_of(registry, *mutants.specs_of(kind)))
    assert set(found) == {check.__name__.removeprefix("check_") for check in CHECKS[kind]}
    assert set(found.values()) == {"passed"}


@pytest.mark.parametrize(
    ("check", "factory", "example"), mutants.PARTS,
    ids=[f"{check}-{factory or example or 'none'}" for check, factory, example in mutants.PARTS],
)  # fmt: skip
def test_a_broken_part_fails_its_check_alone(registry, check, factory, example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kind = check.partition("_")[0]
    found = run_parts(plugin_of(registry, *mutants.specs_of(kind, factory, example)))
    assert [name for name, outcome in found.items() if outcome == "failed"] == [check]
    reasons = {outcome for outcome in found.values() if outcome not in ("passed", "failed")}
    assert reasons <= {f"see {check}", "no example"}, "a check that is skipped says which check has the reason"


@pytest.mark.usefixtures("only_fake_plugins")
class TestWholePlugins:
    def failed(self, fake_plugin, code, requirement=mutants.GOOD_REQUIREMENT):
        """Name of each check of the plugin as a whole that fails -> how."""
        fake_plugin("anybind-tried", code, requires=[requirement])
        cases = [case for case in iter_checks("tried") if case.subject.kind == "plugin"]
        return {case.name: got for case in cases if result(case) == "failed" and (got := reason(case))}

    def test_what_is_right_passes(self, fake_plugin):
        fake_plugin("anybind-tried", mutants.GOOD_PLUGIN, requires=[mutants.GOOD_REQUIREMENT])
        outcomes = list(run_checks("tried"))
        assert {outcome.status for outcome in outcomes} == {"passed"}
        assert {outcome.check for outcome in outcomes} == set(ALL_CHECKS)

    @pytest.mark.parametrize(
        ("check", "old", "new"), mutants.PLUGINS,
        ids=[f"{check}-{number}" for number, (check, _, _) in enumerate(mutants.PLUGINS)],
    )  # fmt: skip
    def test_a_broken_plugin_fails_its_check_alone(self, fake_plugin, check, old, new):
        code, requirement = mutants.GOOD_PLUGIN, mutants.GOOD_REQUIREMENT
        if check == "core_is_bounded":
            requirement = requirement.replace(old, new)
        else:
            assert code.count(old) == 1 or not old
            code = code.replace(old, new) if old else f"{code}\n{new}\n"
        assert list(self.failed(fake_plugin, code, requirement)) == [check]

    def test_a_name_that_another_plugin_has_too(self, fake_plugin):
        other = mutants.GOOD_PLUGIN.replace('name="note"', 'name="key"').replace('name="words"', 'name="texts"')
        fake_plugin("anybind-other", other)
        failed = self.failed(fake_plugin, mutants.GOOD_PLUGIN)
        assert list(failed) == ["names_are_owned"]
        assert "two owners of encoder 'letters': anybind-other 1.0 and anybind-tried 1.0" in failed["names_are_owned"]

    def test_all_factories_that_do_not_resolve_are_named_at_once(self, fake_plugin):
        code = mutants.GOOD_PLUGIN.replace("mutants:GoodEncoder", "no_such:E").replace("mutants:rows", "mutants:raws")
        told = self.failed(fake_plugin, code)["factories_resolve"]
        assert "encoder letters: ModuleNotFoundError: No module named 'no_such'" in told
        assert "example words: AttributeError: module 'mutants' has no 'raws'; did you mean 'rows'?" in told


def test_every_check_has_a_mutant():
    """A check that no mutant fails may be one that cannot fail."""
    broken = {check for check, *_ in [*mutants.PARTS, *mutants.PLUGINS]} | {"names_are_owned"}
    assert broken == set(ALL_CHECKS)
    assert len(ALL_CHECKS) == sum(map(len, CHECKS.values())), "the name of a check says which it is"


def test_the_contract_lists_the_rules_of_the_checks():
    rule = re.compile(r"^\| (?P<number>[PMED]\d+) \| (?P<text>.+?) \| `(?P<check>\w+)` \|$", re.MULTILINE)
    listed = {m["check"]: f"{m['number']}: {m['text']}" for m in rule.finditer(CONTRACT.read_text("utf-8"))}
    assert listed == {name: check.__doc__.partition("\n")[0] for name, check in ALL_CHECKS.items()}


@pytest.mark.parametrize(("kind", "letter"), [("plugin", "P"), ("modality", "M"), ("encoder", "E"), ("dataset", "D")])
def test_rules_are_numbered_without_gaps(kind, letter):
    numbers = [check.__doc__.partition(":")[0] for check in CHECKS[kind]]
    assert numbers == [f"{letter}{number}" for number in range(1, len(numbers) + 1)]


def test_a_plugin_that_offers_nothing_is_no_pass(registry):
    with pytest.raises(anybind.PluginError, match="offers nothing"):
        list(iter_checks(plugin_of(registry)))


def test_a_modality_that_is_its_kind_under_another_name_needs_no_example(registry):
    spec = anybind.ModalitySpec(name="text_xx", kind="text", factory="anybind.builtin.text:Text")
    assert run_parts(plugin_of(registry, spec)) == {}


def test_an_encoder_is_loaded_once_and_its_folder_removed(registry, monkeypatch):
    built, folders = [], []
    build = InstalledPlugin.build_encoder

    def counted(self, spec, options):
        built.append(options)
        return build(self, spec, options)

    monkeypatch.setattr(InstalledPlugin, "build_encoder", counted)
    plugin = plugin_of(registry, *mutants.specs_of("encoder"))
    for case in iter_checks(plugin):
        if case.subject.kind == "encoder":
            case.run()
            folders.append(case.subject.folder)
    assert built == [{}, {"batch_size": 2}], "once for all checks, and once with small batches"
    assert len(set(folders)) == 1
    del case
    assert not folders[0].exists()
