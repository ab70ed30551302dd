"""What the checks are made of: comparing samples, reading HTML, requirements, places to write to."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from anybind.testing.contents import contents
from anybind.testing.fragments import unsafe_parts
from anybind.testing.probe import Whereabouts
from anybind.testing.processes import ProbeError, ask_probe
from anybind.testing.requirements import is_bounded_above
from anybind.testing.surroundings import Surroundings


@dataclass(eq=False)
class Clip:
    samples: np.ndarray
    rate: int


class Plain:
    def __init__(self, value):
        self.value = value


def picture(colour):
    return Image.new("RGB", (2, 2), colour)


PAIRS = {
    "texts": ("a", "b"),
    "numbers of two types": (1, 1.0),
    "true and one": (True, 1),
    "arrays": (np.zeros(2), np.ones(2)),
    "shapes": (np.zeros((1, 2)), np.zeros((2, 1))),
    "types of numbers": (np.zeros(2, np.float32), np.zeros(2, np.int32)),
    "tensors": (torch.zeros(2), torch.ones(2)),
    "pictures": (picture("red"), picture("blue")),
    "data classes": (Clip(np.zeros(2), 8), Clip(np.zeros(2), 9)),
    "inside data classes": (Clip(np.zeros(2), 8), Clip(np.ones(2), 8)),
    "lists": ([1, [2]], [1, [3]]),
    "lists and tuples": ([1], (1,)),
    "mappings": ({"a": 1}, {"a": 2}),
    "sets": ({1, 2}, {1, 3}),
    "objects": (Plain(1), Plain([1])),
}


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_contents_tell_apart_what_differs(pair):
    one, other = pair
    assert contents(one) != contents(other)
    assert contents(one) == contents(one)


def test_contents_are_equal_where_the_objects_are_not_one():
    assert contents(Clip(np.zeros(2), 8)) == contents(Clip(np.zeros(2), 8))
    assert contents(picture("red")) == contents(picture("red").copy())
    assert contents(float("nan")) == contents(float("nan"))
    assert contents(Plain({"a": [1]})) == contents(Plain({"a": [1]}))
    assert contents(torch.zeros(2, requires_grad=True)) == contents(torch.zeros(2))


def test_what_cannot_be_written_down_is_only_itself():
    one, other = (lambda: 1), (lambda: 1)
    assert contents(one) == contents(one)
    assert contents(one) != contents(other)
    loop = []
    loop.append(loop)
    assert contents(loop) == contents(loop)


SAFE = [
    "plain text", "&lt;script&gt;", "<b>x</b>", '<img src="data:image/png;base64,AA" alt="">', "<br>", "<br/>",
    '<svg width="3"><path d="M0 0"/><use href="#a"/></svg>', '<i style="color: red">x</i>', "see https://example.org",
    '<span title="&lt;b onclick=1&gt;">x</span>', '<i style="background: url(data:image/png;base64,AA)"></i>',
]  # fmt: skip
UNSAFE = [
    "<script>1</script>", "<SCRIPT>1</SCRIPT>", '<img src="http://e.org/a.png">', '<img src="//e.org/a.png">',
    '<img src="a.png">', "<img src=x onerror=alert(1)>", '<a href="javascript:alert(1)">x</a>',
    '<a href=" \tjavascript:alert(1)">x</a>', '<iframe srcdoc="x"></iframe>', "<i srcdoc=x></i>",
    '<i style="background: URL( http://e.org )"></i>', "<style>@import 'http://e.org/a.css'</style>",
    "<style>b { background: url(http://e.org) }</style>", "<b>x", "x</b>", "<b><i>x</b></i>",
    '<img srcset="data:a 1x, http://e.org/b 2x">', '<meta http-equiv="refresh">', '<link rel="stylesheet">',
    '<svg><use xlink:href="http://e.org/a.svg#a"/></svg>', "<form></form>", "<video poster='http://e.org/a.png'></video>",
]  # fmt: skip


@pytest.mark.parametrize("fragment", SAFE)
def test_safe_fragments_are(fragment):
    assert unsafe_parts(fragment) == []


@pytest.mark.parametrize("fragment", UNSAFE)
def test_unsafe_fragments_are_not(fragment):
    assert unsafe_parts(fragment)


@pytest.mark.parametrize(
    ("requirement", "bounded"),
    [
        ("anybind>=0.1,<0.2", True), ("anybind[image] (>=0.1,<0.2)", True), ("anybind==0.1.0", True),
        ("Anybind ~= 0.1", True), ("anybind<=0.3; python_version > '3'", True), ("anybind", False),
        ("anybind>=0.1", False), ("anybind>=0.1; python_version < '4'", False), ("anybind!=0.2", False),
        ("anybind-lite<1", False), ("numpy<3", False),
    ],
)  # fmt: skip
def test_an_upper_bound_is_seen(requirement, bounded):
    assert is_bounded_above(requirement, "anybind") is bounded


def test_where_a_data_set_may_write(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    places = Whereabouts(tmp_path / "own", tmp_path / "tmp" / "here")
    allowed = ("own/a", "own/b/c", "hub/x", "tmp/x", "src/__pycache__/m.pyc")
    refused = ("a", "own-not", "own/../a", "tmp/here/litter.txt", "hub-not/x")
    assert {name for name in allowed + refused if places.may_write(tmp_path / name)} == set(allowed)
    assert places.may_write(Path(os.devnull))
    assert not places.may_write(Path.home() / "a.txt")


def test_a_probe_that_fails_says_why():
    with pytest.raises(ProbeError, match="No module named 'not_there_at_all'"):
        ask_probe("import", entry_point="not_there_at_all", heavy=[])


def test_surroundings_are_put_back_and_changes_named():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    with Surroundings.watched() as changed:
        torch.manual_seed(5)
        torch.set_grad_enabled(False)
    assert changed == ["torch_random", "gradients"], "seeding the same way again is seen"
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.is_grad_enabled()
    with Surroundings.watched() as changed:
        torch.rand(3, generator=torch.Generator().manual_seed(0))
    assert changed == []
