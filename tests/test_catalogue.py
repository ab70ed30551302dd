import pytest

from anybind import catalogue
from anybind.catalogue import Catalogue, catalogue_path, load_catalogue, parse_catalogue
from anybind.errors import AnybindError

TEXT = """\
version: 1
modalities:
  touch: {description: Tactile pictures., provided_by: anybind-touch, sources: ["https://example.org/touch"]}
  thermal: {description: Heat pictures., kind: image, provided_by: anybind-heat}
  smell: {description: Odours.}
encoders:
  touch-small:
    modality: touch
    dim: 384
    provided_by: {distribution: anybind-touch, published: false, path: plugins/anybind-touch}
    sources: {dim: "https://example.org/model"}
  ecg-large: {modality: ecg, provided_by: {distribution: anybind-ecg, published: true}}
  lost: {modality: ecg, provided_by: {distribution: anybind-lost, published: false}}
datasets:
  grasps: {title: Grasps, modalities: [touch, image], pairs: 1000, papers: ["https://example.org/paper"]}
"""


@pytest.fixture
def known() -> Catalogue:
    return parse_catalogue(TEXT, "registry.yaml")


def test_entries_are_read(known):
    assert known.datasets["grasps"].modalities == ("touch", "image")
    assert known.encoders["touch-small"].dim == 384
    assert known.modalities["thermal"].kind == "image"


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("encoder", "ecg-large", "pip install anybind-ecg"),
        ("encoder", "touch-small", "pip install ./plugins/anybind-touch in a checkout of anybind"),
        ("modality", "touch", "pip install ./plugins/anybind-touch in a checkout of anybind"),
        ("encoder", "lost", "anybind-lost is not published yet"),
        ("modality", "thermal", "anybind-heat is not published yet"),
    ],
)
def test_only_published_names_are_handed_to_pip(known, kind, name, expected):
    assert known.provider(kind, name).how_to_install == expected


@pytest.mark.parametrize(
    ("kind", "name"),
    [("dataset", "grasps"), ("modality", "smell"), ("encoder", "nothing"), ("binder", "pcca")],
)
def test_no_provider_where_the_catalogue_names_none(known, kind, name):
    assert known.provider(kind, name) is None


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ("version: 2", "version"),
        ("version: 1\nmodels: {}", "models"),
        ("version: 1\nencoders: {a: {modality: x, dims: 3}}", "encoders.a.dims"),
        ("version: 1\nencoders: {a: {modality: x, dim: '3'}}", "encoders.a.dim"),
        ("version: 1\ndatasets: {a: {title: A, modalities: []}}", "datasets.a.modalities"),
        ("version: 1\nencoders: {a: {modality: x, provided_by: {distribution: d}}}", "provided_by.published"),
    ],
)
def test_a_wrong_catalogue_is_reported_with_the_place(wrong, place):
    with pytest.raises(AnybindError) as caught:
        parse_catalogue(wrong, "some/registry.yaml")
    assert caught.value.where == "some/registry.yaml"
    assert place in caught.value.got


def test_the_packaged_file_goes_before_that_of_the_checkout(tmp_path, monkeypatch):
    package = tmp_path / "core" / "anybind"
    package.mkdir(parents=True)
    monkeypatch.setattr(catalogue, "files", lambda name: package)
    assert catalogue_path() is None
    (tmp_path / "registry.yaml").write_text("version: 1")
    assert catalogue_path() == tmp_path / "registry.yaml"
    (package / "registry.yaml").write_text("version: 1")
    assert catalogue_path() == package / "registry.yaml"


def test_without_a_file_the_catalogue_is_empty(monkeypatch):
    monkeypatch.setattr(catalogue, "catalogue_path", lambda: None)
    assert load_catalogue.__wrapped__() == Catalogue()


def test_the_catalogue_of_this_installation_is_valid():
    known = load_catalogue()
    assert catalogue_path() is not None
    assert {"image", "text", "audio"} <= set(known.modalities)
    assert known.encoders
    assert known.datasets
