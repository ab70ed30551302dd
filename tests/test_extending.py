"""``Binder.partial_fit``: more data for a binder that has its moments, as if it had been fitted on all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import anybind
from anybind.errors import ArtifactError, DataError, SelectionError, ShapeError, UsageError

WIDTHS = {"a": 10, "b": 9, "c": 8, "e": 7}
PLAIN = {"features": "identity"}
# Options are given, so that a fit on all data makes the choices of the fit that is extended.
METHODS: dict[str, dict[str, Any]] = {
    "pcca": {"rank": 5, "shrinkage": 1.0, **PLAIN},
    "ridge-chain": {"ridge": 0.1},
    "mox-closed-form": {"transition_strength": 0.1, "head_ridge": 0.1},
    "cca-chain": {"shrinkage": 0.3, "power": 1.0, **PLAIN},
    "procrustes": {"shrinkage": 0.3, "rank": 5, **PLAIN},
    "pivot": {"ridge": 0.1, "whitening": 0.3, **PLAIN},
}
CLOSED_FORM = sorted(METHODS.keys() - {"pcca"})


def drawn(spaces: str, rows: int, seed: int) -> dict[str, np.ndarray]:
    """Views of one five-dimensional meaning."""
    mixing = np.random.default_rng(7)
    views = {space: mixing.normal(size=(5, width)) for space, width in WIDTHS.items()}
    random = np.random.default_rng(seed)
    meaning = random.normal(size=(rows, 5))
    noise = {space: random.normal(size=(rows, WIDTHS[space])) for space in spaces}
    return {space: (meaning @ views[space] + 0.5 * noise[space]).astype(np.float32) for space in spaces}


FIRST = {"d1": drawn("ab", 200, 1)}
SECOND = {"d2": drawn("bc", 180, 2)}
TEST = drawn("abce", 80, 3)


def fitted(method: str, data: Any = FIRST, **more: Any) -> anybind.Binder:
    return anybind.fit(data, method=method, options=METHODS.get(method, {}), keep_moments=True, **more)


def mrr(binder: anybind.Binder, a: str, b: str) -> float:
    return anybind.evaluate(binder, TEST, [(a, b)], n_boot=0)[0].mrr


def table(binder: anybind.Binder, a: str = "a", b: str = "c") -> torch.Tensor:
    return binder.score(a, TEST[a], b, TEST[b])


CHANCE = 0.062  # MRR of 80 in a random order


# ------------------------------------------------------------------------------------ adding


@pytest.mark.parametrize("method", CLOSED_FORM)
def test_a_closed_form_is_what_a_fit_on_all_data_gives(method: str) -> None:
    grown, whole = fitted(method).partial_fit(SECOND), fitted(method, {**FIRST, **SECOND})
    for a, b in (("a", "b"), ("a", "c"), ("b", "c")):
        torch.testing.assert_close(table(grown, a, b), table(whole, a, b), rtol=1e-4, atol=1e-5)
    assert mrr(grown, "a", "c") > 5 * CHANCE


def test_pcca_comes_close_to_a_fit_on_all_data() -> None:
    grown, whole = fitted("pcca").partial_fit(SECOND), fitted("pcca", {**FIRST, **SECOND})
    for a, b in (("a", "b"), ("a", "c"), ("b", "c")):
        both = torch.stack([table(grown, a, b).flatten(), table(whole, a, b).flatten()])
        assert float(torch.corrcoef(both)[0, 1]) > 0.97
        assert mrr(grown, a, b) == pytest.approx(mrr(whole, a, b), abs=0.05)
    assert mrr(grown, "a", "c") > 5 * CHANCE
    assert grown.fitted["rank"] == 5


def test_the_usual_method_can_be_extended_too() -> None:
    before = anybind.fit(FIRST, options=PLAIN, keep_moments=True)
    grown, whole = before.partial_fit(SECOND), anybind.fit({**FIRST, **SECOND}, options=PLAIN)
    assert list(grown.fitted["members"]) == list(before.fitted["members"])
    assert grown.fitted["scoring"] == before.fitted["scoring"]
    assert mrr(grown, "a", "c") > 0.9 * mrr(whole, "a", "c") > 5 * CHANCE


def test_an_average_can_be_extended_too() -> None:
    """Without rows, the methods' scores are made comparable by what the moments say."""
    options = {**PLAIN, "combine": "average", "tolerance": 1.0}
    before = anybind.fit(FIRST, options=options, keep_moments=True)
    grown, whole = before.partial_fit(SECOND), anybind.fit({**FIRST, **SECOND}, options=options)
    assert mrr(grown, "a", "c") > 0.9 * mrr(whole, "a", "c") > 5 * CHANCE
    for member in grown.fitted["scoring"]:
        new, old = ([s[member][1] for s in each.fitted["spreads"] if s["pair"] == ["a", "b"]]
                    for each in (grown, before))  # fmt: skip
        assert new == pytest.approx(old, rel=0.15)


