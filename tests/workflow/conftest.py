"""A graph of vectors small enough to run in a blink: a and b in one data set, b and c in another, a and c in none."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anybind.builtin import plugin
from anybind.catalogue import Catalogue
from anybind.registry import Entry, Registry

VECTOR_GRAPH = """\
version: 1
name: tiny
seeds: [0, 1]
modalities: {a: {kind: vector}, b: {kind: vector}, c: {kind: vector}}
encoders:
  a: {use: vectors, dim: 5}
  b: {use: vectors, dim: 6}
  c: {use: vectors, dim: 5}
datasets:
  first: {use: arrays, path: first}
  second: {use: arrays, path: second}
bind:
  targets: [[a, c]]
  method: ridge-chain
  options: {ridge: 0.01}
evaluate:
  - dataset: {use: arrays, path: test}
    pair: [a, c]
    oracle: {use: arrays, path: oracle}
    baselines: [mox-closed-form]
"""
WIDTHS = {"a": 5, "b": 6, "c": 5}
SPLITS = {"first": ("ab", 60), "second": ("bc", 60), "test": ("ac", 30), "oracle": ("ac", 60)}


def drawn(split: str, letters: str, rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Rows of three views of one hidden four-dimensional item, with a little noise."""
    mixing = np.random.default_rng(7)
    views = {letter: mixing.normal(size=(4, width)) for letter, width in WIDTHS.items()}
    generator = np.random.default_rng([seed, *split.encode()])
    hidden = generator.normal(size=(rows, 4))
    noise = {letter: generator.normal(size=(rows, WIDTHS[letter])) for letter in letters}
    return {letter: (hidden @ views[letter] + 0.3 * noise[letter]).astype(np.float32) for letter in letters}


def write_rows(folder: Path, arrays: dict[str, np.ndarray], ids: Iterable[str]) -> None:
    """A folder that the data set ``arrays`` reads."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    (folder / "ids.txt").write_text("\n".join(ids), encoding="utf-8")


@pytest.fixture(scope="session")
def vector_graph() -> Callable[..., Path]:
    """Write the tiny graph and its arrays; ``change`` edits the YAML, ``seeds`` draws other rows for a split."""

    def write(folder: Path, change: Callable[[str], str] = lambda text: text, **seeds: int) -> Path:
        for split, (letters, rows) in SPLITS.items():
            arrays = drawn(split, letters, rows, seeds.get(split, 0))
            write_rows(folder / split, arrays, (f"{split}-{row:02}" for row in range(rows)))
        path = folder / "graph.yaml"
        path.write_text(change(VECTOR_GRAPH), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def hand_made_registry() -> Callable[..., Registry]:
    """The built-in plugin and the specs given, whatever else is installed, with a catalogue of one's own."""

    def make(*specs: Any, catalogue: Catalogue | None = None) -> Registry:
        hooks = (plugin.anybind_modalities, plugin.anybind_encoders, plugin.anybind_datasets, plugin.anybind_binders)
        entries = [Entry(spec, "anybind", "0") for hook in hooks for spec in hook()]
        return Registry([*entries, *(Entry(spec, "anybind-fake", "1") for spec in specs)],
                        catalogue=catalogue or Catalogue())  # fmt: skip

    return make


FAKE_DATASET = """
class Letters:
    '''Vectors of letters; rows 2i and 2i + 1 are one group. A seed moves the window of ids by ten rows.'''

    collection = "letters"
    attribution = "Letters by A. Author, CC-BY-4.0"

    def __init__(self, *, start=0, rows=20, seed=0, modalities=None):
        self.modalities = tuple(modalities or ("a", "b", "c"))
        first = start + 10 * seed
        self.ids = tuple(f"item-{first + row:03}" for row in range(rows))
        self.groups = tuple(f"family-{(first + row) // 2}" for row in range(rows))

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, index):
        import numpy as np

        hidden = np.random.default_rng(int(self.ids[index][5:])).normal(size=4)
        views = {m: np.random.default_rng([9, *m.encode()]).normal(size=(4, 5)) for m in "abc"}
        return {m: (hidden @ views[m]).astype(np.float32) for m in self.modalities}
"""


@pytest.fixture
def letters(fake_plugin: Callable[..., Path], hand_made_registry: Callable[..., Registry]) -> Registry:
    """A registry with the data set ``letters``, which has groups, an attribution, a seed and one collection."""
    from anybind.specs import DatasetSpec, OptionSpec

    fake_plugin("anybind-letters", FAKE_DATASET)
    options = {name: OptionSpec(type="int", default=default) for name, default in
               (("start", 0), ("rows", 20), ("seed", 0))}  # fmt: skip
    spec = DatasetSpec(name="letters", modalities=("a", "b", "c"), factory="anybind_letters:Letters",
                       licence="CC-BY-4.0", options=options)  # fmt: skip
    return hand_made_registry(spec)


LETTERS_GRAPH = """\
version: 1
name: letters
seeds: [0]
modalities: {a: {kind: vector}, b: {kind: vector}, c: {kind: vector}}
encoders:
  a: {use: vectors, dim: 5}
  b: {use: vectors, dim: 5}
  c: {use: vectors, dim: 5}
datasets:
  first: {use: letters, modalities: [a, b], rows: 30}
  second: {use: letters, modalities: [b, c], start: 30, rows: 30}
bind: {targets: [[a, c]], method: ridge-chain, options: {ridge: 0.01}}
evaluate:
  - dataset: {use: letters, modalities: [a, c], start: 60, rows: 12}
    pair: [a, c]
"""


@pytest.fixture
def letters_graph(tmp_path: Path) -> Path:
    """A graph over the data set ``letters``."""
    path = tmp_path / "letters.yaml"
    path.write_text(LETTERS_GRAPH, encoding="utf-8")
    return path
