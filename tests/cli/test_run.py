"""``anybind run``, ``extract``, ``fit``, ``evaluate`` and ``demo`` on a small graph."""

import json
from pathlib import Path

import pytest

from anybind.cli import demo as demo_module
from anybind.cli.results import result_lines


def test_run_prints_one_object_with_the_promised_fields(finished_run):
    _, out, printed = finished_run
    answer = json.loads(printed)
    assert answer["schema_version"] == 1
    assert answer["seeds"] == [0, 1]
    (result,) = answer["results"]
    assert result["pair"] == ["text_en", "text_ja"]
    assert (result["method"], result["n_queries"]) == ("ridge-chain", 120)
    assert set(result["recall"]) >= {"1", "5", "10"}
    assert result["chance"]["mrr"] < 0.1 < result["mrr"] <= 1
    assert result["baselines"].keys() == {"mox-closed-form"}
    assert result["share_of_oracle"] == pytest.approx(result["mrr"] / result["oracle"]["mrr"])
    assert len(result["per_seed"]) == 2
    assert {path.name for path in out.iterdir()} >= {"artifact", "metrics.json", "report.html"}


def test_the_page_of_a_run_shows_what_was_found(finished_run):
    _, out, _ = finished_run
    page = (out / "report.html").read_text("utf-8")
    assert page.count('<article class="query ') == 48, "24 in each direction"
    assert "No training data holds both <strong>text_en</strong> and <strong>text_ja</strong>" in page


