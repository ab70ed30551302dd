import inspect
import subprocess
import sys

import pytest

import anybind
from anybind import errors


def test_the_list_of_names_has_no_doubles():
    assert len(set(anybind.__all__)) == len(anybind.__all__)


@pytest.mark.parametrize("name", anybind.__all__)
def test_every_public_name_is_there_and_documented(name):
    value = getattr(anybind, name)
    assert name in dir(anybind)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert inspect.getdoc(value)


def test_every_error_and_every_verb_is_public():
    classes = {name: value for name, value in vars(errors).items() if inspect.isclass(value)}
    assert {name for name, value in classes.items() if issubclass(value, Exception)} <= set(anybind.__all__)
    assert {"fit", "run", "evaluate", "load_graph"} <= set(anybind.__all__)


def test_the_version_is_public():
    assert anybind.__version__
    assert "__version__" in dir(anybind)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'anybind' has no attribute 'fitt'"):
        _ = anybind.fitt
    assert not hasattr(anybind, "_LAZY_")


def test_a_lazy_name_loads_torch_only_when_it_is_used():
    code = (
        "import sys, anybind\n"
        "dir(anybind)\n"
        "assert 'torch' not in sys.modules, 'import anybind imported torch'\n"
        "anybind.Moments\n"
        "assert 'torch' in sys.modules\n"
        "assert 'Moments' in vars(anybind), 'a lazy name is kept once it is loaded'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
