"""Columns line up, whatever is in them."""

import pytest

from anybind.cli.tables import display_width, percent, shortened, table


def test_columns_line_up_with_wide_letters_and_numbers_to_the_right():
    assert table(("word", "n", "k"), [("犬", "5", "x"), ("dog", "12", "")], right=("n",)) == [
        "word   n  k",
        "----  --  -",
        "犬     5  x",
        "dog   12",
    ]


def test_combining_marks_take_no_column():
    assert display_width("e\u0301") == 1
    assert display_width("犬a") == 3


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [("a  b\nc", 9, "a b c"), ("abcdef", 6, "abcdef"), ("abcdefg", 6, "abcde…"), ("犬犬犬犬", 6, "犬犬…")],
)
def test_previews_fit_on_a_line(text, width, expected):
    assert shortened(text, width) == expected
    assert display_width(shortened(text, width)) <= width


def test_shares_read_as_percentages():
    assert (percent(0.8614), percent(None)) == ("86.1 %", "–")
