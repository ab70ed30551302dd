"""Each plugin works beside the core and what it declares: the other plugins' metadata and modules are out of sight."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

# Comes first in a fresh process; the first argument holds what to hide: [distributions, modules].
HIDE = """\
import importlib.metadata
import json
import sys

DISTRIBUTIONS, MODULES = map(set, json.loads(sys.argv[1]))


class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in MODULES:
            raise ModuleNotFoundError(f"{name} is hidden", name=name)


def visible(cls, *arguments):
    return (found for found in search(cls, *arguments) if found.metadata["Name"] not in DISTRIBUTIONS)


search = importlib.metadata.MetadataPathFinder.find_distributions.__func__
importlib.metadata.MetadataPathFinder.find_distributions = classmethod(visible)
sys.meta_path.insert(0, Hidden())
"""

FIND = """
from anybind.plugins import discover

registry, statuses = discover()
kinds = (registry.modalities, registry.encoders, registry.datasets, registry.binders)
print(json.dumps({
    "plugins": {status.distribution: status.status for status in statuses},
    "owners": sorted({entry.distribution for entries in kinds for entry in entries.values()}),
    "conflicts": len(registry.conflicts),
}))
"""

LIST = """
from anybind.cli.app import cli

cli.main(["plugins", "list", "--json"])
"""

# The conformance kit has an example of everything; of its checks these do what a user does first.
BUILD = """
from anybind.plugins import discover
from anybind.testing import iter_checks

(own,) = json.loads(sys.argv[2])
registry, _ = discover()
for case in iter_checks(own):
    if case.name in {"modality_loads", "encoder_shape", "dataset_sources"}:
        case.run()
        print(case.subject.name)
for kind, build in ((registry.modalities, registry.build_modality), (registry.binders, registry.build_binder)):
    for name in [name for name, entry in kind.items() if entry.distribution == own]:
        build(name)
        print(name)
"""


@dataclass(frozen=True)
class Plugin:
    """A plugin of this repository: its distribution, the modules it installs, and what it declares to need."""

    distribution: str
    modules: tuple[str, ...]
    needs: frozenset[str]


def all_plugins() -> list[Plugin]:
    found = []
    for project in sorted(ROOT.glob("plugins/*/pyproject.toml")):
        declared = tomllib.loads(project.read_text("utf-8"))["project"]
        modules = [path.parent.name for path in project.parent.glob("src/*/__init__.py")]
        needs = {re.split(r"[\[<>=~! ]", need)[0] for need in declared["dependencies"]}
        found.append(Plugin(declared["name"], tuple(modules), frozenset(needs)))
    return found


def all_but(plugin: Plugin) -> list[Plugin]:
    """All plugins but ``plugin`` and those it needs."""
    return [other for other in all_plugins() if other != plugin and other.distribution not in plugin.needs]


def those_seen(plugin: Plugin) -> set[str]:
    """The distributions that are left when ``all_but(plugin)`` are hidden, the core aside."""
    return {other.distribution for other in all_plugins()} - {other.distribution for other in all_but(plugin)}


def run(code: str, *arguments: Any, hidden: list[Plugin], cwd: Path) -> str:
    to_hide = [[p.distribution for p in hidden], [module for p in hidden for module in p.modules]]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANYBIND_")}
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", HIDE + code, *map(json.dumps, [to_hide, *arguments])],
        cwd=cwd, env={**kept, "PYTHONPATH": str(ROOT / "core")}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout


each_plugin = pytest.mark.parametrize("plugin", all_plugins(), ids=lambda plugin: plugin.distribution)


def test_there_are_plugins_to_hide() -> None:
    assert len(all_plugins()) >= 2
    assert all(plugin.modules for plugin in all_plugins())


@each_plugin
def test_hiding_hides(plugin: Plugin, tmp_path: Path) -> None:
    """If it did not, the tests below would show nothing."""
    module, others = plugin.modules[0], all_but(plugin)
    code = f"""
print(sorted({{e.dist.name for e in importlib.metadata.entry_points(group="anybind")}}))
try:
    import {module}
except ModuleNotFoundError as error:
    print(error)
"""
    seen = run(code, hidden=[plugin], cwd=tmp_path)
    assert plugin.distribution not in seen
    assert f"{module} is hidden" in seen
    seen = run(code, hidden=others, cwd=tmp_path)
    assert plugin.distribution in seen
    assert "is hidden" not in seen
    assert not any(other.distribution in seen for other in others)


@each_plugin
def test_it_is_found_alone(plugin: Plugin, tmp_path: Path) -> None:
    assert json.loads(run(FIND, hidden=all_but(plugin), cwd=tmp_path)) == {
        "plugins": {"anybind": "ok"} | dict.fromkeys(those_seen(plugin), "ok"),
        "owners": sorted({"anybind"} | those_seen(plugin)),
        "conflicts": 0,
    }


@each_plugin
def test_everything_it_brings_is_listed_and_can_be_built_alone(plugin: Plugin, tmp_path: Path) -> None:
    listed = json.loads(run(LIST, hidden=all_but(plugin), cwd=tmp_path))["plugins"]
    (provides,) = [status["provides"] for status in listed if status["distribution"] == plugin.distribution]
    built = set(run(BUILD, [plugin.distribution], hidden=all_but(plugin), cwd=tmp_path).splitlines())
    assert built == {name for names in provides.values() for name in names}
    assert built


def test_the_core_stands_without_any_plugin(tmp_path: Path) -> None:
    assert json.loads(run(FIND, hidden=all_plugins(), cwd=tmp_path)) == {
        "plugins": {"anybind": "ok"}, "owners": ["anybind"], "conflicts": 0,
    }  # fmt: skip
    listed = json.loads(run(LIST, hidden=all_plugins(), cwd=tmp_path))["plugins"]
    assert [status["distribution"] for status in listed] == ["anybind"]
