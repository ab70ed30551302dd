import pytest

from anybind.errors import DataError, PluginError
from anybind.factories import build


@pytest.fixture
def build_fake(fake_plugin):
    """Build ``Thing`` of a fake distribution anybind-fake 1.2 whose module is given."""

    def build_it(code, *args, factory="fake_things:Thing", requires=(), **kwargs):
        fake_plugin("anybind-fake", code, version="1.2", module="fake_things", requires=requires)
        return build("encoder 'thing'", factory, "anybind-fake", "1.2", *args, **kwargs)

    return build_it


def test_the_factory_gets_all_arguments_whatever_they_are_called(build_fake):
    code = "def Thing(*args, **kwargs): return args, kwargs"
    assert build_fake(code, 1, label="a", version=2) == ((1,), {"label": "a", "version": 2})


def test_a_factory_that_raises_is_blamed_on_its_plugin(build_fake):
    with pytest.raises(PluginError) as caught:
        build_fake("def Thing(): raise KeyError('weights')")
    error = caught.value
    assert error.what == "encoder 'thing' cannot be built"
    assert error.where == "plugin anybind-fake 1.2, factory fake_things:Thing"
    assert error.got == "KeyError: 'weights'"
    assert isinstance(error.__cause__, KeyError)


def test_errors_raised_on_purpose_pass_unchanged(build_fake):
    code = "from anybind.errors import DataError\ndef Thing(): raise DataError('no such file', where='a.csv')"
    with pytest.raises(DataError) as caught:
        build_fake(code)
    assert caught.value.where == "a.csv"


@pytest.mark.parametrize("code", ["import sys\nsys.exit(3)", "raise RuntimeError('no')", "syntax error ("])
def test_a_module_that_cannot_be_imported_is_a_plugin_error(build_fake, code):
    with pytest.raises(PluginError) as caught:
        build_fake(code)
    assert "anybind-fake 1.2" in caught.value.where


def test_a_class_that_is_not_there_is_told_apart_with_a_suggestion(build_fake):
    with pytest.raises(PluginError) as caught:
        build_fake("class Thing: pass", factory="fake_things:Thign")
    assert "has no 'Thign'; did you mean 'Thing'?" in caught.value.got


@pytest.mark.parametrize("factory", ["fake_things.inner:Thing", "no_such_module_of_the_fake:Thing"])
def test_a_missing_module_of_the_plugin_itself_asks_for_a_reinstall(build_fake, factory):
    with pytest.raises(PluginError) as caught:
        build_fake("class Thing: pass", factory=factory)
    assert caught.value.hint.startswith("reinstall anybind-fake")


@pytest.mark.parametrize(
    ("requires", "hint"),
    [
        (["Zz_Missing>=2,<3"], 'pip install "Zz_Missing>=2,<3" (needed by anybind-fake)'),
        (['zz.missing; extra == "heavy"'], "pip install \"zz.missing\" (extra 'heavy' of anybind-fake)"),
        (["numpy"], "install the package that provides the Python module 'zz_missing'; see the README of "
         "anybind-fake"),
    ],
)
@pytest.mark.parametrize("where", ["import zz_missing", "def Thing():\n    import zz_missing.inner"])
def test_a_missing_requirement_gets_its_install_command(build_fake, requires, hint, where):
    with pytest.raises(PluginError) as caught:
        build_fake(where, requires=requires)
    assert caught.value.hint == hint


def test_a_module_named_unlike_its_distribution_is_found_too(build_fake):
    code = "def Thing(): raise ModuleNotFoundError(\"No module named 'PIL'\", name='PIL')"
    with pytest.raises(PluginError) as caught:
        build_fake(code, requires=['pillow>=10; extra == "image"'])
    assert caught.value.hint == "pip install \"pillow>=10\" (extra 'image' of anybind-fake)"


def test_a_distribution_without_metadata_still_gets_a_hint(fake_plugin):
    fake_plugin("anybind-fake", "import zz_missing", module="fake_things")
    with pytest.raises(PluginError) as caught:
        build("encoder 'thing'", "fake_things:Thing", "zz-not-installed", "0")
    assert "zz_missing" in caught.value.hint


def test_an_interrupt_is_not_swallowed(build_fake):
    with pytest.raises(KeyboardInterrupt):
        build_fake("def Thing(): raise KeyboardInterrupt")