def test_run_in_words(graph, tmp_path, anybind):
    result = anybind("run", graph, "--out", tmp_path / "out", "--seeds", "0", "--method", "mox-closed-form")
    assert (result.code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "text_en ↔ text_ja: 120 queries, both directions"
    assert lines[2].split() == ["MRR", "95", "%", "interval", "R@1", "R@5", "R@10"]
    assert [line.split()[0] for line in lines[4:8]] == ["mox-closed-form", "mox-closed-form", "oracle", "chance"]
    assert lines[-1] == f"page     {tmp_path / 'out' / 'report.html'}"
    assert all(Path(line.split()[-1]).exists() for line in lines[-3:])


@pytest.mark.parametrize("seeds", ["", "a", "1,", "1,1", "-1", "1;2"])
def test_seeds_are_checked_before_anything_runs(seeds, graph, tmp_path, anybind):
    result = anybind("run", graph, "--seeds", seeds, "--out", tmp_path / "out")
    assert result.code == 2
    assert "--seeds" in result.stderr
    assert not (tmp_path / "out").exists()


def test_step_by_step_gives_what_run_gives(finished_run, write_graph, tmp_path, monkeypatch, anybind):
    monkeypatch.chdir(tmp_path)
    graph = write_graph(tmp_path / "graph")
    first = json.loads(anybind("extract", graph, "--json").stdout)
    assert (first["store"], first["written"], first["reused"]) == ("runs/store", 960, 0)
    assert json.loads(anybind("extract", graph, "--json").stdout)["written"] == 0
    assert anybind("fit", graph, "--out", "binder").stdout.endswith("binder   binder\n")
    measured = json.loads(anybind("evaluate", graph, "--binder", "binder", "--json").stdout)
    promised = json.loads(finished_run[2])["results"][0]["per_seed"][0]
    assert measured["results"][0]["mrr"] == pytest.approx(promised["mrr"])
    assert measured["seed"] == 0
    fitted_now = json.loads(anybind("evaluate", graph, "--json").stdout)
    assert fitted_now["results"] == measured["results"]


def test_extract_lists_what_it_left_out(write_graph, tmp_path, anybind):
    graph = write_graph(tmp_path)
    rows = (tmp_path / "first.jsonl").read_text("utf-8").splitlines()
    rows[3] = json.dumps({"id": "hollow", "text_en": " ", "text_fr": "bla"})
    (tmp_path / "first.jsonl").write_text("\n".join(rows), encoding="utf-8")
    strict = anybind("extract", graph, "--store", tmp_path / "s")
    assert strict.code == 1
    assert "'hollow'" in strict.stderr
    lenient = anybind("extract", graph, "--store", tmp_path / "s", "--on-error", "skip", "--workers", "1")
    assert lenient.code == 0
    assert "! left out: first, text_en, id hollow: a text is empty" in lenient.stdout
    assert lenient.stdout.splitlines()[-1] == f"store {tmp_path / 's'}"


def test_run_leaves_out_what_it_may_and_tells_of_the_first_ones(write_graph, tmp_path, anybind):
    graph = write_graph(tmp_path)
    rows = [json.loads(row) for row in (tmp_path / "first.jsonl").read_text("utf-8").splitlines()]
    for row in rows[:7]:
        row["text_en"] = " "
    lines = [json.dumps(row) for row in rows] + ["no JSON"]
    (tmp_path / "first.jsonl").write_text("\n".join(lines), encoding="utf-8")
    strict = anybind("run", graph, "--out", tmp_path / "out")
    assert strict.code == 1
    assert "a line is no JSON" in strict.stderr
    assert "on_error: skip" in strict.stderr
    graph.write_text(graph.read_text("utf-8").replace("first.jsonl}", "first.jsonl, on_error: skip}"), "utf-8")
    assert "a text is empty" in anybind("run", graph, "--out", tmp_path / "out").stderr
    lenient = anybind("run", graph, "--out", tmp_path / "out", "--on-error", "skip")
    assert lenient.code == 0
    left_out = [line for line in lenient.stdout.splitlines() if line.startswith("! left out: first, ")]
    assert left_out[0].startswith("! left out: first, row, id ")
    assert "a line is no JSON" in left_out[0]
    assert left_out[-1] == "! left out: first, 8 samples in all; --json lists every one"
    assert len(left_out) == 6
    measured = json.loads((tmp_path / "out" / "metrics.json").read_text("utf-8"))
    assert [sample["modality"] for sample in measured["skipped"]] == ["", *["text_en"] * 7]


def test_an_unknown_method_is_told(graph, tmp_path, anybind):
    anybind("extract", graph, "--store", tmp_path / "s")
    result = anybind("fit", graph, "--store", tmp_path / "s", "--out", tmp_path / "b", "--method", "pca")
    assert result.code == 3
    assert "did you mean 'pcca'?" in result.stderr
    assert not (tmp_path / "b").exists()


def test_a_result_without_extras_is_shown_without_them():
    bare = {"pair": ["a", "b"], "method": "m", "n_queries": 9, "mrr": 0.5}
    lines = list(result_lines([bare]))
    assert lines[0] == "a ↔ b: 9 queries, both directions"
    assert lines[4] == "m  0.500"
    assert not [line for line in lines[5:] if line]
    assert list(result_lines([])) == ["The graph has no 'evaluate' section: nothing was measured."]
    leaked = list(result_lines([{**bare, "leaked_ids": 3}]))
    assert "Careful: 3 test items are in the training data too." in leaked


def test_the_demo_says_where_its_page_is(graph, tmp_path, monkeypatch, anybind):
    monkeypatch.setattr(demo_module, "demo_graph", lambda: graph)
    result = anybind("demo", "--out", tmp_path / "demo")
    assert result.code == 0
    assert result.stdout.splitlines()[-1] == f"page     {tmp_path / 'demo' / 'report.html'}"
    answer = json.loads(anybind("demo", "--out", tmp_path / "demo", "--json").stdout)
    assert Path(answer["page"]).is_file()


def test_the_demo_tells_how_to_get_what_it_needs(only_fake_plugins, tmp_path, monkeypatch, anybind):
    monkeypatch.chdir(tmp_path)
    result = anybind("demo")
    assert result.code == 1
    assert "the demo needs plugins that are not in use" in result.stderr
    assert "plugins/anybind-emoji" in result.stderr
    assert "plugins/anybind-lite" in result.stderr
    assert list(tmp_path.iterdir()) == []
