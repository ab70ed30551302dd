"""What writers of data sets share."""

from __future__ import annotations

from pathlib import Path

import pytest

from anybind.encoder_kit.datasets import Faults, LazyRow, chosen, collection_name, first_repeated, inside, pairs
from anybind.errors import DataError, UsageError

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


def test_a_row_reads_only_what_is_asked_for() -> None:
    read: list[str] = []

    def source(name: str) -> str:
        read.append(name)
        return name.upper()

    row = LazyRow({name: (lambda name=name: source(name)) for name in ("a", "b")})
    assert "a" in row
    assert "c" not in row
    assert row.get("c") is None
    assert list(row) == ["a", "b"]
    assert len(row) == 2
    assert read == []
    assert (row["b"], row.get("b")) == ("B", "B")
    assert read == ["b", "b"]
    assert dict(row) == {"a": "A", "b": "B"}


def fault(number: int) -> DataError:
    return DataError(f"fault {number}", where=f"line {number}", got=number)


def test_faults_are_refused_together() -> None:
    faults = Faults("fail", remedy="get the data again")
    assert faults.settle() == ()
    faults.add("1", fault(1))
    with pytest.raises(DataError) as caught:
        faults.settle()
    assert (caught.value.what, caught.value.where, caught.value.got) == ("fault 1", "line 1", 1)
    assert caught.value.hint == "get the data again, or leave such rows out: on_error: skip"
    for number in range(2, 8):
        faults.add(str(number), fault(number))
    with pytest.raises(DataError) as caught:
        faults.settle()
    assert "7 faults in all" in str(caught.value.hint)
    assert "line 4: fault 4; …" in str(caught.value.hint)
    assert "line 5" not in str(caught.value.hint)


def test_faults_are_listed_when_they_are_left_out() -> None:
    faults = Faults("skip")
    faults.add("1", fault(1))
    faults.add("2", DataError("bare"), "image")
    assert faults.settle() == (("1", "", "fault 1 (line 1): 1"), ("2", "image", "bare"))


def test_pairs_of_names() -> None:
    assert pairs("columns", ["image = photo", "text=a=b"], "") == [("image", "photo"), ("text", "a=b")]
    for item in ("image", "image=", "=photo", ""):
        with pytest.raises(UsageError, match="columns") as caught:
            pairs("columns", [item], "modality=column")
        assert caught.value.expected == "modality=column"


def test_paths_stay_inside(tmp_path: Path) -> None:
    root = (tmp_path / "root").resolve()
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    assert inside(root, "a/../b.png", "here") == root / "b.png"
    for path in ("../x", "/etc/passwd", "link/x", "nul\0"):
        with pytest.raises(DataError) as caught:
            inside(root, path, "here")
        assert caught.value.where == "here"


def test_the_first_id_that_comes_again() -> None:
    assert first_repeated(["a", "b", "c", "b", "a"]) == "b"
    assert first_repeated(["a", "b"]) is None
