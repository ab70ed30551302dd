"""Graph YAML as a whole: what the design's example says, reports of everything wrong, files, any input."""

import subprocess
import sys

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from anybind.catalogue import Catalogue
from anybind.declaration import DatasetUse, load_declaration
from anybind.errors import DeclarationError, UnknownNameError
from anybind.registry import Registry


def test_the_example_says_what_it_says(parse, example):
    found = parse(example)
    assert (found.version, found.name, found.seeds) == (1, "emoji-by-japanese", (0, 1, 2))
    assert found.kinds == {"text_en": "text", "text_ja": "text"}
    assert list(found.encoders) == ["image", "text_en", "text_ja"]
    ja = found.encoders["text_ja"]
    assert (ja.space, ja.modality, ja.use, ja.revision) == ("text_ja", "text_ja", "use-multilingual", None)
    assert ja.options == {"batch_size": 64}
    assert found.datasets["pictures"] == DatasetUse(
        use="emoji", modalities=("image", "text_en"), options={"split": "d1"}
    )
    assert found.bind.targets == found.target_pairs == (("image", "text_ja"),)
    assert (found.bind.method, found.bind.options) == ("pcca", {"rank": "auto"})
    (judged,) = found.evaluate
    assert judged.dataset == DatasetUse(use="emoji", options={"split": "test"})
    assert judged.oracle == DatasetUse(use="emoji", options={"split": "oracle"})
    assert (judged.pair, judged.baselines) == (("image", "text_ja"), ("ridge-chain", "mox"))
    assert (found.text, found.filename) == (example, "g.yaml")


def test_a_declaration_is_frozen(parse, example):
    with pytest.raises(ValueError, match="frozen"):
        parse(example).name = "other"


def test_defaults_and_all_targets(parse):
    encoders = "{image: {use: efficientnet-lite0}, audio: {use: clap}, text: {use: minilm-l6}}"
    text = f"version: 1\nname: n\nencoders: {encoders}\n"
    found = parse(text + "datasets: {d: {use: clips}}\nbind: {targets: all}\n")
    assert (found.seeds, found.evaluate, found.bind.method, found.bind.options) == ((0,), (), "auto", {})
    assert found.target_pairs == (("image", "audio"), ("image", "text"), ("audio", "text"))


def test_spaces_take_their_dims_from_the_encoders(parse, registry, example):
    spaces = parse(example).spaces(registry)
    assert {name: (s.modality, s.encoder, s.dim) for name, s in spaces.items()} == {
        "image": ("image", "efficientnet-lite0", 1280),
        "text_en": ("text_en", "minilm-l6", 384),
        "text_ja": ("text_ja", "use-multilingual", 512),
    }
    with pytest.raises(UnknownNameError):
        parse(example).spaces(Registry([], catalogue=Catalogue()))


def test_two_encoders_of_one_modality_are_two_spaces(parse, changed):
    long_form = "  dino: {modality: image, use: efficientnet-lite0, revision: r1}\n  text_en:"
    found = parse(changed("  text_en:", long_form))
    assert (found.encoders["dino"].modality, found.encoders["dino"].revision) == ("image", "r1")
    assert found.bind.targets == (("image", "text_ja"),)  # a space named so goes before the modality


def test_a_modality_stands_for_its_only_space(parse, changed):
    text = changed("  image: {use", "  pixels: {modality: image, use")
    found = parse(text)
    assert found.bind.targets == (("pixels", "text_ja"),)
    assert found.evaluate[0].pair == ("pixels", "text_ja")


def test_a_data_set_of_one_modality_joins_two_encoders_of_it(parse, changed):
    text = changed("  image: {use", "  dino: {modality: image, use: efficientnet-lite0}\n  image: {use")
    again = "  again: {use: emoji, modalities: [image]}\nbind:"
    assert parse(text.replace("bind:", again)).datasets["again"].modalities == ("image",)


def test_seeds_go_to_data_sets_that_take_one_and_set_none(registry):
    emoji, clips = (registry.dataset(name).spec for name in ("emoji", "clips"))
    assert DatasetUse(use="emoji", options={"split": "d1"}).factory_options(emoji, 7) == {
        "seed": 7,
        "split": "d1",
    }
    assert DatasetUse(use="emoji", options={"seed": 3}).factory_options(emoji, 7) == {"seed": 3}
    assert DatasetUse(use="clips").factory_options(clips, 7) == {}


def test_a_revision_is_an_option_where_the_encoder_lets_one_choose(parse, changed, registry):
    found = parse(changed("{use: minilm-l6}", "{use: hub-text, revision: abc}")).encoders["text_en"]
    assert found.factory_options(registry.encoder("hub-text").spec) == {"revision": "abc"}
    assert found.factory_options(registry.encoder("minilm-l6").spec) == {}