def test_choices_are_kept_and_a_new_hop_takes_the_usual_one() -> None:
    options = {"cca-chain": PLAIN, "pivot": PLAIN, "procrustes": PLAIN, "ridge-chain": {}, "mox-closed-form": {}}
    for method, given in options.items():
        before = anybind.fit(FIRST, method=method, options=given, keep_moments=True)
        grown = before.partial_fit(SECOND)
        old, new = before.fitted["chosen"], grown.fitted["chosen"]
        assert old.items() <= new.items()
        assert {v for name, v in new.items() if name not in old} <= set(old.values())
        assert len(new) > len(old)
        assert mrr(grown, "a", "c") > 5 * CHANCE


@pytest.mark.parametrize("method", ["pcca", "cca-chain"])
def test_a_chain_grows_modality_by_modality(method: str) -> None:
    grown = fitted(method).partial_fit(SECOND).partial_fit({"d3": drawn("ce", 180, 4)})
    assert grown.dims == WIDTHS
    assert mrr(grown, "a", "e") > 4 * CHANCE
    whole = fitted(method, {**FIRST, **SECOND, "d3": drawn("ce", 180, 4)})
    assert mrr(grown, "a", "e") == pytest.approx(mrr(whole, "a", "e"), abs=0.1)


def test_more_rows_of_known_spaces_make_it_better() -> None:
    few = {"d1": drawn("ab", 8, 1)}
    before = fitted("pcca", few)
    after = before.partial_fit({"d1-2": drawn("ab", 400, 5)}, steps=30)
    assert mrr(after, "a", "b") > mrr(before, "a", "b") + 0.1


def test_a_new_space_gets_kernel_features_where_the_others_have_them() -> None:
    options = {"rank": 5, "shrinkage": 1.0, "features": "nystroem", "width": 1.0, "landmarks": 60, "feature_dims": 30}
    before = anybind.fit(FIRST, method="pcca", options=options, keep_moments=True)
    grown = before.partial_fit(SECOND)
    assert (grown.spaces["c"].dim, grown.spaces["c"].input_dim) == (8, 30)
    old, new = before.tensors(), grown.tensors()
    assert all(torch.equal(new[name], tensor) for name, tensor in old.items() if name.startswith("input/"))
    assert new["input/c/landmarks"].shape == (60, 8)
    assert mrr(grown, "a", "c") > 5 * CHANCE


def test_a_new_space_that_is_too_wide_is_projected(monkeypatch: pytest.MonkeyPatch) -> None:
    from anybind import extending, fit_data

    def narrow(*args: Any, **kwargs: Any) -> Any:
        return fit_data.collect(*args, **kwargs, full_width=15, projected_dim=6)

    before = fitted("pcca")
    monkeypatch.setattr(extending, "collect", narrow)
    grown = before.partial_fit(SECOND)
    assert [grown.spaces[s].input_dim for s in "abc"] == [10, 9, 6]  # what is known stays as it is
    assert mrr(grown, "a", "c") > 5 * CHANCE


def test_missing_rows_groups_and_ids_are_read_as_by_fit() -> None:
    rows = {space: array.copy() for space, array in SECOND["d2"].items()}
    rows["c"][:90] = np.nan
    grown = fitted("pcca").partial_fit(
        {"d2": rows}, from_nan=True, ids={"d2": [f"item-{i}" for i in range(180)]},
        groups={"d2": [f"clip-{i // 2}" for i in range(180)]},
    )  # fmt: skip
    assert grown.training.datasets["d2"].rows == {"b": 180, "c": 90}
    by_mask = fitted("pcca").partial_fit({"d2": rows}, present={"d2": {"c": np.arange(180) >= 90}})
    torch.testing.assert_close(table(grown), table(by_mask), rtol=1e-4, atol=1e-4)


