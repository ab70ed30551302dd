"""The shape of the tree: what would silently break imports or test collection."""

import tomllib

import pytest


def test_no_package_files_in_test_folders(sources):
    """With them pytest can run one file three times and call it three passes."""
    inside = sources.files("tests/**/__init__.py", "plugins/*/tests/**/__init__.py")
    assert [str(path.relative_to(sources.root)) for path in inside] == []


def test_tests_are_found_by_path_and_not_by_name(sources):
    """Without importlib mode two test files of one name cannot live in one run."""
    project = tomllib.loads((sources.root / "pyproject.toml").read_text("utf-8"))
    settings = project["tool"]["pytest"]["ini_options"]
    assert "--import-mode=importlib" in settings["addopts"]
    assert {"tests", "plugins"} <= set(settings["testpaths"])
    assert settings["filterwarnings"][0] == "error"


def test_test_files_are_named_so_that_pytest_finds_them(sources):
    strangers = [
        str(path.relative_to(sources.root))
        for path in sources.files("tests/**/*.py", "plugins/*/tests/**/*.py")
        if not path.name.startswith("test_") and path.name != "conftest.py"
        and "data" not in path.parts and "def test_" in path.read_text("utf-8")
    ]  # fmt: skip
    assert strangers == []


@pytest.mark.parametrize("package", ["core", "plugins"])
def test_nothing_imports_the_folders_around_the_packages(sources, package):
    """``import core.anybind`` works from the root and makes a second copy of every class."""
    wrong = [
        f"{path.relative_to(sources.root)}:{item.line}"
        for path in sources.files("**/*.py")
        for item in sources.imports(path)
        if item.module.split(".")[0] == package
    ]
    assert wrong == []


def test_core_is_a_folder_and_all_below_are_packages(sources):
    core = sources.root / "core"
    assert not (core / "__init__.py").exists()
    assert [path.name for path in core.iterdir() if not path.name.startswith((".", "__"))] == ["anybind"]
    folders = {path.parent for path in sources.files("core/anybind/**/*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


def test_no_plugin_is_named_like_a_module_of_the_core(sources):
    """Two distributions that share an import name overwrite each other's files."""
    folders = [path for path in sources.root.glob("plugins/*/src/*") if path.is_dir()]
    packages = [path.name for path in folders if not path.suffix]  # not *.egg-info
    assert len(set(packages)) == len(packages)
    assert "anybind" not in packages
