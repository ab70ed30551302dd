"""``anybind plugins new`` writes plugins that work, for every kind of sample, and refuses what would not."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest
import torch

from anybind.catalogue import parse_catalogue
from anybind.errors import UsageError
from anybind.plugin_template import NewPlugin, write_plugin
from anybind.plugin_template.filling import EXTRAS, _bounds
from anybind.plugins import discover
from anybind.registry import Entry, Registry
from anybind.specs import ModalitySpec

CORE = Path(__file__).parents[1] / "core"
CATALOGUE = """\
version: 1
modalities:
  histology: {description: Stained tissue., kind: image}
  molecule: {description: Molecules., provided_by: anybind-molecules}
  scan: {description: Scans., kind: image, provided_by: anybind-scan}
encoders:
  fingerprint:
    modality: molecule
    provided_by: {distribution: anybind-molecules, published: false, path: plugins/anybind-molecules}
"""


@pytest.fixture(scope="module")
def registry() -> Registry:
    """What is built in, with a small catalogue."""
    installed, _ = discover(load_external=False)
    entries = [entry for kind in ("modality", "encoder", "dataset") for entry in installed.entries(kind).values()]
    return Registry(entries, catalogue=parse_catalogue(CATALOGUE, "registry.yaml"))


@pytest.fixture
def in_use(fake_plugin: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[NewPlugin], None]]:
    """Make a written plugin look installed, in this process."""
    packages = []

    def use(made: NewPlugin) -> None:
        entry_point = f"[anybind]\n{made.entry_point} = {made.package}.plugin\n"
        fake_plugin(made.distribution, None, entry_points=entry_point)
        monkeypatch.syspath_prepend(str(made.folder / "src"))
        packages.append(made.package)

    yield use
    for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
        del sys.modules[name]


@pytest.mark.parametrize("modality", ["accelerometer", "image"])
def test_the_tests_of_a_new_plugin_pass_at_once(modality: str, tmp_path: Path, registry: Registry) -> None:
    """Built and unpacked as an installer would, its tests run in a process of their own."""
    made = write_plugin("first-try", modality, tmp_path, registry)
    run("-m", "hatchling", "build", "-t", "wheel", "-d", "dist", cwd=made.folder)
    (wheel,) = (made.folder / "dist").iterdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    printed = run("-m", "pytest", "-v", "-p", "no:cacheprovider", cwd=made.folder, first_on_path=tmp_path / "site")
    passed = [line for line in printed.splitlines() if " PASSED " in line]
    assert sum("test_conformance[" in line for line in passed) > 30
    assert sum(f"tests/test_{made.package}.py::" in line for line in passed) == 5
    assert not any(word in printed for word in ("FAILED", "XFAIL", "ERROR", "SKIPPED"))


def run(*arguments: str, cwd: Path, first_on_path: Path = CORE) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANYBIND_", "PYTEST_"))}
    paths = os.pathsep.join(map(str, dict.fromkeys([first_on_path, CORE])))
    result = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env={**kept, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.parametrize("modality", [*EXTRAS, "thermal", "histology", "wrist"])
def test_every_kind_of_sample_can_be_begun_with(
    modality: str, tmp_path: Path, registry: Registry, in_use: Callable[[NewPlugin], None], only_fake_plugins: None
) -> None:
    made = write_plugin("mine", modality, tmp_path, registry)
    assert made.new_modality == (modality in ("histology", "wrist"))
    assert (f"src/{made.package}/modality.py" in made.files) == (modality == "wrist")
    in_use(made)
    found, statuses = discover()
    assert [(status.name, status.error) for status in statuses] == [("builtin", None), ("mine", None)]
    assert found.conflicts == ()
    examples = import_module(f"{made.package}.examples")
    loader = found.build_modality(modality)
    samples = [loader.load(source) for source in examples.encoder(tmp_path).samples]
    for sample in samples:
        loader.check(sample)
    vectors = found.build_encoder(made.encoder).encode(samples)
    assert vectors.shape == (len(samples), found.encoder(made.encoder).spec.dim)
    assert vectors.isfinite().all()
    assert len(torch.unique(vectors, dim=0)) == len(samples)
    dataset = found.build_dataset(made.dataset, **examples.dataset(tmp_path / "data").options)
    labels = "vector" if modality == "text" else "text"
    assert set(dataset[0]) == {modality, labels}
    loader.check(loader.load(dataset[11][modality]))
    found.build_modality(labels).check(found.build_modality(labels).load(dataset[11][labels]))


def test_a_kind_of_something_known_is_that_under_another_name(tmp_path: Path, registry: Registry) -> None:
    made = write_plugin("slides", "histology", tmp_path, registry)
    code = (made.folder / "src" / made.package / "plugin.py").read_text("utf-8")
    assert 'ModalitySpec(name="histology", kind="image", factory="anybind.builtin.image:Image")' in code


def test_what_is_written_holds_no_leftovers_and_names_its_folder(tmp_path: Path, registry: Registry) -> None:
    made = write_plugin("anybind-my-wrist", "wrist", tmp_path / "deep" / "down", registry)
    assert made.folder == tmp_path / "deep" / "down" / "anybind-my-wrist"
    assert (made.distribution, made.package, made.entry_point) == ("anybind-my-wrist", "anybind_my_wrist", "my-wrist")
    texts = {file: (made.folder / file).read_text("utf-8") for file in made.files}
    assert {"pyproject.toml", "README.md", "LICENSE", "src/anybind_my_wrist/py.typed"} <= set(texts)
    assert sorted(texts) == sorted(
        str(path.relative_to(made.folder)) for path in made.folder.rglob("*") if path.is_file()
    )
    for file, text in texts.items():
        assert "$" not in text.replace("$ ", ""), file
        assert "PACKAGE" not in file + text
    assert 'dependencies = ["anybind>=0.1,<0.2", ' in texts["pyproject.toml"]
    assert "anybind plugins check my-wrist" in texts["README.md"]


@pytest.mark.parametrize(
    ("version", "bounds"), [("0.1.0", ">=0.1,<0.2"), ("0.9.3rc1", ">=0.9,<0.10"), ("2.4.1", ">=2.4,<3")]
)
def test_plugins_stay_below_the_next_version_that_may_break_them(version: str, bounds: str) -> None:
    assert _bounds(version) == bounds


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("My_Wrist", "did you mean 'my-wrist'?"), ("wrist.", "did you mean 'wrist'?"), ("a--b", "did you mean 'a-b'?"),
        ("3d", None), ("", None), ("../wrist", "did you mean 'wrist'?"), ("x" * 61, "did you mean"),
    ],
)  # fmt: skip
def test_bad_names_are_refused(name: str, hint: str | None, tmp_path: Path, registry: Registry) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a plugin") as caught:
        write_plugin(name, "wrist", tmp_path, registry)
    assert (caught.value.hint or "").startswith(hint or "") == (hint is not None or caught.value.hint is None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["molecules", "anybind-molecules", "builtin"])
def test_names_of_other_plugins_are_refused(name: str, tmp_path: Path, registry: Registry) -> None:
    with pytest.raises(UsageError, match="a plugin of this name exists already"):
        write_plugin(name, "wrist", tmp_path, registry)


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path, registry: Registry) -> None:
    (tmp_path / "anybind-mine").mkdir()
    (tmp_path / "anybind-mine" / "kept").write_text("mine")
    with pytest.raises(UsageError, match="exists already") as caught:
        write_plugin("mine", "wrist", tmp_path, registry)
    assert caught.value.where == tmp_path / "anybind-mine"
    assert [path.name for path in (tmp_path / "anybind-mine").iterdir()] == ["kept"]


@pytest.mark.parametrize(
    ("modality", "expected"),
    [
        ("Wrist", "small letters"), ("my wrist", "small letters"), ("_x", "small letters"), ("", "small letters"),
        ("scan", "anybind-scan provides 'scan': anybind-scan is not published yet"),
        ("molecule", "anybind-molecules provides 'molecule': pip install ./plugins/anybind-molecules"),
    ],
)  # fmt: skip
def test_a_modality_that_cannot_be_new_is_refused(
    modality: str, expected: str, tmp_path: Path, registry: Registry
) -> None:
    with pytest.raises(UsageError) as caught:
        write_plugin("mine", modality, tmp_path, registry)
    assert expected in f"{caught.value.expected} {caught.value.hint}"
    assert list(tmp_path.iterdir()) == []


def test_an_installed_modality_of_an_unknown_kind_is_refused(tmp_path: Path, registry: Registry) -> None:
    smell = Entry(ModalitySpec(name="smell", factory="x:Y"), "anybind-smell", "1.0")
    more = Registry([*registry.modalities.values(), smell], catalogue=registry.catalogue)
    with pytest.raises(UsageError, match="nothing is known of what a sample of 'smell' holds"):
        write_plugin("mine", "smell", tmp_path, more)
