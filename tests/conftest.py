"""Fixtures for all tests of the core: nothing leaks from test to test, and plugins can be faked."""

from __future__ import annotations

import importlib.metadata
import os
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from textwrap import dedent

import pytest

GUARDED_VARIABLES = ("ANYBIND_", "HF_", "PYTHON", "PATH", "HOME")


@pytest.fixture(autouse=True)
def nothing_leaks() -> Iterator[None]:
    """Fail a test that leaves another environment or folder behind, and put back all global state."""
    environment, folder = dict(os.environ), Path.cwd()
    random_states = _random_states()
    yield
    leaked = [
        name for name in sorted({*environment, *os.environ})
        if name.startswith(GUARDED_VARIABLES) and environment.get(name) != os.environ.get(name)
    ]
    folder_after = Path.cwd()
    os.chdir(folder)
    for name in leaked:
        os.environ.pop(name, None)
        if name in environment:
            os.environ[name] = environment[name]
    for restore, state in random_states:
        restore(state)
    assert not leaked, f"the test changed these environment variables: {leaked}"
    assert folder_after == folder, f"the test left the current folder at {folder_after}"


def _random_states() -> list[tuple[Callable[..., object], object]]:
    """How to restore the global generators of the libraries that are loaded already."""
    states: list[tuple[Callable[..., object], object]] = [(random.setstate, random.getstate())]
    if "numpy.random" in sys.modules:
        numpy_random = sys.modules["numpy.random"]
        states.append((numpy_random.set_state, numpy_random.get_state()))
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        states.append((torch.set_rng_state, torch.get_rng_state()))
    return states


@pytest.fixture
def fake_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Make a plugin look installed, without pip: a module and its metadata in a folder on sys.path.

    Call it as ``fake_plugin(distribution, code, version="1.0", module=..., entry_points=..., requires=...)``;
    it returns the folder. ``code=None`` leaves out the module, ``entry_points`` is the text of the metadata
    file, ``requires`` holds requirements. Each call puts its folder first on sys.path.
    """
    modules: list[str] = []

    def install(
        distribution: str,
        code: str | None,
        *,
        version: str = "1.0",
        module: str | None = None,
        entry_points: str | None = None,
        requires: Sequence[str] = (),
    ) -> Path:
        module = module or distribution.replace("-", "_")
        modules.append(module)
        site = tmp_path / f"site-{len(modules)}"
        metadata = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
        metadata.mkdir(parents=True)
        lines = ["Metadata-Version: 2.1", f"Name: {distribution}", f"Version: {version}"]
        lines += [f"Requires-Dist: {requirement}" for requirement in requires]
        (metadata / "METADATA").write_text("\n".join(lines) + "\n", encoding="utf-8")
        default = f"[anybind]\n{distribution.removeprefix('anybind-')} = {module}\n"
        (metadata / "entry_points.txt").write_text(entry_points or default, encoding="utf-8")
        if code is not None:
            (site / f"{module}.py").write_text(dedent(code), encoding="utf-8")
        monkeypatch.syspath_prepend(str(site))
        return site

    yield install
    for module in modules:
        sys.modules.pop(module, None)


@pytest.fixture
def only_fake_plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the plugins that are really installed; those of ``fake_plugin`` stay."""

    def fakes() -> list[importlib.metadata.Distribution]:
        folders = [folder for folder in sys.path if folder.startswith(str(tmp_path))]
        return list(importlib.metadata.distributions(path=folders))

    monkeypatch.setattr("anybind.plugins.distributions", fakes)
