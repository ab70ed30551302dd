"""``anybind plugins search``, and the registry files of the user's own."""

import json
import os

import pytest

from anybind import catalogue
from anybind.catalogue import parse_catalogue

CATALOGUE = """\
version: 1
modalities:
  audio: {description: Sound of any kind., provided_by: anybind}
  speech: {description: Recording of a person speaking., kind: audio}
  text: {description: Written language., provided_by: anybind}
  touch: {description: Tactile pictures., provided_by: anybind-touch}
encoders:
  touch-small:
    modality: touch
    dim: 384
    licence: MIT
    shared_space: grip
    provided_by: {distribution: anybind-touch, published: false, path: plugins/anybind-touch}
  ecg-large: {modality: text, provided_by: {distribution: anybind-ecg, published: true}}
  lost: {modality: text, provided_by: {distribution: anybind-lost, published: false}}
datasets:
  grasps: {title: Grasps with sounds, modalities: [touch, audio], pairs: 1000, licence: CC-BY-4.0}
  readings: {title: Books read aloud, modalities: [speech, text]}
"""
OWN = """\
version: 1
modalities: {wrist: {description: Motion of a wrist.}}
datasets:
  gestures: {title: Gestures, modalities: [wrist, touch], pairs: 900}
  spoken-gestures: {title: Gestures with sound, modalities: [wrist, audio], pairs: 90}
"""
PLUGIN = """
import anybind
@anybind.hookimpl
def anybind_encoders():
    return [anybind.EncoderSpec(name="hearer", modality="audio", dim=8, factory="x:Y", weights="none", revision="1",
                                licence="MIT", description="Hears things.")]
"""


@pytest.fixture(autouse=True)
def small_world(only_fake_plugins, monkeypatch):
    """A small catalogue, and no plugin but the built-in one."""
    known = catalogue._parse(CATALOGUE, "registry.yaml")
    monkeypatch.setattr(catalogue, "_packaged", lambda: known)


@pytest.fixture
def own_file(tmp_path):
    path = tmp_path / "lab.yaml"
    path.write_text(OWN, encoding="utf-8")
    return path


def found(anybind, *arguments):
    answer = json.loads(anybind("plugins", "search", *arguments, "--json").stdout)
    return [(thing["kind"], thing["name"]) for thing in answer["found"]]


def test_the_table_says_what_it_is_who_has_it_and_how_to_get_it(anybind):
    result = anybind("plugins", "search", "touch")
    assert (result.code, result.stderr) == (0, "")
    header, _, *rows = [[cell.strip() for cell in line.split("  ") if cell] for line in result.stdout.splitlines()]
    assert header == ["kind", "name", "what", "licence", "provided by", "how to get it"]
    local = "pip install ./plugins/anybind-touch in a checkout of anybind"
    assert ["encoder", "touch-small", "touch, 384 dims", "MIT", "anybind-touch", local] in rows
    assert ["data set", "grasps", "touch, audio; 1,000 pairs", "CC-BY-4.0", "–", "no plugin yet"] in rows


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["audio"], ["audio", "hearer", "speech", "grasps", "readings"]),  # speech is a kind of audio
        (["AUDIO", "--kind", "dataset"], ["grasps", "readings"]),
        (["hears"], ["hearer"]),
        (["grip"], ["touch-small"]),  # its shared space
        (["anybind-ecg"], ["ecg-large"]),
        (["touch", "encoder"], ["touch-small"]),
        (["eaks"], []),  # words fit from their beginning on
    ],
)
def test_words_find_names_modalities_kinds_descriptions_and_owners(words, names, fake_plugin, anybind):
    fake_plugin("anybind-hearer", PLUGIN)
    assert [name for _, name in found(anybind, *words)] == names


def test_without_words_everything_is_listed_and_what_is_installed_comes_first(anybind):
    names = [name for _, name in found(anybind, "--kind", "dataset")]
    assert names[-2:] == ["grasps", "readings"]
    assert {"manifest", "arrays"} <= set(names[:-2])
    assert {kind for kind, _ in found(anybind)} == {"modality", "encoder", "dataset", "binder"}
    assert ("binder", "pcca") in found(anybind, "cca")