def test_an_item_is_in_one_fold_whichever_data_set_brings_it() -> None:
    ids = {name: [f"item-{i}" for i in range(120)] for name in ("d1", "d2")}
    rows = {"d1": drawn("ab", 120, 1), "d2": drawn("bc", 120, 2)}
    for seed in (0, 3):
        before = fitted("ridge-chain", {"d1": rows["d1"]}, ids={"d1": ids["d1"]}, seed=seed)
        grown = before.partial_fit({"d2": rows["d2"]}, ids={"d2": ids["d2"]})
        assert grown.moments is not None
        counts = {(key.dataset, key.fold): block.n for key, block in grown.moments}
        assert [counts["d1", fold] for fold in range(5)] == [counts["d2", fold] for fold in range(5)]


# ------------------------------------------------------------------------------------ what is recorded


def test_provenance_grows_and_paths_are_found_anew() -> None:
    grown = fitted("pcca", seed=3).partial_fit(SECOND)
    datasets = grown.training.datasets
    assert {name: (info.rows, info.added) for name, info in datasets.items()} == {
        "d1": ({"a": 200, "b": 200}, False), "d2": ({"b": 180, "c": 180}, True),
    }  # fmt: skip
    assert {path.pair: path.spaces for path in grown.training.paths} == {
        ("a", "b"): ("a", "b"), ("a", "c"): ("a", "b", "c"), ("b", "c"): ("b", "c"),
    }  # fmt: skip
    assert grown.training.seed == 3
    closer = grown.partial_fit({"d3": drawn("ac", 300, 6)})
    paths = {path.pair: (path.spaces, path.datasets) for path in closer.training.paths}
    assert paths["a", "c"] == (("a", "c"), (("d3",),))


def test_targets_are_those_of_before_and_what_is_new() -> None:
    data = {"d1": drawn("abe", 150, 1)}
    grown = fitted("cca-chain", data, targets=[("e", "a")]).partial_fit(SECOND)
    pairs = [path.pair for path in grown.training.paths]
    assert pairs[0] == ("e", "a")
    assert set(pairs[1:]) == {("a", "c"), ("b", "c"), ("c", "e")}
    assert grown.fitted["hub"] == fitted("cca-chain", data, targets=[("e", "a")]).fitted["hub"]


def test_what_no_longer_holds_is_dropped() -> None:
    before = fitted("pcca")
    before.licence, before.revision = "mit", "0" * 40
    before.texts.update({"graph.yaml": "version: 1\n", "metrics.json": "{}"})
    grown = before.partial_fit(SECOND)
    assert (grown.licence, grown.revision, grown.texts) == (None, None, {"graph.yaml": "version: 1\n"})


@pytest.mark.parametrize("method", ["pcca", "cca-chain"])
def test_the_original_is_not_changed(method: str) -> None:
    before = fitted(method)
    tensors = {name: tensor.clone() for name, tensor in before.tensors().items()}
    scores = table(before, "a", "b")
    rows = {name: array.copy() for name, array in SECOND["d2"].items()}
    before.partial_fit(SECOND)
    assert before.tensors().keys() == tensors.keys()
    assert all(torch.equal(before.tensors()[name], tensor) for name, tensor in tensors.items())
    assert torch.equal(table(before, "a", "b"), scores)
    assert before.moments is not None
    assert before.moments.datasets == ("d1",)
    assert set(before.dims) == {"a", "b"}
    assert all(np.array_equal(rows[name], array) for name, array in SECOND["d2"].items())


# ------------------------------------------------------------------------------------ on disk


@pytest.mark.parametrize("method", ["pcca", "cca-chain", "auto"])
def test_a_saved_binder_can_be_extended_as_if_it_had_never_left(tmp_path: Path, method: str) -> None:
    before = anybind.fit(FIRST, method=method, options=METHODS.get(method, PLAIN), keep_moments=True)
    folder = before.save_pretrained(tmp_path / "binder")
    again = anybind.Binder.from_pretrained(folder)
    grown = again.partial_fit(SECOND)
    torch.testing.assert_close(table(grown), table(before.partial_fit(SECOND)), rtol=1e-3, atol=1e-3)
    reread = anybind.Binder.from_pretrained(grown.save_pretrained(tmp_path / "grown"))
    assert torch.equal(table(reread), table(grown))
    assert mrr(reread.partial_fit({"d3": drawn("ce", 180, 4)}), "a", "e") > 4 * CHANCE


