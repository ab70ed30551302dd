"""What would help a pair: the starved hop first, by about as much as it then does, and what the catalogue has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anybind.catalogue import Catalogue, KnownDataset, KnownModality
from anybind.errors import NoPathError, SelectionError
from anybind.store import EmbeddingStore
from anybind.workflow import extract_graph, fit_graph, load_graph, what_if

DIM, SHARED = 24, 12
GRAPH = f"""\
version: 1
name: starved
modalities: {{a: {{kind: vector}}, b: {{kind: vector}}, c: {{kind: vector}}}}
encoders: {{a: {{use: vectors, dim: {DIM}}}, b: {{use: vectors, dim: {DIM}}}, c: {{use: vectors, dim: {DIM}}}}}
datasets:
  first: {{use: arrays, path: first}}
  second: {{use: arrays, path: second}}
bind:
  targets: [[a, c]]
  method: cca-chain
  options: {{features: identity}}
"""


def rows_of(letters: str, count: int, seed: int, **noise: float) -> dict[str, np.ndarray]:
    views = {s: np.random.default_rng(ord(s)).normal(size=(SHARED, DIM)) for s in "abc"}
    generator = np.random.default_rng(seed)
    hidden = generator.normal(size=(count, SHARED))
    return {
        s: (hidden @ views[s] + noise.get(s, 2.5) * generator.normal(size=(count, DIM))).astype(np.float32)
        for s in letters
    }


def write_rows(folder: Path, arrays: dict[str, np.ndarray]) -> None:
    folder.mkdir(parents=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    ids = (f"{folder.name}-{row}" for row in range(len(next(iter(arrays.values())))))
    (folder / "ids.txt").write_text("\n".join(ids))


def ready(folder: Path, second: int, registry=None, *, first: int = 800, **noise: float):
    """The graph with many pairs of a and b and a number of b and c, and its store."""
    for name, letters, count, seed in (("first", "ab", first, 1), ("second", "bc", second, 2)):
        write_rows(folder / name, rows_of(letters, count, seed, **noise))
    return opened(folder, GRAPH, registry)


def with_true_pairs_alone(folder: Path, count: int, **noise: float):
    """A graph with pairs of a and c, and its store."""
    write_rows(folder / "first", rows_of("ac", count, 3, **noise))
    return opened(folder, GRAPH.replace("  second: {use: arrays, path: second}\n", ""))


def opened(folder: Path, text: str, registry=None):
    (folder / "graph.yaml").write_text(text)
    graph, store = load_graph(folder / "graph.yaml", registry=registry), EmbeddingStore(folder / "store")
    extract_graph(graph, store)
    return graph, store


def recall_to_expect(graph, store, gallery: int = 100) -> float:
    return fit_graph(graph, store).forecast("a", "c", gallery=gallery).recall[10]


@pytest.fixture(scope="module")
def starved(tmp_path_factory: pytest.TempPathFactory):
    return ready(tmp_path_factory.mktemp("starved"), 120)


def test_more_pairs_of_the_starved_hop_help_most_and_by_about_as_much(starved, tmp_path: Path) -> None:
    """A hundred and twenty more pairs of b and c are then really there."""
    found = {each.action: each for each in what_if(*starved, ("a", "c"), gallery=100, more=120)}
    assert next(iter(found)) in {"120 more pairs of b and c", "300 true pairs of a and c"}
    lean, fat = found["120 more pairs of b and c"], found["120 more pairs of a and b"]
    assert lean.gain > fat.gain + 0.02
    before, after = (recall_to_expect(*each) for each in (starved, ready(tmp_path, 240)))
    assert lean.recall - lean.gain == pytest.approx(before, abs=1e-6)
    assert lean.gain == pytest.approx(after - before, abs=0.08)


def test_true_pairs_are_promised_what_they_do(tmp_path: Path) -> None:
    """Fewer than the hops have, as many, and more. One space is noisy: only the hop that holds it tells that."""
    noise, reached = {"c": 6.0}, []
    bridged = ready(tmp_path / "bridged", 600, first=600, **noise)
    now = recall_to_expect(*bridged, gallery=1000)
    for count in (150, 600, 2400):
        told = {each.spaces: each for each in what_if(*bridged, ("a", "c"), gallery=1000, true_pairs=count)}["a", "c"]
        alone = recall_to_expect(*with_true_pairs_alone(tmp_path / str(count), count, **noise), gallery=1000)
        reached.append(float(told.why.split("R@10 ")[1].split()[0]))
        assert told.recall == pytest.approx(max(reached[-1], now), abs=0.001)
        assert told.recall == pytest.approx(max(alone, now), abs=0.08)
    assert reached[0] + 0.02 < reached[1] < reached[2] - 0.02


def test_however_many_more_pairs_bring_no_more_than_a_few_steps(starved) -> None:
    """Each doubling brings less than the one before."""
    gains = []
    for more in (120, 360, 840, 10**9):
        (lean,) = (each for each in what_if(*starved, ("a", "c"), gallery=100, more=more) if each.spaces == ("b", "c"))
        gains.append(lean.gain)
    step = float(lean.why.split("expect ")[1].split()[0])
    first, second, third, every = gains
    assert first == pytest.approx(step / 2**0.5, abs=0.001)
    assert 0 < third - second < second - first < first
    assert every == pytest.approx(2.414 * step, abs=0.005)


def test_everything_is_sorted_by_its_gain_and_told_in_json(starved) -> None:
    notes: list[str] = []
    found = what_if(*starved, ("c", "a"), gallery=100, echo=notes.append)
    gains = [each.gain for each in found]
    assert gains == sorted(gains, reverse=True)
    told = [each.to_dict() for each in found]
    assert {"".join(sorted(each["spaces"])) for each in told} == {"ab", "bc", "ac"}
    assert all(0 <= each["recall"]["10"] <= 1 and each["why"] for each in told)
    assert notes[0] == "fitting cca-chain to all rows"
    assert any("50% of second" in note for note in notes)


def test_of_a_pair_that_rows_hold_only_more_of_them_are_thought_of(starved) -> None:
    assert [each.spaces for each in what_if(*starved, ("a", "b"), gallery=50)] == [("a", "b")]


def test_known_data_sets_are_weighed_by_their_pairs(tmp_path: Path, hand_made_registry) -> None:
    known = {
        "many-bc": KnownDataset(title="T", modalities=("b", "c"), pairs=500),
        "few-bc": KnownDataset(title="T", modalities=("b", "c"), pairs=20),
        "true-ac": KnownDataset(title="T", modalities=("a", "c"), pairs=400),
        "elsewhere": KnownDataset(title="T", modalities=("a", "z"), pairs=10_000),
    }
    modalities = {name: KnownModality(description="D") for name in "abcz"}
    registry = hand_made_registry(catalogue=Catalogue(modalities=modalities, datasets=known))
    notes: list[str] = []
    found = what_if(*ready(tmp_path, 120, registry), ("a", "c"), gallery=100, echo=notes.append)
    assert len(notes) == 7  # all rows, half of each hop; two shares of each for 300 and 400 true pairs, none twice
    gain = {each.action: each.gain for each in found}
    assert gain["the data set many-bc"] > gain["the data set few-bc"] > 0
    assert "the data set true-ac: true pairs" in gain
    assert not any("elsewhere" in action for action in gain)


def test_too_few_rows_or_no_route_are_told(tmp_path: Path) -> None:
    with pytest.raises(SelectionError):
        what_if(*ready(tmp_path / "few", 12), ("a", "c"))
    _, store = ready(tmp_path / "none", 60)
    path = tmp_path / "none" / "graph.yaml"
    alone = GRAPH.replace("  second: {use: arrays, path: second}\n", "").replace("[[a, c]]", "[[a, b]]")
    path.write_text(alone)
    with pytest.raises(NoPathError):
        what_if(load_graph(path), store, ("a", "c"))
