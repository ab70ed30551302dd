"""Advice: each kind on data with its defect, and none on sound data."""

import numpy as np
import pytest
import torch

from anybind.diagnosis import diagnose

ROWS = 300


def sound(views, **changed):
    """Two data sets with the pivot b, related and of one population; ``changed`` replaces arrays of the first."""
    other = views(ROWS, seed=1)
    return {"first": {**views(ROWS), **changed}, "second": {"b": other["b"], "c": other["a"]}}


def kinds(found):
    return [(finding.level, finding.kind, finding.where) for finding in found.findings]


def test_sound_data_has_nothing_to_report(views):
    found = diagnose(sound(views))
    assert kinds(found) == []
    assert found.faults == ()


@pytest.mark.parametrize("count", [1, 30])
def test_zero_vectors_are_a_fault_when_there_are_many(views, count):
    rows = views(ROWS)["a"]
    rows[:count] = 0
    level = "fault" if count == 30 else "warning"
    found = diagnose(sound(views, a=rows))
    assert kinds(found) == [(level, "zero", "space a, data set first")]
    assert f"{count} of 300 vectors are zero (ids first:0" in found.findings[0].what
    assert ("…" in found.findings[0].what) == (count == 30)


def test_nan_is_a_fault_and_the_other_rows_are_measured_all_the_same(views):
    rows = views(ROWS)["a"]
    rows[17, 3] = np.nan
    found = diagnose(sound(views, a=rows))
    assert kinds(found) == [("fault", "not-finite", "space a, data set first")]
    assert "first:17" in found.findings[0].what
    assert found.edges[0].pairs == ROWS - 1
    assert found.edges[0].measured.mrr > 0.8


def test_an_encoder_that_sees_nothing_is_one_fault_and_an_edge_that_carries_nothing(views):
    found = diagnose(sound(views, a=np.full((ROWS, 40), 0.1, np.float32)))
    assert kinds(found) == [
        ("fault", "constant", "space a, data set first"),
        ("warning", "unrelated-edge", "edge a – b, data set first"),
    ]


@pytest.mark.parametrize(("copies", "level"), [(2, None), (10, "note"), (60, "warning")])
def test_equal_vectors(views, copies, level):
    rows = views(ROWS)["a"]
    rows[:copies] = rows[0]
    found = [finding for finding in diagnose(sound(views, a=rows)).findings if finding.kind == "equal-vectors"]
    assert [finding.level for finding in found] == ([] if level is None else [level])
    if found:
        assert f"the largest set has {copies} " in found[0].what


def test_known_duplicates_are_no_news(views):
    rows = views(ROWS)["a"]
    rows[:20] = rows[0]
    groups = ["one"] * 20 + [str(row) for row in range(20, ROWS)]
    found = diagnose(sound(views, a=rows), groups={"first": groups})
    assert "equal-vectors" not in [finding.kind for finding in found.findings]


def test_a_collapsed_space(draws):
    low = (draws(ROWS, 3) @ draws(3, 200, 1) + 0.01 * draws(ROWS, 200, 2)).numpy()
    full = draws(ROWS, 200).numpy()
    assert [finding[1] for finding in kinds(diagnose({"d": {"low": low}}))] == ["low-rank"]
    assert kinds(diagnose({"d": {"full": full}})) == []


def test_hubs(draws):
    """Twelve clusters, each with two rows at its centre: near all the others of it."""
    centres = 2 * draws(12, 60)
    rows = centres[torch.arange(600) % 12] + draws(600, 60, 1)
    rows[:36] = torch.cat([centres] * 3) + 0.01 * draws(36, 60, 2)
    assert [finding[:2] for finding in kinds(diagnose({"d": {"a": rows.numpy()}}))] == [("note", "hubs")]


def test_shuffled_pairs(views):
    found = diagnose(sound(views, b=np.random.default_rng(0).permutation(views(ROWS)["b"])))
    assert kinds(found) == [("warning", "unrelated-edge", "edge a – b, data set first")]


