import itertools

import pytest

from anybind.catalogue import parse_catalogue
from anybind.errors import DuplicateNameError, PluginError, UnknownNameError, UsageError
from anybind.registry import Entry, Registry, validate_options
from anybind.specs import BinderSpec, DatasetSpec, EncoderSpec, ModalitySpec, OptionSpec

CATALOGUE = """\
version: 1
modalities:
  touch: {description: Tactile pictures., provided_by: anybind-touch}
  thermal: {description: Heat pictures., kind: image}
encoders:
  touch-small:
    modality: touch
    provided_by: {distribution: anybind-touch, published: false, path: plugins/touch}
  ecg-large: {modality: ecg, provided_by: {distribution: anybind-ecg, published: true}}
datasets:
  grasps: {title: Grasps, modalities: [touch, image]}
"""
MODULE = """
class Thing:
    def __init__(self, *args, **kwargs):
        self.args, self.kwargs = args, kwargs
"""


def modality(name, kind=None):
    return ModalitySpec(name=name, kind=kind, factory="fake_things:Thing")


def encoder(name, **options):
    return EncoderSpec(name=name, modality="text", dim=4, factory="fake_things:Thing", weights="none",
                       revision="1", licence="Apache-2.0", options=options)  # fmt: skip


def dataset(name, /, modalities=("image", "text"), **options):
    return DatasetSpec(
        name=name, modalities=modalities, factory="fake_things:Thing", licence="unknown", options=options
    )


def binder(name, **options):
    return BinderSpec(name=name, factory="fake_things:Thing", summary="A method.", options=options)


def make(*specs, owner="anybind-fake", **more):
    entries = [Entry(spec, owner, "1.2") for spec in specs]
    return Registry(entries, catalogue=parse_catalogue(CATALOGUE, "registry.yaml"), **more)


@pytest.fixture
def registry(fake_plugin):
    fake_plugin("anybind-fake", MODULE, module="fake_things")
    return make(
        modality("text"), modality("text_ja", kind="text"), modality("image"),
        encoder("toy-text", seed=OptionSpec(type="int", default=7),
                version=OptionSpec(type="float", default=1.0)),
        dataset("pictures", split=OptionSpec(type="str", choices=("train", "test"), default="train")),
        dataset("manifest", modalities=None, name=OptionSpec(type="str")),
        binder("pcca", rank=OptionSpec(type="int", default="auto", minimum=1)),
    )  # fmt: skip


def test_entries_carry_their_owner_and_are_sorted_and_read_only(registry):
    assert registry.encoder("toy-text").owner == "anybind-fake 1.2"
    assert list(registry.modalities) == ["image", "text", "text_ja"]
    with pytest.raises(TypeError):
        registry.modalities["more"] = registry.modality("text")


@pytest.mark.parametrize(
    ("kind", "name", "installed", "hint"),
    [
        ("encoder", "toy-txt", "toy-text", "did you mean 'toy-text'?"),
        ("modality", "Image", "image", "did you mean 'image'?"),
        ("binder", "pca", "pcca", "did you mean 'pcca'?"),
        ("encoder", "ecg-large", "toy-text", "anybind-ecg provides 'ecg-large': pip install anybind-ecg"),
        ("encoder", "ecglarge", "toy-text",
         "did you mean 'ecg-large'? (anybind-ecg provides 'ecg-large': pip install anybind-ecg)"),
        ("modality", "touch", "image",
         "anybind-touch provides 'touch': pip install ./plugins/touch in a checkout of anybind"),
        ("dataset", "grasps", "manifest", "the data set 'grasps' is known, but no plugin provides it yet"),
        ("dataset", "zzzzz", "manifest", None),
    ],
)  # fmt: skip
def test_a_missing_name_is_met_with_what_is_near_and_how_to_get_it(registry, kind, name, installed, hint):
    with pytest.raises(UnknownNameError) as caught:
        getattr(registry, kind)(name)
    error = caught.value
    assert error.got == name
    assert installed in error.expected
    assert error.hint == hint == registry.explain_missing(kind, name)


def test_there_is_nothing_to_explain_about_a_name_that_is_there(registry):
    assert registry.explain_missing("encoder", "toy-text") is None


def test_a_plugin_that_is_installed_but_out_of_use_is_the_explanation():
    registry = make(unavailable={"anybind-ecg": "it failed to load: ImportError: no torch"})
    assert registry.explain_missing("encoder", "ecg-large") == (
        "anybind-ecg provides 'ecg-large', but it failed to load: ImportError: no torch"
    )
    assert "anybind-ecg" in registry.explain_missing("encoder", "zzzzz")


def test_two_owners_of_a_name_are_an_error_that_names_both_in_any_order():
    entries = [
        Entry(encoder("same"), "anybind-b", "2.0"), Entry(encoder("same"), "anybind-a", "1.0"),
        Entry(encoder("alone"), "anybind-b", "2.0"), Entry(dataset("same"), "anybind-b", "2.0"),
    ]  # fmt: skip
    for order in itertools.permutations(entries):
        registry = Registry(order, catalogue=parse_catalogue("version: 1", "registry.yaml"))
        assert list(registry.encoders) == ["alone"]
        assert registry.dataset("same").owner == "anybind-b 2.0"
        (conflict,) = registry.conflicts
        assert conflict.owners == ("anybind-a 1.0", "anybind-b 2.0")
        with pytest.raises(DuplicateNameError) as caught:
            registry.build_encoder("same")
        assert caught.value.got == "anybind-a 1.0 and anybind-b 2.0"
        assert "ANYBIND_DISABLE_PLUGINS" in caught.value.hint
        assert "anybind-a 1.0 and anybind-b 2.0" in registry.explain_missing("encoder", "same")


