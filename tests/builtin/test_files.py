"""What the file-based data sets share."""

from __future__ import annotations

from pathlib import Path

import pytest

from anybind.builtin.files import chosen, collection_name
from anybind.errors import DataError

HERE = Path("folder/list.csv")


def test_all_or_what_is_wanted_in_that_order() -> None:
    assert chosen(["a", "b"], None, HERE) == ("a", "b")
    assert chosen(["a", "b"], ["b", "a"], HERE) == ("b", "a")
    assert chosen(["a", "b"], ("b",), HERE) == ("b",)


@pytest.mark.parametrize(("available", "wanted"), [(["a"], ["b"]), ([], None), (["a"], ["a", "b"])])
def test_what_is_not_there_is_an_error(available: list[str], wanted: list[str] | None) -> None:
    with pytest.raises(DataError) as caught:
        chosen(available, wanted, HERE)
    assert caught.value.where == HERE


def test_a_given_name_wins_and_a_made_one_follows_the_content() -> None:
    assert collection_name("manifest", "mine", HERE, b"x") == "mine"
    made = collection_name("manifest", None, HERE, b"x")
    assert made.startswith("manifest:list:")
    assert made == collection_name("manifest", None, HERE, "x")
    assert made != collection_name("manifest", None, HERE, b"y")
    assert collection_name("k", None, HERE, "ab", "c") != collection_name("k", None, HERE, "a", "bc")
