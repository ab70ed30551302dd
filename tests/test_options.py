import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anybind.options import check_options, closest_name, fill_defaults
from anybind.specs import OptionSpec

SPECS = {
    "rank": OptionSpec(type="int", default="auto", minimum=1, maximum=64),
    "shrinkage": OptionSpec(type="float", default=0.1, minimum=0),
    "metric": OptionSpec(type="str", default="cosine", choices=("cosine", "dot")),
    "centre": OptionSpec(type="bool", default=True),
    "languages": OptionSpec(type="list[str]", choices=("en", "ja", "de")),
    "sizes": OptionSpec(type="list[int]", default=[1, 2], minimum=1),
    "weights": OptionSpec(type="list[float]"),
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rank", 1), ("rank", 64), ("rank", "auto"), ("shrinkage", 0), ("shrinkage", 0.5), ("metric", "dot"),
        ("centre", False), ("languages", ["en", "ja"]), ("languages", ("de",)), ("languages", None),
        ("sizes", [3]), ("sizes", []), ("weights", [1, 0.5]), ("weights", None),
    ],
)  # fmt: skip
def test_right_values_have_no_problem(name, value):
    assert check_options({name: value}, SPECS) == []


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("rank", 0, "a whole number, at least 1, at most 64, or auto"),
        ("rank", 65, "a whole number, at least 1, at most 64, or auto"),
        ("rank", True, "a whole number, at least 1, at most 64, or auto"),
        ("rank", 2.0, "a whole number, at least 1, at most 64, or auto"),
        ("rank", None, "a whole number, at least 1, at most 64, or auto"),
        ("shrinkage", math.nan, "a finite number, at least 0"),
        ("shrinkage", math.inf, "a finite number, at least 0"),
        ("shrinkage", 10**400, "a finite number, at least 0"),
        ("shrinkage", -1e-9, "a finite number, at least 0"),
        ("shrinkage", "0.1", "a finite number, at least 0"),
        ("centre", 1, "true or false"),
        ("centre", "yes", "true or false"),
        ("languages", "en", "a list of texts from en, ja, de"),
        ("languages", ["en", "fr"], "a list of texts from en, ja, de"),
        ("sizes", [1, True], "a list of whole numbers, at least 1"),
        ("sizes", [1, 0], "a list of whole numbers, at least 1"),
        ("weights", [1.0, math.nan], "a list of finite numbers"),
    ],
)
def test_wrong_values_are_reported_with_what_was_expected(name, value, expected):
    (problem,) = check_options({name: value}, SPECS)
    assert (problem.name, problem.expected) == (name, expected)
    assert problem.message.startswith("got ")


def test_a_required_option_must_be_given_and_not_be_null():
    specs = {"path": OptionSpec(type="str", required=True), **SPECS}
    assert check_options({"path": "a.csv"}, specs) == []
    unknown, missing = check_options({"pat": "a.csv"}, specs)
    assert unknown.suggestion == "path"
    assert (missing.name, missing.message, missing.expected) == ("path", "missing", "a text")
    assert check_options({"path": None}, specs)[0].expected == "a text"


def test_unknown_options_are_reported_with_the_nearest_name():
    near, far = check_options({"shrinkge": 0.2, "zzz": 1}, SPECS)
    assert (near.message, near.suggestion) == ("unknown option", "shrinkage")
    assert far.suggestion is None
    assert "shrinkage" in far.expected
    assert check_options({"a": 1}, {})[0].expected == "no options"


def test_a_misspelt_choice_is_suggested_and_all_problems_are_given_in_order():
    problems = check_options({"metric": "cosin", "rank": "automatic", "centre": False, "x": 1}, SPECS)
    assert [problem.name for problem in problems] == ["metric", "rank", "x"]
    assert problems[0].suggestion == "cosine"


@pytest.mark.parametrize(
    "value",
    [10**5000, -(10**5000), "x" * 10_000, [[["deep"]]] * 1000],
    ids=["huge", "negative", "text", "nested"],
)
def test_monstrous_values_give_a_short_message(value):
    (problem,) = check_options({"shrinkage": value}, SPECS)
    assert len(problem.message) < 120


def test_defaults_are_filled_in_declared_order_and_numbers_are_made_plain():
    filled = fill_defaults({"weights": (1, 2), "shrinkage": 1}, SPECS)
    assert list(filled) == list(SPECS)
    assert filled["weights"] == [1.0, 2.0]
    assert all(type(weight) is float for weight in filled["weights"])
    assert type(filled["shrinkage"]) is float
    assert (filled["rank"], filled["languages"], filled["sizes"]) == ("auto", None, [1, 2])


def test_changing_filled_options_does_not_change_the_spec():
    fill_defaults({}, SPECS)["sizes"].append(99)
    assert fill_defaults({}, SPECS)["sizes"] == [1, 2]


VALUES = st.one_of(
    st.integers(), st.floats(), st.text(), st.booleans(), st.none(), st.lists(st.integers() | st.text())
)


@given(st.dictionaries(st.sampled_from(sorted(SPECS)), VALUES))
def test_options_without_problems_stay_so_when_filled(options):
    right = {name: value for name, value in options.items() if not check_options({name: value}, SPECS)}
    assert check_options(fill_defaults(right, SPECS), SPECS) == []


def test_closest_name_ignores_case_and_gives_up_on_what_is_far():
    assert closest_name("Image", ["image", "audio"]) == "image"
    assert closest_name("clip-vitb32", ["clip-vit-b-32", "toy-text"]) == "clip-vit-b-32"
    assert closest_name("qqqq", ["image", "audio"]) is None
    assert closest_name("image", []) is None