def test_kinds_go_from_the_declaration_to_the_installed_to_the_catalogue(registry):
    assert registry.kinds_of("text_ja") == ("text_ja", "text")
    assert registry.kinds_of("text_osaka", {"text_osaka": "text_ja"}) == ("text_osaka", "text_ja", "text")
    assert registry.kinds_of("text_ja", {"text_ja": None}) == ("text_ja",)
    assert registry.kinds_of("thermal") == ("thermal", "image")
    assert registry.kinds_of("unheard-of") == ("unheard-of",)


def test_a_loop_of_kinds_ends(registry):
    assert registry.kinds_of("a", {"a": "b", "b": "a"}) == ("a", "b")
    assert registry.kinds_of("a", {"a": "a"}) == ("a",)


def test_factories_are_called_as_the_contract_says(registry):
    text = registry.build_encoder("toy-text", version=2)
    assert text.args == (registry.encoder("toy-text").spec,)
    assert text.kwargs == {"seed": 7, "version": 2.0}
    pictures = registry.build_dataset("pictures", split="test", modalities=["image"])
    assert (pictures.args, pictures.kwargs) == ((), {"split": "test", "modalities": ("image",)})
    assert registry.build_dataset("manifest", name="x").kwargs == {"name": "x", "modalities": None}
    assert registry.build_dataset("manifest", modalities=("a", "b")).kwargs["modalities"] == ("a", "b")
    assert registry.build_binder("pcca", rank=3).kwargs == {"rank": 3}
    assert registry.build_modality("image").args == (registry.modality("image").spec,)


def test_a_binder_class_is_loaded_without_being_made(registry):
    assert registry.binder_class("pcca") is type(registry.build_binder("pcca"))
    broken = make(binder("pcca").model_copy(update={"factory": "fake_things:Nothing"}))
    with pytest.raises(PluginError, match="binder method 'pcca' cannot be built"):
        broken.binder_class("pcca")


def test_an_option_named_dim_says_how_long_the_vectors_are():
    fixed = encoder("fixed")
    open_ended = encoder("open", dim=OptionSpec(type="int", required=True))
    assert fixed.dim_for({}) == fixed.dim_for({"dim": 9}) == 4
    assert (open_ended.dim_for({"dim": 9}), open_ended.dim_for({})) == (9, 4)


def test_a_declared_modality_is_built_as_its_nearest_installed_kind(registry):
    built = registry.build_modality("text_osaka", {"text_osaka": "text_ja"})
    assert built.args[0].name == "text_ja"
    with pytest.raises(UnknownNameError):
        registry.build_modality("text_osaka")


def test_foreign_modalities_of_a_data_set_are_refused(registry):
    with pytest.raises(UsageError) as caught:
        registry.build_dataset("pictures", modalities=["image", "txt"])
    assert "no modality txt" in caught.value.what
    assert caught.value.hint == "did you mean 'text'?"


def test_wrong_options_are_all_reported_at_once(registry):
    with pytest.raises(UsageError) as caught:
        registry.build_encoder("toy-text", seed="x", vesion=1.0)
    error = caught.value
    assert error.what == "encoder 'toy-text' cannot take the options seed, vesion"
    assert "seed: a whole number" in error.expected
    assert error.hint == "vesion: did you mean 'version'?"
    assert error.exit_code == 2


def test_validate_options_fills_defaults():
    specs = {"rank": OptionSpec(type="int", default="auto")}
    assert validate_options({}, specs) == {"rank": "auto"}
    with pytest.raises(UsageError, match="cannot take the option rank"):
        validate_options({"rank": 1.5}, specs)


def test_a_factory_that_fails_names_plugin_and_version(registry, fake_plugin):
    broken = make(encoder("toy-text").model_copy(update={"factory": "fake_things:Nothing"}))
    with pytest.raises(PluginError, match="encoder 'toy-text' cannot be built") as caught:
        broken.build_encoder("toy-text")
    assert "anybind-fake 1.2" in caught.value.where


def test_the_catalogue_is_read_only_when_it_is_needed(monkeypatch):
    reads = []

    def read():
        reads.append(1)
        return parse_catalogue(CATALOGUE, "registry.yaml")

    monkeypatch.setattr("anybind.registry.load_catalogue", read)
    specs = [encoder("toy-text"), modality("text")]
    registry = Registry([Entry(spec, "anybind-fake", "1.2") for spec in specs])
    registry.encoder("toy-text")
    registry.kinds_of("text")
    assert reads == []
    assert registry.catalogue.encoders
    assert registry.explain_missing("encoder", "ecg-large")
    assert reads == [1]


def test_files_of_the_user_are_known_to_a_copy(registry, tmp_path):
    own = tmp_path / "lab.yaml"
    own.write_text("version: 1\nencoders: {wrist-net: {modality: text, provided_by: {distribution: lab-wrist, "
                   "published: true}}}\n")  # fmt: skip
    with pytest.raises(UnknownNameError):
        registry.encoder("wrist-net")
    hint = "lab-wrist provides 'wrist-net': pip install lab-wrist"
    assert registry.with_files([own]).explain_missing("encoder", "wrist-net") == hint
    assert registry.explain_missing("encoder", "wrist-net") is None


def test_a_kind_of_something_installed_needs_only_a_declaration(registry):
    hint = registry.explain_missing("modality", "thermal")
    assert hint == "declare it: modalities: {thermal: {kind: image}}"