def test_json_has_all_facts(fake_plugin, anybind):
    fake_plugin("anybind-hearer", PLUGIN, version="2.5")
    answer = json.loads(anybind("plugins", "search", "hearer", "--json").stdout)
    assert answer["did_you_mean"] is None
    assert answer["found"] == [
        {
            "kind": "encoder", "name": "hearer", "description": "Hears things.", "modalities": ["audio"], "dim": 8,
            "pairs": None, "licence": "MIT", "shared_space": None, "provided_by": "anybind-hearer", "version": "2.5",
            "how_to_get": None,
        }
    ]  # fmt: skip
    assert "installed, 2.5" in anybind("plugins", "search", "hearer").stdout


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("touch-small", "pip install ./plugins/anybind-touch in a checkout of anybind"),
        ("ecg-large", "pip install anybind-ecg"),
        ("lost", "anybind-lost is not published yet"),
        ("speech", "declare it: modalities: {speech: {kind: audio}}"),
        ("grasps", "no plugin yet"),
    ],
)
def test_no_distribution_that_is_not_published_is_handed_to_pip(name, hint, anybind):
    shown = anybind("plugins", "search", name).stdout
    assert hint in shown
    assert "pip install anybind-touch" not in shown
    assert "pip install anybind-lost" not in shown


def test_a_plugin_that_is_disabled_is_said_to_be(fake_plugin, anybind, monkeypatch):
    fake_plugin("anybind-touch", PLUGIN)
    monkeypatch.setenv("ANYBIND_DISABLE_PLUGINS", "anybind-touch")
    assert anybind("plugins", "search", "touch-small").stdout.rstrip().endswith("it is disabled")


@pytest.mark.parametrize(
    ("words", "better"), [(["audoi"], "audio"), (["tuch", "encoder"], "touch encoder"), (["qqqqqq"], None)]
)
def test_what_is_not_found_is_met_with_a_suggestion(words, better, anybind):
    result = anybind("plugins", "search", *words)
    assert result.code == 1
    suggestion = f"; did you mean {better!r}?" if better else ""
    assert result.stdout == f"nothing is known by {' '.join(words)!r}{suggestion}\n"
    if better:
        assert found(anybind, *better.split())


def test_own_files_are_searched_and_planned_over(own_file, anybind, monkeypatch):
    assert found(anybind, "gestures") == []
    here = ["--registry", own_file]
    assert json.loads(anybind(*here, "plugins", "search", "gestures", "--json").stdout)["found"]
    route = anybind(*here, "plan", "wrist", "touch", "--catalogue", "-k", "2", "--json")
    plans = json.loads(route.stdout)["plans"]
    assert [path["spaces"] for path in plans[0]["paths"]] == [["wrist", "touch"], ["wrist", "audio", "touch"]]
    monkeypatch.setenv("ANYBIND_REGISTRY", f"{own_file}{os.pathsep}")
    assert ("dataset", "gestures") in found(anybind, "gestures")


def test_own_files_are_behind_the_hints(own_file, anybind, graph, tmp_path):
    more = tmp_path / "more.yaml"
    more.write_text("version: 1\nencoders: {wrist-net: {modality: text, provided_by: "
                    "{distribution: lab-wrist, published: false, path: lab}}}\n")  # fmt: skip
    graph.write_text(graph.read_text().replace("text_en: {use: toy-text}", "text_en: {use: wrist-net}"))
    hint = f"lab-wrist provides 'wrist-net': pip install {tmp_path.resolve() / 'lab'}"
    assert hint not in anybind("validate", graph).stderr
    assert hint in anybind("--registry", own_file, "--registry", more, "validate", graph).stderr


@pytest.mark.parametrize("by", ["option", "variable"])
def test_a_bad_file_is_an_error_with_its_place(by, own_file, anybind, monkeypatch):
    own_file.write_text("version: 1\ndatasets:\n  gestures: {title: 7, modalities: [touch]}\n")
    before = ["--registry", own_file] if by == "option" else []
    if by == "variable":
        monkeypatch.setenv("ANYBIND_REGISTRY", str(own_file))
    result = anybind(*before, "plugins", "search", "touch")
    assert (result.code, result.stdout) == (3, "")
    assert f"{own_file}:3:21: datasets.gestures.title: input should be a valid string" in result.stderr


def test_a_file_that_says_something_else_of_a_name_is_an_error_that_names_both(own_file, anybind):
    own_file.write_text(OWN + "  grasps: {title: Mine, modalities: [touch, audio]}\n")
    result = anybind("--registry", own_file, "plan", "touch", "audio", "--catalogue")
    assert result.code == 3
    assert f"{own_file}:6:3: datasets.grasps: registry.yaml:17:3 says something else of this name" in result.stderr


def test_a_file_that_is_not_there_is_an_error_even_where_it_is_not_needed(anybind, tmp_path):
    result = anybind("--registry", tmp_path / "none.yaml", "plugins", "list")
    assert result.code == 3
    assert "none.yaml" in result.stderr


def test_the_small_world_is_valid():
    assert parse_catalogue(CATALOGUE, "registry.yaml").datasets