def test_moments_are_kept_when_asked_for_only(tmp_path: Path) -> None:
    plain = anybind.fit(FIRST, method="pcca", options=METHODS["pcca"])
    assert plain.moments is None
    assert "moments" not in (plain.save_pretrained(tmp_path / "plain") / "README.md").read_text()
    assert not (tmp_path / "plain" / "moments.safetensors").exists()
    kept = fitted("pcca").save_pretrained(tmp_path / "kept")
    assert "moments.safetensors" in json.loads((kept / "config.json").read_text())["files"]
    card = (kept / "README.md").read_text()
    assert "can tell of single ones" in card
    assert f"sum is over {fitted('pcca').moments.fewest_rows} rows" in card  # type: ignore[union-attr]
    lonely = fitted("ridge-chain", {"d1": drawn("ab", 4, 1)}).save_pretrained(tmp_path / "lonely")
    assert "sum is over one row, and is that row" in (lonely / "README.md").read_text()
    plain.save_pretrained(kept)
    assert not (kept / "moments.safetensors").exists()


def test_the_card_tells_what_came_later(tmp_path: Path) -> None:
    card = (fitted("pcca").partial_fit(SECOND).save_pretrained(tmp_path / "b") / "README.md").read_text()
    assert "| d2 (added) |" in card
    assert "| d1 |" in card
    assert "came later, by `partial_fit`" in card


def test_moments_of_another_binder_are_refused(tmp_path: Path) -> None:
    import hashlib

    one, other = (fitted("pcca", data).save_pretrained(tmp_path / name)
                  for name, data in (("one", FIRST), ("other", {"d1": drawn("ab", 199, 1)})))  # fmt: skip
    content = (other / "moments.safetensors").read_bytes()
    (one / "moments.safetensors").write_bytes(content)
    config = json.loads((one / "config.json").read_text())
    config["files"]["moments.safetensors"] = hashlib.sha256(content).hexdigest()
    (one / "config.json").write_text(json.dumps(config))
    with pytest.raises(ArtifactError, match="other row counts"):
        anybind.Binder.from_pretrained(one)


# ------------------------------------------------------------------------------------ what is refused


def wrong(data: Mapping[str, Any], **more: Any) -> Any:
    return lambda: fitted("pcca").partial_fit(data, **more)


REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "no moments": (lambda: anybind.fit(FIRST, method="ridge-chain").partial_fit(SECOND), UsageError, "keep_moments"),
    "a name that is taken": (wrong(FIRST), UsageError, "'d1-2'"),
    "other dims": (wrong({"d2": {"b": np.ones((9, 4)), "c": np.ones((9, 4))}}), ShapeError, "'b'"),
    "no data": (wrong({}), UsageError, "by name"),
    "one row": (wrong({"d2": {s: x[:1] for s, x in SECOND["d2"].items()}}), DataError, "too small"),
    "a row that is NaN": (wrong({"d2": {**SECOND["d2"], "b": np.full((180, 9), np.nan)}}), DataError, "row 0"),
    "a space without rows": (wrong(SECOND, present={"d2": {"c": np.zeros(180, bool)}}), DataError, "'c'"),
    "a space that does not vary": (wrong({"d2": {**SECOND["d2"], "c": np.ones((180, 8))}}), DataError, "vary"),
    "no steps": (wrong(SECOND, steps=0), UsageError, "steps"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_added_is_refused(case: str) -> None:
    act, kind, words = REFUSED[case]
    with pytest.raises(kind) as caught:
        act()
    assert words in str(caught.value)


def test_a_method_that_needs_rows_says_which_do_not() -> None:
    for method, options in (("relative", {}), ("fixed-anchor", {"epochs": 1, "joint_dim": 4, **PLAIN})):
        binder = anybind.fit(FIRST, method=method, options=options, keep_moments=True)
        with pytest.raises(UsageError) as caught:
            binder.partial_fit(SECOND)
        assert all(name in str(caught.value.expected) for name in (*METHODS, "auto"))
        assert method not in str(caught.value.expected)


def test_auto_that_kept_a_method_that_needs_rows_says_so() -> None:
    options = {"methods": ["relative"], **PLAIN}
    binder = anybind.fit(FIRST, options=options, keep_moments=True)
    with pytest.raises(UsageError, match="relative"):
        binder.partial_fit(SECOND)


def test_a_choice_of_a_kind_that_was_never_made_cannot_be_made_without_rows() -> None:
    """One data set has no transitions; their rank cannot be told from the ridge of a head."""
    binder = anybind.fit(FIRST, method="mox-closed-form", options={"transition": "rank"}, keep_moments=True)
    with pytest.raises(SelectionError):
        binder.partial_fit(SECOND)
