"""The strict loader: what it reads, what it refuses and where, with and without libyaml."""

import json
import time

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from anybind import yaml_loader
from anybind.errors import DeclarationError
from anybind.yaml_loader import Problem, load_yaml, read_document, read_text, report

PARSERS = [yaml.SafeLoader, *([yaml.CSafeLoader] if hasattr(yaml, "CSafeLoader") else [])]


@pytest.fixture(params=PARSERS, ids=lambda parser: parser.__name__)
def parser(request, monkeypatch):
    monkeypatch.setattr(yaml_loader, "_PARSER", request.param)


def _problems(text):
    with pytest.raises(DeclarationError) as caught:
        load_yaml(text, "f.yaml")
    assert caught.value.exit_code == 3
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True), ("True", True), ("FALSE", False), ("null", None), ("~", None), ("", None),
        ("on", "on"), ("no", "no"), ("Yes", "Yes"), ("y", "y"),
        ("0", 0), ("-17", -17), ("+3", 3), ("9223372036854775807", 2**63 - 1),
        ("012", "012"), ("0o14", "0o14"), ("0x1F", "0x1F"), ("1_000", "1_000"), ("0123456", "0123456"),
        ("1.10", 1.1), ("1e3", 1000.0), (".5", 0.5), ("-2.5E-1", -0.25), ("3.", 3.0),
        ("12:30:00", "12:30:00"), ("2024-01-01", "2024-01-01"), ("1.2.3", "1.2.3"), ("=", "="), ("<<", "<<"),
        ("'true'", "true"), ('"12"', "12"), ("'~'", "~"), ('"a\\nb"', "a\nb"), ("日本", "日本"), ("٣", "٣"),
        ("[1, [a, {b: c}]]", [1, ["a", {"b": "c"}]]),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("parser")