def test_few_pairs(views):
    found = diagnose({"d": views(30)})
    assert kinds(found) == [("warning", "few-pairs", "edge a – b, data set d")]


def test_scarce_pairs_call_for_more(views):
    found = [finding[1] for finding in kinds(diagnose({"d": views(150, noise=6.0)}))]
    assert "more-pairs-help" in found


def test_what_is_shared_is_faint(draws):
    """Eight common directions under sixty louder ones of either side: maps find it, neighbours do not."""
    hidden = draws(800, 8)
    sides = {name: (hidden @ draws(8, 60, seed) + draws(800, 60, seed + 1) @ draws(60, 60, seed + 2)).numpy()
             for name, seed in (("a", 10), ("b", 20))}  # fmt: skip
    assert "neighbours-differ" in [finding.kind for finding in diagnose({"d": sides}).findings]


def towers(draws, n, noise):
    """Two towers that agree as they are, but for noise and for one dim in which a lies apart."""
    items = draws(n, 200)
    a, b = items + noise * draws(n, 200, 1), items + noise * draws(n, 200, 2)
    a[:, 0] += 30
    return a, b


def test_towers_with_a_gap_that_agree_already(draws):
    a, b = towers(draws, 200, 2.0)
    arrays = {"d": {"a": a.numpy(), "b": b.numpy()}}
    found = diagnose(arrays, shared=[("a", "b")])
    assert {"modality-gap", "aligned-already"} <= {finding.kind for finding in found.findings}
    assert diagnose(arrays).gaps == ()
    b[:, 0] += 30
    level = diagnose({"d": {"a": a.numpy(), "b": b.numpy()}}, shared=[("a", "b")])
    assert "modality-gap" not in {finding.kind for finding in level.findings}


def test_towers_that_agree_are_not_called_unrelated_when_pairs_are_too_few_for_a_map(draws):
    a, b = towers(draws, 100, 3.0)
    arrays = {"d": {"a": a.numpy(), "b": b.numpy()}}
    assert "unrelated-edge" in [finding.kind for finding in diagnose(arrays).findings], "who knows only the vectors"
    known = [finding.kind for finding in diagnose(arrays, shared=[("a", "b")]).findings]
    assert "unrelated-edge" not in known
    assert "aligned-already" in known
    shuffled = {"d": {"a": a.numpy(), "b": np.random.default_rng(0).permutation(b.numpy())}}
    assert [f.kind for f in diagnose(shuffled, shared=[("a", "b")]).findings] == ["unrelated-edge"]


def test_a_shift_that_chance_explains_is_no_finding(draws):
    """Twenty-five rows a side: their means differ by chance, sometimes by more than the threshold."""
    drawn = [(draws(25, 3, seed).numpy() + 1, draws(25, 3, seed + 100).numpy() + 1) for seed in range(40)]
    found = [diagnose({"x": {"b": one}, "y": {"b": other}}) for one, other in drawn]
    assert any(f.shifts[0].mean_share > 0.03 for f in found)
    assert sum(len(f.findings) for f in found) <= 2


def test_a_shifted_pivot(views):
    data = sound(views)
    moved = views(ROWS, seed=1, shift=1.0)
    data["second"] = {"b": moved["b"], "c": moved["a"]}
    found = diagnose(data)
    assert kinds(found) == [("warning", "pivot-shift", "pivot b, data sets first and second")]


def test_faults_come_first_and_findings_are_plain(views):
    rows = views(ROWS)
    rows["b"][5, 0] = np.inf
    rows["a"][:10] = rows["a"][0]
    found = diagnose({"first": rows})
    assert [finding.level for finding in found.findings] == ["fault", "note"]
    assert found.findings[0].to_dict().keys() == {"level", "kind", "where", "what", "advice"}
