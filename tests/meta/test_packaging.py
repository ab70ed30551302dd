"""What people install: wheels and source distribution hold what the code looks for, and it finds it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("hatchling", reason="wheels are built with hatchling, which is in the group dev")

ROOT = Path(__file__).parents[2]
PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))
# Says where the package was imported from, where its catalogue and demo are, and what the catalogue knows.
LOOK = """\
import anybind
from anybind.catalogue import catalogue_path, load_catalogue
from anybind.cli.demo import demo_graph
print(anybind.__file__, catalogue_path(), demo_graph(), len(load_catalogue().datasets), sep="\\n")
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, str], Path]:
    """Build a wheel or sdist of a project, offline and without isolation; each once."""
    known: dict[tuple[Path, str], Path] = {}

    def build(project: Path, target: str) -> Path:
        if (project, target) not in known:
            folder = tmp_path_factory.mktemp("dist")
            command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
            result = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
            assert result.returncode == 0, result.stderr
            (known[project, target],) = folder.iterdir()
        return known[project, target]

    return build


@pytest.fixture(scope="module")
def wheel(built: Callable[[Path, str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The core's wheel, unpacked as an installer would."""
    return unpacked(built(ROOT, "wheel"), tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def source(built: Callable[[Path, str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The core's source distribution, unpacked."""
    (folder,) = unpacked(built(ROOT, "sdist"), tmp_path_factory.mktemp("sdist")).iterdir()
    return folder


def unpacked(archive: Path, folder: Path) -> Path:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(folder)
    else:
        with tarfile.open(archive) as sdist:
            sdist.extractall(folder, filter="data")
    return folder


def files(folder: Path) -> set[str]:
    return set(_files(folder))


def _files(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(folder).as_posix()


def look(first_on_path: Path, cwd: Path) -> list[str]:
    environment = {**os.environ, "PYTHONPATH": str(first_on_path), "PYTHONDONTWRITEBYTECODE": "1"}
    result = subprocess.run(
        [sys.executable, "-c", LOOK], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def test_the_wheel_holds_the_package_and_what_it_reads(wheel: Path) -> None:
    package = {name.removeprefix("core/") for name in files(ROOT) if name.startswith("core/anybind/")}
    data = {"anybind/registry.yaml", "anybind/demo.yaml"}
    assert {name for name in files(wheel) if name.startswith("anybind/")} == package | data
    template = {f"anybind/report/template/page.{ending}" for ending in ("html", "css")}
    assert {"anybind/py.typed", *template} <= package


def test_the_wheel_holds_nothing_else_but_its_metadata(wheel: Path) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    outside = {name for name in files(wheel) if not name.startswith("anybind/")}
    metadata = f"anybind-{version}.dist-info"
    assert {name.split("/")[0] for name in outside} == {metadata}
    assert f"{metadata}/licenses/LICENSE" in outside
    assert "anybind = anybind.__main__:main" in (wheel / metadata / "entry_points.txt").read_text("utf-8")


def test_the_packaged_files_are_the_ones_of_the_checkout(wheel: Path) -> None:
    origins = {"registry.yaml": ROOT / "registry.yaml", "demo.yaml": ROOT / "examples/emoji/graph.yaml"}
    for packaged, origin in origins.items():
        assert (wheel / "anybind" / packaged).read_bytes() == origin.read_bytes()


def test_catalogue_and_demo_are_found_in_a_wheel(wheel: Path, tmp_path: Path) -> None:
    module, catalogue, demo, known = look(wheel, tmp_path)
    assert Path(module) == wheel / "anybind" / "__init__.py"
    assert Path(catalogue) == wheel / "anybind" / "registry.yaml"
    assert Path(demo) == wheel / "anybind" / "demo.yaml"
    assert int(known) > 100


@pytest.mark.parametrize("place", ["checkout", "source"])
def test_catalogue_and_demo_are_found_in_sources(
    place: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    root = ROOT if place == "checkout" else request.getfixturevalue("source")
    module, catalogue, demo, known = look(root / "core", tmp_path)
    assert Path(module) == root / "core" / "anybind" / "__init__.py"
    assert Path(catalogue) == root / "registry.yaml"
    assert Path(demo) == root / "examples" / "emoji" / "graph.yaml"
    assert int(known) > 100


def test_a_wheel_built_from_the_source_distribution_is_the_same(
    source: Path, wheel: Path, built: Callable[[Path, str], Path], tmp_path: Path
) -> None:
    again = unpacked(built(source, "wheel"), tmp_path)
    assert files(again) == files(wheel)


def test_the_source_distribution_holds_its_papers_and_no_plugins(source: Path) -> None:
    held = files(source)
    papers = {"README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", "registry.yaml"}
    assert papers | {"examples/arrays.py"} <= held
    top = {name.split("/")[0] for name in held}
    assert top - papers - {".gitignore", "PKG-INFO"} == {"core", "examples"}


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
def test_a_plugin_wheel_holds_its_package_and_licences(
    plugin: Path, built: Callable[[Path, str], Path], tmp_path: Path
) -> None:
    held = files(unpacked(built(plugin, "wheel"), tmp_path))
    package = {name for name in files(plugin / "src") if ".egg-info/" not in name}
    assert package <= held
    assert any(name.endswith("/py.typed") for name in held)
    project = tomllib.loads((plugin / "pyproject.toml").read_text("utf-8"))["project"]
    licences = {path.name for pattern in project["license-files"] for path in plugin.glob(pattern)}
    assert {name.rpartition("/")[2] for name in held if ".dist-info/licenses/" in name} == licences
    assert licences
    assert not any("test" in name.split("/")[0] for name in held)
    assert any(re.fullmatch(r"anybind(\[[\w,]+\])?>=0\.1,<0\.2", each) for each in project["dependencies"])
