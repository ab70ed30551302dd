"""``anybind forecast``, and ``anybind plan`` after it: what is expected, of a graph and of a saved binder."""

import json
import subprocess
import sys

import pytest


@pytest.fixture(scope="module")
def place(finished_run):
    graph, out, _ = finished_run
    return graph, out / "artifact", out.parent / "store"


def test_a_graph_is_fitted_and_both_ranges_are_told(place, anybind):
    graph, _, store = place
    result = anybind("forecast", graph, "text_en", "text_ja", "--store", store, "--gallery", "120", "--json")
    assert (result.code, result.stderr) == (0, "")
    answer = json.loads(result.stdout)
    (found,) = answer["forecasts"]
    assert (answer["method"], answer["seed"]) == ("ridge-chain", 0)
    assert (found["path"], found["direct"], found["gallery"]) == (["text_en", "text_fr", "text_ja"], False, 120)
    low, high = found["mrr_interval"]
    least, most = found["identification"]
    assert least <= low < found["mrr"] < high <= most
    assert found["recall"]["1"] <= found["mrr"] <= found["recall"]["10"] <= 1


def test_what_is_expected_is_about_what_is_measured(place, anybind):
    """The toy languages bind almost perfectly, and the forecast says so without a true pair."""
    graph, artifact, store = place
    judged = anybind("evaluate", graph, "--binder", artifact, "--store", store, "--json")
    (measured,) = json.loads(judged.stdout)["results"]
    found = anybind("forecast", artifact, "text_en", "text_ja", "--gallery", measured["n_queries"], "--json")
    low, high = json.loads(found.stdout)["forecasts"][0]["mrr_interval"]
    assert low <= measured["mrr"] <= high


def test_of_a_saved_binder_all_pairs_are_told_the_bridged_ones_first(place, anybind):
    result = anybind("forecast", place[1])
    assert result.code == 0
    heads = [line for line in result.stdout.splitlines() if "↔" in line]
    assert heads == [
        "text_en ↔ text_ja, bridged by text_fr", "text_en ↔ text_fr, directly", "text_fr ↔ text_ja, directly",
    ]  # fmt: skip
    assert "Assuming: what joins the two spaces is what the pivots show" in result.stdout
    galleries = [line.split()[0] for line in result.stdout.splitlines() if " – " in line and "↔" not in line]
    assert galleries == 3 * ["100", "1,000"]


def test_the_plan_goes_by_it_afterwards_and_needs_no_torch(place, anybind):
    graph, _, store = place
    before = json.loads(anybind("plan", graph, "--store", store / "nothing", "--json").stdout)["plans"][0]
    assert before["expected"] == [None]
    assert {hop["edges"][0]["evidence"] for hop in before["paths"][0]["hops"]} == {"pair counts"}
    script = (
        "import sys; from anybind.__main__ import main; sys.argv = ['anybind', *sys.argv[1:]]\n"
        "try: main()\nfinally: print('torch' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script, "plan", graph, "--store", store, "--json"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stderr == "False\n"
    plan = json.loads(done.stdout)["plans"][0]
    assert {hop["edges"][0]["evidence"] for hop in plan["paths"][0]["hops"]} == {"held-out retrieval"}
    (expected,) = plan["expected"]
    told = anybind("forecast", graph, "text_en", "text_ja", "--store", store, "--json")
    assert expected["forecast"] == json.loads(told.stdout)["forecasts"][1]
    weakest = max(plan["paths"][0]["hops"], key=lambda hop: hop["cost"])
    assert expected["weakest_hop"] == [weakest["a"], weakest["b"]]
    lines = anybind("plan", graph, "--store", store, "--gallery", "100").stdout.splitlines()
    assert any(line.startswith("   to expect among 100 items: R@10 ") for line in lines)


def test_what_was_recorded_of_other_data_is_not_used(place, write_graph, tmp_path, anybind):
    other = write_graph(tmp_path)  # of the same name, with other files
    plan = json.loads(anybind("plan", other, "--store", place[2], "--json").stdout)["plans"][0]
    assert plan["expected"] == [None]


def test_a_binder_without_a_forecast_says_why(place, anybind, tmp_path):
    import anybind as library

    binder = library.Binder.from_pretrained(place[1])
    binder.basis = None
    binder.save_pretrained(tmp_path / "bare")
    result = anybind("forecast", tmp_path / "bare")
    assert result.code == 2
    assert "this binder has no forecast" in result.stderr
    assert "fit again" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["text_en"], "two spaces"), (["--seed", "1"], "fitted already"), (["text_en", "text_xx"], "no such modality"),
     (["text_en", "text_ja", "--gallery", "1"], "gallery")],
)  # fmt: skip
def test_bad_arguments_are_told(place, anybind, arguments, told):
    result = anybind("forecast", place[1], *arguments)
    assert result.code in (2, 3)
    assert told in result.stderr
    assert "Traceback" not in result.stderr
