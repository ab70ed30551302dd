import os

import pytest

from anybind import catalogue
from anybind.catalogue import Catalogue, catalogue_path, load_catalogue, parse_catalogue
from anybind.errors import DeclarationError

TEXT = """\
version: 1
modalities:
  touch: {description: Tactile pictures., provided_by: anybind-touch, sources: ["https://example.org/touch"]}
  thermal: {description: Heat pictures., kind: image, provided_by: anybind-heat}
  smell: {description: Odours.}
  image: {description: Pictures.}
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
    ("wrong", "problem"),
    [
        ("version: 2", "some/registry.yaml:1:10: version: input should be 1"),
        ("version: 1\nencoder: {}",
         "some/registry.yaml:2:1: encoder: unknown key 'encoder' (did you mean 'encoders'?)"),
        ("version: 1\nencoders: {a: {modality: x, dims: 3}}",
         "some/registry.yaml:2:29: encoders.a.dims: unknown key 'dims' (did you mean 'dim'?)"),
        ("version: 1\nencoders: {a: {modality: x, dim: '3'}}",
         "some/registry.yaml:2:34: encoders.a.dim: input should be a valid integer"),
        ("version: 1\ndatasets: {a: {title: A, modalities: []}}", "some/registry.yaml:2:38: datasets.a.modalities: "),
        ("version: 1\ndatasets: {a: {title: A}}", "some/registry.yaml:2:15: datasets.a.modalities: missing"),
        ("version: 1\nencoders: {a: {modality: x, provided_by: {distribution: d}}}",
         "some/registry.yaml:2:42: encoders.a.provided_by.published: missing"),
        ("version: 1\nencoders:\n  a b: {modality: x}", "some/registry.yaml:3:3: encoders.a b: "),
    ],
)  # fmt: skip
def test_a_wrong_catalogue_is_reported_with_the_place(wrong, problem):
    with pytest.raises(DeclarationError) as caught:
        parse_catalogue(wrong, "some/registry.yaml")
    assert str(caught.value.problems[0]).startswith(problem)
    assert caught.value.exit_code == 3


def test_everything_that_is_wrong_comes_in_one_report():
    wrong = "version: 1\nencoders:\n  a: {}\n  b: {modality: x, dim: 0}\n  c: {modality: x, model: y}\n"
    with pytest.raises(DeclarationError) as caught:
        parse_catalogue(wrong, "r.yaml")
    assert [str(problem).partition(": ")[0] for problem in caught.value.problems] == [
        "r.yaml:3:6", "r.yaml:4:25", "r.yaml:5:20",
    ]  # fmt: skip


@pytest.fixture
def own_file(tmp_path, monkeypatch):
    """Write a registry file of the user's own, beside a packaged one that knows ``touch-small``."""
    packaged = tmp_path / "packaged.yaml"
    packaged.write_text(TEXT.replace("modality: ecg", "modality: touch"), encoding="utf-8")
    monkeypatch.setattr(catalogue, "catalogue_path", lambda: packaged)
    monkeypatch.setattr(catalogue, "_packaged", catalogue._packaged.__wrapped__)

    def write(text, name="lab.yaml"):
        path = tmp_path / name
        path.write_text(f"version: 1\n{text}", encoding="utf-8")
        return path

    return write


def test_files_of_the_user_add_to_the_packaged_one(own_file, monkeypatch, tmp_path):
    first = own_file("modalities: {wrist: {description: Motion of a wrist.}}\n"
                     "datasets: {gestures: {title: Gestures, modalities: [wrist, touch], pairs: 9}}\n")  # fmt: skip
    second = own_file("encoders: {wrist-net: {modality: wrist, dim: 8, provided_by: {distribution: lab-wrist, "
                      "published: false, path: plugins/lab wrist}}}\n", "more.yaml")  # fmt: skip
    monkeypatch.setenv("ANYBIND_REGISTRY", f"{first}{os.pathsep}")
    known = load_catalogue([second, second])
    assert known.datasets["gestures"].modalities == ("wrist", "touch")
    assert known.encoders["touch-small"].dim == 384
    place = tmp_path.resolve() / "plugins" / "lab wrist"
    assert known.provider("encoder", "wrist-net").how_to_install == f"pip install '{place}'"
    assert "wrist-net" not in load_catalogue().encoders


def test_two_files_that_differ_on_a_name_are_both_named(own_file, tmp_path):
    entry = "encoders:\n  wrist-net: {modality: touch, dim: %s}\n"
    first, second = own_file(entry % 8), own_file(entry % 9, "more.yaml")
    with pytest.raises(DeclarationError) as caught:
        load_catalogue([first, second])
    (problem,) = caught.value.problems
    assert str(problem).startswith(f"{second}:3:3: encoders.wrist-net: {first}:3:3 says something else of this name")
    with pytest.raises(DeclarationError, match=r"packaged\.yaml:8:3 says something else"):
        load_catalogue([own_file("encoders: {touch-small: {modality: touch, dim: 9}}\n", "other.yaml")])
    same = own_file(entry % 8, "again.yaml")
    copied = own_file(TEXT.replace("modality: ecg", "modality: touch").removeprefix("version: 1\n"), "copied.yaml")
    assert load_catalogue([first, same, copied]).encoders["wrist-net"].dim == 8


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("encoders: {a: {modality: tuch}}", "2:26: encoders.a.modality: no modality named 'tuch' is known "
                                            "(did you mean 'touch'?)"),
        ("datasets: {a: {title: A, modalities: [wristwatch, touch]}}",
         "2:38: datasets.a.modalities: no modality named 'wristwatch' is known (declare it under 'modalities')"),
        ("modalities: {a: {description: A., kind: wristwatch}}", "2:41: modalities.a.kind: no modality named"),
    ],
)  # fmt: skip
def test_a_modality_that_no_file_declares_is_reported(text, problem, own_file):
    path = own_file(text)
    with pytest.raises(DeclarationError) as caught:
        load_catalogue([path])
    assert str(caught.value.problems[0]).startswith(f"{path}:{problem}")


def test_a_file_that_is_not_there_is_an_invalid_declaration(tmp_path):
    with pytest.raises(DeclarationError) as caught:
        load_catalogue([tmp_path / "none.yaml"])
    assert (caught.value.exit_code, caught.value.where) == (3, tmp_path / "none.yaml")


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
    assert catalogue._packaged.__wrapped__().catalogue == Catalogue()


def test_the_catalogue_of_this_installation_is_valid():
    known = load_catalogue()
    assert catalogue_path() is not None
    assert {"image", "text", "audio"} <= set(known.modalities)
    assert known.encoders
    assert known.datasets