def test_without_a_registry_names_are_taken_on_trust(parse, example):
    text = "version: 1\nname: n\nencoders: {x: {use: foo, a: [1]}, y: {use: bar}}\n"
    text += "datasets: {d: {use: q, modalities: [x, y]}}\n"
    found = parse(text + "bind: {targets: [[x, y]], method: zap, options: {b: null}}\n", registry=None)
    assert found.encoders["x"].options == {"a": [1]}
    assert (found.bind.method, found.bind.options) == ("zap", {"b": None})
    assert parse(example, registry=None) == parse(example)


def test_all_problems_come_in_one_report_in_file_order(problems, example):
    text = (
        example.replace("seeds: [0, 1, 2]", "seeds: [0, x]")
        .replace("{use: minilm-l6}", "{use: minilm-l7}")
        .replace("  pictures:", "  translation: {use: emoji}\n  pictures:")
        .replace("method: pcca", "method: &m pca")
        .replace("[ridge-chain, mox]", "[rigde-chain, mxo]")
    )
    places = [problem.split(": ")[0] for problem in problems(text)]
    lines = [int(place.split(":")[1]) for place in places]
    assert lines == [3, 7, 12, 15, 21, 21]


def test_a_report_says_how_many_and_each(parse, changed):
    with pytest.raises(DeclarationError) as caught:
        parse(changed("version: 1", "version: 2"))
    assert str(caught.value) == "g.yaml: 1 problem\ng.yaml:1:10: version: got 2 (expected 1)"
    assert caught.value.to_dict()["problems"] == ["g.yaml:1:10: version: got 2 (expected 1)"]


def test_a_missing_plugin_comes_with_its_install_hint(problems, changed, registry):
    known = {"encoders": {"beats": {"modality": "audio", "provided_by": {"distribution": "anybind-beats",
             "published": False, "path": "plugins/anybind-beats"}}}}  # fmt: skip
    catalogue = Catalogue.model_validate({"version": 1, **known})
    installed = [registry.modalities, registry.encoders, registry.datasets, registry.binders]
    registry = Registry([entry for part in installed for entry in part.values()], catalogue=catalogue)
    (problem, *_) = problems(changed("{use: minilm-l6}", "{use: beats}"), registry)
    assert problem.startswith("g.yaml:7:18: no encoder named 'beats' is installed")
    assert "plugins/anybind-beats" in problem


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file is empty"),
        ("- 1\n", "the top level is not a mapping"),
        ("a: " + "[" * 50, "nested too deeply"),
        (
            "a: !!python/name:os.system ''\n",
            "the tag 'tag:yaml.org,2002:python/name:os.system' is not allowed",
        ),
        ("a: &a [x]\nb: [*a, *a]\n", "the alias 'a' is not allowed"),
        ("\x7fELF\x02\x01", "the character U+007F is not allowed"),
        ("version: 1\nname: [\n", "not valid YAML"),
    ],
)
def test_what_is_no_graph_yaml_at_all_is_refused(text, words, problems):
    assert any(words in problem for problem in problems(text))


def test_files_are_read_and_bad_ones_refused(tmp_path, registry, example):
    path = tmp_path / "graph.yaml"
    path.write_text(example, encoding="utf-8")
    assert load_declaration(path, registry).filename == str(path)
    path.write_bytes(b"\x80\x02}")
    with pytest.raises(DeclarationError, match="not UTF-8"):
        load_declaration(path, registry)
    with pytest.raises(DeclarationError, match="cannot read the file"):
        load_declaration(tmp_path / "none.yaml", registry)


_JUNK = st.recursive(
    st.sampled_from([None, True, 0, -1, 1.5, "", "all", "image", "emoji", "a b", "x" * 300, 2**70, "日本"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["use", "kind", "pair", "split", "zz", "on"]), inner, max_size=3),
    ),
    max_leaves=5,
)


def _places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in items:
        yield from _places(inner, (*path, step))


def _outcome(parse, text, registry):
    """The declaration or the problems, one of them; any other error passes through and fails the test."""
    try:
        return parse(text, registry), ()
    except DeclarationError as error:
        return None, error.problems


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.data(), _JUNK, st.booleans())
def test_any_value_in_any_place_is_read_or_reported(parse, registry, tree, replaced, data, junk, installed):
    place = data.draw(st.sampled_from(list(_places(tree))))
    text = yaml.safe_dump(replaced(tree, place, junk), sort_keys=False, allow_unicode=True)
    found, problems = _outcome(parse, text, registry if installed else None)
    assert (found is None) == (problems != ())


@settings(max_examples=200, deadline=None, derandomize=True)
@given(junk=st.text(max_size=80), where=st.integers(0, 700), length=st.integers(0, 30))
def test_any_text_is_read_or_reported(parse, registry, example, junk, where, length):
    for text in (junk, example[:where] + junk + example[where + length :]):
        found, problems = _outcome(parse, text, registry)
        assert (found is None) == (problems != ())


def test_reading_a_declaration_does_not_import_torch():
    code = "import sys, anybind.declaration; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
