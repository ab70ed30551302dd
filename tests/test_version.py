import tomllib
from pathlib import Path

from anybind.version import UNKNOWN_VERSION, installed_version

ROOT = Path(__file__).parents[1]


def test_the_version_is_that_of_the_metadata():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert installed_version() in (declared, UNKNOWN_VERSION)


def test_a_distribution_that_is_there_and_one_that_is_not(fake_plugin):
    fake_plugin("anybind-fake", "", version="3.2.1")
    assert installed_version("anybind-fake") == "3.2.1"
    assert installed_version("zz-not-installed") == "0.0.0+unknown"
