"""chain: composed maps, the hub, scores from both sides, and what has no route."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from anybind.errors import ArtifactError, NoPathError
from anybind.fit_data import FitData
from anybind.methods.chain import Chain, all_routes, hub_of, new_chain, routes_of_pairs, wanted_routes
from anybind.moments import Moments

Array = NDArray[np.float64]
Make = Callable[..., FitData]
DIMS = {"a": 4, "b": 3, "c": 5}


def small_chain() -> Chain:
    random = np.random.default_rng(0)
    pairs = [(a, b) for a in DIMS for b in DIMS if a != b]
    means = {s: torch.tensor(random.normal(size=d)) for s, d in DIMS.items()}
    return Chain("b", means, {(a, b): torch.tensor(random.normal(size=(DIMS[a], DIMS[b]))) for a, b in pairs})


def rows(seed: int, space: str, n: int) -> torch.Tensor:
    return torch.tensor(np.random.default_rng(seed).normal(size=(n, DIMS[space])), dtype=torch.float32)


def moments_of(fit_data: Make, **datasets: str) -> Moments:
    random = np.random.default_rng(0)
    held = {name: {s: random.normal(size=(6, DIMS.get(s, 2))) for s in spaces} for name, spaces in datasets.items()}
    return fit_data(held).moments


def cosines(a: Array, b: Array) -> Array:
    table: Array = (a @ b.T) / np.linalg.norm(a, axis=1)[:, None] / np.linalg.norm(b, axis=1)
    return table


def test_embed_carries_centred_rows_to_the_hub_at_unit_length() -> None:
    chain = small_chain()
    a = rows(1, "a", 6)
    carried = (a.double() - chain.means["a"]) @ chain.maps["a", "b"]
    embedded = chain.embed("a", a)
    assert embedded.dtype == torch.float32
    np.testing.assert_allclose(embedded, carried / carried.norm(dim=1, keepdim=True), atol=1e-6)
    centred = rows(2, "b", 6).double() - chain.means["b"]
    np.testing.assert_allclose(
        chain.embed("b", rows(2, "b", 6)), centred / centred.norm(dim=1, keepdim=True), atol=1e-6
    )


def test_score_is_the_mean_of_the_cosines_in_both_spaces() -> None:
    chain = small_chain()
    a, c = rows(1, "a", 6), rows(2, "c", 7)
    x, y = (a.double() - chain.means["a"]).numpy(), (c.double() - chain.means["c"]).numpy()
    expected = (cosines(x @ chain.maps["a", "c"].numpy(), y) + cosines(x, y @ chain.maps["c", "a"].numpy())) / 2
    scores = chain.score("a", a, "c", c)
    assert scores.dtype == torch.float32
    np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_score_does_not_depend_on_which_space_comes_first() -> None:
    chain = small_chain()
    a, c = rows(1, "a", 6), rows(2, "c", 7)
    torch.testing.assert_close(chain.score("a", a, "c", c), chain.score("c", c, "a", a).T)


def test_a_space_scores_against_itself_by_cosine() -> None:
    chain = small_chain()
    x = (rows(1, "a", 6).double() - chain.means["a"]).numpy()
    np.testing.assert_allclose(chain.score("a", rows(1, "a", 6), "a", rows(1, "a", 6)), cosines(x, x), atol=1e-6)


def test_pairs_meet_where_their_places_say() -> None:
    """Two places count equally; one of them a space with a map to itself, the other no space at all."""
    random = np.random.default_rng(3)
    means = {s: torch.tensor(random.normal(size=d)) for s, d in DIMS.items()}
    ways = [("a", "b"), ("b", "b"), ("c", "b"), ("a", "a~c"), ("c", "a~c")]
    maps = {way: torch.tensor(random.normal(size=(DIMS[way[0]], 2))) for way in ways}
    chain = Chain("a~c", means, maps, {("a", "c"): ("b", "a~c")})
    a, c = rows(1, "a", 6), rows(2, "c", 7)
    x, y = (a.double() - means["a"]).numpy(), (c.double() - means["c"]).numpy()
    expected = sum(cosines(x @ maps["a", p].numpy(), y @ maps["c", p].numpy()) for p in ("b", "a~c")) / 2
    np.testing.assert_allclose(chain.score("a", a, "c", c), expected, atol=1e-6)
    torch.testing.assert_close(chain.score("c", c, "a", a), chain.score("a", a, "c", c).T)
    with pytest.raises(NoPathError):
        chain.score("a", a, "b", rows(3, "b", 2))  # no place was agreed on, and a has no way to itself at b's end
    restored = Chain.restore(json.loads(json.dumps(chain.config())), chain.tensors())
    assert restored.config() == chain.config()
    assert torch.equal(restored.score("a", a, "c", c), chain.score("a", a, "c", c))
    for name in ("b/to/b", "a/to/a~c"):
        broken = {**chain.tensors(), name: torch.zeros(maps["a", "b"].shape[0] - 1, 3, dtype=torch.float64)}
        with pytest.raises(ArtifactError, match="wrong shape"):
            Chain.restore(chain.config(), broken)


def test_no_rows_give_no_scores() -> None:
    chain = small_chain()
    assert chain.score("a", rows(1, "a", 0), "c", rows(2, "c", 7)).shape == (0, 7)
    assert chain.embed("a", rows(1, "a", 0)).shape == (0, 3)


def test_a_pair_without_a_route_is_an_error() -> None:
    chain = small_chain()
    chain = Chain(chain.hub, chain.means, {("a", "b"): chain.maps["a", "b"]})
    with pytest.raises(NoPathError) as error:
        chain.score("a", rows(1, "a", 2), "c", rows(2, "c", 2))
    assert "'a'" in str(error.value.where)
    assert "'c'" in str(error.value.where)
    with pytest.raises(NoPathError):
        chain.embed("c", rows(2, "c", 2))


def test_a_space_that_was_never_paired_is_an_error() -> None:
    chain = small_chain()
    for use in (
        lambda: chain.embed("e", torch.ones(2, 2)),
        lambda: chain.score("a", rows(1, "a", 2), "e", torch.ones(2, 2)),
    ):
        with pytest.raises(NoPathError) as error:
            use()
        assert "'e'" in str(error.value.where)


def test_restored_from_json_and_tensors_exactly() -> None:
    chain = small_chain()
    restored = Chain.restore(json.loads(json.dumps(chain.config())), chain.tensors())
    assert restored.config() == chain.config()
    assert torch.equal(
        restored.score("a", rows(1, "a", 6), "c", rows(2, "c", 7)),
        chain.score("a", rows(1, "a", 6), "c", rows(2, "c", 7)),
    )
    assert torch.equal(restored.embed("c", rows(2, "c", 7)), chain.embed("c", rows(2, "c", 7)))


@pytest.mark.parametrize("shape", [(4, 4), (5, 4), (4,)])
def test_maps_of_the_wrong_shape_are_refused(shape: tuple[int, ...]) -> None:
    chain = small_chain()
    tensors = {**chain.tensors(), "a/to/c": torch.zeros(shape, dtype=torch.float64)}
    with pytest.raises(ArtifactError, match="wrong shape") as error:
        Chain.restore(chain.config(), tensors)
    assert "a to c" in str(error.value.where)


def test_every_connected_pair_has_a_route_in_both_directions(fit_data: Make) -> None:
    moments = moments_of(fit_data, d1="ab", d2="bc", d3="xy", d4="z")
    routes = all_routes(moments, (), {})
    assert routes == {
        ("a", "b"): ("a", "b"), ("b", "a"): ("b", "a"), ("b", "c"): ("b", "c"), ("c", "b"): ("c", "b"),
        ("a", "c"): ("a", "b", "c"), ("c", "a"): ("c", "b", "a"),
        ("x", "y"): ("x", "y"), ("y", "x"): ("y", "x"),
    }  # fmt: skip


def test_a_targets_best_route_is_taken_both_ways(fit_data: Make) -> None:
    moments = moments_of(fit_data, d1="ab", d2="bc", d3="ac")
    long: Any = {("a", "c"): (("a", "b", "c"), ("a", "c"))}
    routes = all_routes(moments, [("a", "c")], long)
    assert routes["a", "c"] == ("a", "b", "c")
    assert routes["c", "a"] == ("c", "b", "a")
    assert routes["a", "b"] == ("a", "b")
    assert all_routes(moments, [("a", "c")], {})["a", "c"] == ("a", "c")


def test_a_fit_serves_its_targets_both_ways_and_the_hub(fit_data: Make) -> None:
    moments = moments_of(fit_data, d1="ab", d2="bc", d3="cd")
    every = all_routes(moments, (), {})
    assert wanted_routes(moments, (), {}) == every
    wanted = wanted_routes(moments, [("a", "c"), ("b", "d")], {})
    assert wanted.keys() == {("a", "c"), ("c", "a"), ("b", "d"), ("d", "b"), ("b", "c"), ("d", "c")}
    assert all(every[pair] == route for pair, route in wanted.items())


def test_pairs_come_once_and_targets_with_their_routes(fit_data: Make) -> None:
    moments = moments_of(fit_data, d1="ab", d2="bc", d3="cd", d4="ax", d5="cx")
    given: Any = {("c", "a"): (("c", "b", "a"), ("c", "x", "a"), ("c", "d", "e", "a"))}
    routes = routes_of_pairs(moments, [("c", "a")], given)
    assert routes["a", "c"] == (("a", "b", "c"), ("a", "x", "c"))
    assert routes["a", "d"] == (("a", "b", "c", "d"),)
    assert all(a < b for a, b in routes)
    both: Any = {**given, ("a", "c"): (("a", "b", "c"),)}
    assert routes_of_pairs(moments, [("c", "a")], both)["a", "c"] == routes["a", "c"]


def test_the_hub_is_the_first_targets_goal(fit_data: Make) -> None:
    moments = moments_of(fit_data, d1="bc", d2="ab")
    assert hub_of(moments, [("a", "c"), ("a", "b")]) == "c"
    assert hub_of(moments, ()) == "b"


def test_without_any_pair_there_is_no_hub(fit_data: Make) -> None:
    with pytest.raises(NoPathError):
        hub_of(moments_of(fit_data, d1="a", d2="b"), ())


def test_a_new_chain_keeps_the_means_of_joined_spaces(fit_data: Make) -> None:
    moments = moments_of(fit_data, d1="ab", d2="z")
    chain = new_chain(moments, (), {("a", "b"): torch.zeros(4, 3, dtype=torch.float64)})
    assert chain.means.keys() == {"a", "b"}