def test_scalars_follow_yaml_1_2_with_decimal_numbers_only(written, value):
    found = load_yaml(f"key: {written}\n", "f.yaml").data["key"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.usefixtures("parser")
def test_on_and_no_are_keys_as_written():
    assert load_yaml("on: 1\nno: 2\nyes: 3\n", "f.yaml").data == {"on": 1, "no": 2, "yes": 3}


@pytest.mark.usefixtures("parser")
def test_every_key_and_value_has_its_place():
    text = "# comment\nversion: 1\nencoders:\n  image: {use: lite, size: [1, 22]}\n  日本: 'x'\n"
    document = load_yaml(text, "f.yaml")
    assert document.text == text
    assert document.position(()) == (2, 1)
    assert document.position(("version",)) == (2, 10)
    assert document.position(("version",), key=True) == (2, 1)
    assert document.position(("encoders",)) == (4, 3)
    assert document.position(("encoders", "image"), key=True) == (4, 3)
    assert document.position(("encoders", "image")) == (4, 10)
    assert document.position(("encoders", "image", "use")) == (4, 16)
    assert document.position(("encoders", "image", "size", 1)) == (4, 32)
    assert document.position(("encoders", "日本")) == (5, 7)


def test_a_path_that_is_not_there_has_the_place_of_what_is_around_it():
    document = load_yaml("a:\n  b: 1\n", "f.yaml")
    assert document.position(("a", "x", 3)) == (2, 3)
    assert document.position(("a", "x"), key=True) == (1, 1)
    assert document.position(("q",), key=True) == (1, 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", "f.yaml:3:1: duplicate key 'a' (it is given in line 1 already)"),
        ("a: &x 1\n", "f.yaml:1:4: the anchor 'x' is not allowed (leave it out)"),
        ("a: !!int 1\n", "f.yaml:1:4: the tag 'tag:yaml.org,2002:int' is not allowed "
                         "(quote what is to be a text)"),
        ("a: !!python/object/apply:os.system ['true']\n",
         "f.yaml:1:4: the tag 'tag:yaml.org,2002:python/object/apply:os.system' is not allowed "
         "(quote what is to be a text)"),
        ("1: x\n", "f.yaml:1:1: the key '1' is not a text (write it in quotes)"),
        ("a: {true: x}\n", "f.yaml:1:5: the key 'true' is not a text (write it in quotes)"),
        ("? [a]\n: 1\n", "f.yaml:1:3: a list or mapping cannot be a key (expected a text)"),
        ("a: .inf\n", "f.yaml:1:4: '.inf' is not a finite number (quote it if it is a text)"),
        ("a: [1, 1e999]\n", "f.yaml:1:8: '1e999' is not a finite number (quote it if it is a text)"),
        ("a: 9223372036854775808\n", "f.yaml:1:4: the number is too large (expected a number of at most 18 "
                                     "digits; quote it if it is a text)"),
        ("%YAML 1.1\n---\na: on\n", "f.yaml:1:1: YAML directives are not allowed "
                                    "(leave out the line that begins with %)"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2:1: a second document begins here (expected one document a file)"),
        ("", "f.yaml:1:1: the file is empty (expected lines such as 'version: 1')"),
        ("\n# nothing\n", "f.yaml:1:1: the file is empty (expected lines such as 'version: 1')"),
        ("---\n", "f.yaml:1:1: the file is empty (expected lines such as 'version: 1')"),
        ("- a\n", "f.yaml:1:1: the top level is not a mapping (expected lines such as 'version: 1')"),
        ("just text\n", "f.yaml:1:1: the top level is not a mapping (expected lines such as 'version: 1')"),
        ("a: 1\nb: \x00\n", "f.yaml:2:4: the character U+0000 is not allowed in YAML"),
        ('a: "x\\0y"\n', "f.yaml:1:4: the character U+0000 is not allowed"),
        ("a: \ud800\n", "f.yaml:1:4: the character U+D800 is not allowed in YAML"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("parser")
def test_what_is_refused_is_named_with_its_place(text, expected):
    assert _problems(text)[0] == expected


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: [1, 2\n", "f.yaml:2:1"),
        ("a: b: c\n", "f.yaml:1:5"),
        ("a: 'open\n", "f.yaml:2:1"),
        ("a: @x\n", "f.yaml:1:4"),
    ],
)
@pytest.mark.usefixtures("parser")
def test_broken_yaml_is_named_with_its_place(text, place):
    (problem,) = _problems(text)
    assert problem.startswith(f"{place}: not valid YAML: ")


@pytest.mark.usefixtures("parser")
def test_all_problems_come_in_one_report_in_file_order():
    found = _problems("a: !x 1\nb: &y 2\na: 3\nc: *y\nd: [\n")
    assert [problem.split(": ")[0] for problem in found[:4]] == [
        f"f.yaml:{n}" for n in ("1:4", "2:4", "3:1", "4:4")
    ]
    assert "the alias 'y' is not allowed" in found[3]
    assert "not valid YAML" in found[4]


def test_a_caller_can_keep_what_leaves_the_data_readable():
    document = read_document("a: 1\na: {b: 2}\nc: &x d\n", "f.yaml")
    assert document.data == {"a": 1, "c": "d"}
    assert [problem.line for problem in document.problems] == [2, 3]


@pytest.mark.usefixtures("parser")
def test_a_bomb_of_aliases_is_refused_at_once():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    begin = time.perf_counter()
    found = _problems("\n".join(lines))
    assert time.perf_counter() - begin < 2
    assert "the anchor 'a0' is not allowed" in found[0]


@pytest.mark.parametrize("text", ["a: " + "[" * 100_000, "a: " + "{b: " * 40, "- " * 50 + "x"])
@pytest.mark.usefixtures("parser")
def test_deep_nesting_is_refused(text):
    text = text if text.startswith("a") else f"a:\n  {text}"
    assert any("nested too deeply (expected at most 40 levels)" in problem for problem in _problems(text))


@pytest.mark.usefixtures("parser")
def test_forty_levels_are_allowed():
    assert load_yaml("a: " + "[" * 39 + "]" * 39, "f.yaml").data["a"]


def test_too_many_nodes_are_refused():
    assert (
        "too many keys and values (expected at most 100,000)" in _problems("a: [" + "1," * 100_001 + "]")[0]
    )


def test_a_text_that_is_too_big_is_refused():
    assert "the text is too big" in _problems("a: " + "x" * 2**20)[0]


def test_a_report_of_many_problems_shows_the_first_fifty():
    with pytest.raises(DeclarationError) as caught:
        load_yaml("a: 1\n" * 200, "f.yaml")
    assert caught.value.what == "f.yaml: 199 problems"
    assert caught.value.hint == "the first 50 are shown"
    assert len(caught.value.problems) == 50


def test_long_names_are_cut_in_messages():
    assert len(_problems(f"a: &{'x' * 10_000} 1\n")[0]) < 200


def test_a_report_sorts_its_problems():
    problems = [Problem("f", 2, 1, "c"), Problem("f", 1, 9, "b"), Problem("f", 1, 2, "a", "x", "y")]
    assert [str(problem) for problem in report("f", problems).problems] == [
        "f:1:2: a (expected x; y)", "f:1:9: b", "f:2:1: c",
    ]  # fmt: skip


def test_files_are_read_as_utf_8_with_or_without_a_byte_order_mark(tmp_path):
    path = tmp_path / "f.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: \xe7\x94\xbb\n")
    assert load_yaml(read_text(path), str(path)).data == {"a": "画"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: 1\nb: \xff\n", ":2:4: the byte 0xFF is not UTF-8 text (save the file as UTF-8)"),
        ("a: 1\n".encode("utf-16"), ":1:1: the byte 0xFF is not UTF-8 text (save the file as UTF-8)"),
        (b"a: \xe7\x94", ":1:4: the byte 0xE7 is not UTF-8 text (save the file as UTF-8)"),
        (b"x" * (2**20 + 1), ":1:1: the file is too big (expected at most 1,048,576 bytes)"),
        (b"x" * (2**20 - 1) + "画".encode(), ":1:1: the file is too big (expected at most 1,048,576 bytes)"),
    ],
)
def test_files_that_are_not_short_utf_8_are_refused(tmp_path, content, message):
    path = tmp_path / "f.yaml"
    path.write_bytes(content)
    with pytest.raises(DeclarationError) as caught:
        read_text(path)
    assert [str(problem) for problem in caught.value.problems] == [f"{path}{message}"]


def test_missing_files_and_directories_are_refused(tmp_path):
    for path, reason in [(tmp_path, "Is a directory"), (tmp_path / "no.yaml", "No such file or directory")]:
        with pytest.raises(DeclarationError, match="cannot read the file") as caught:
            read_text(path)
        assert caught.value.where == path
        assert caught.value.got == reason
    with pytest.raises(DeclarationError, match="cannot read the file"):
        read_text("a\x00b")


_ODD = st.text(alphabet=st.sampled_from("ab:-[]{}&*!%?|>'\"# \n\t,~1.0\u2028\ud800\x07"), max_size=60)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.one_of(_ODD, st.text(max_size=40)), st.sampled_from(PARSERS))
def test_any_text_is_read_or_refused_with_places_inside_it(text, parser):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yaml_loader, "_PARSER", parser)
        document, problems = _read(text)
    assert (document is None) != (problems == ())
    assert all(problem.line >= 1 and problem.col >= 1 for problem in problems)
    if document is not None:
        assert all(isinstance(key, str) for key in document.data)


def _read(text):
    try:
        return load_yaml(text, "f.yaml"), ()
    except DeclarationError as error:
        return None, error.problems


_TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=0xD7FF, exclude_categories=["Cc"]), max_size=6)
_PLAIN_DATA = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**62), 2**62),
        _TEXTS,
        st.floats(allow_nan=False, allow_infinity=False),
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.dictionaries(_TEXTS, _PLAIN_DATA, min_size=1, max_size=4))
def test_json_texts_read_as_json(data):
    """JSON is YAML: an independent writer, and a wide range of quoting."""
    text = json.dumps(data)
    assert json.dumps(load_yaml(text, "f.yaml").data) == text
