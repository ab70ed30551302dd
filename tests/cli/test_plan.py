"""``anybind plan`` in a graph and over the catalogue."""

import json

import pytest


def test_all_targets_of_a_graph_are_planned(graph, anybind):
    result = anybind("plan", graph)
    assert (result.code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "text_en → text_ja: 1 route, best first"
    assert lines[1].startswith("1. text_en – text_fr – text_ja: keeps about 23")
    assert lines[2].strip().startswith("text_en – text_fr: data set first (120 pairs, ")
    assert lines[2].endswith("cost 0.726")
    assert "flowchart LR" in lines


def test_two_ends_may_be_given_and_the_graph_in_either_way(graph, anybind):
    positional = anybind("plan", graph, "text_en", "text_fr", "--json")
    option = anybind("plan", "text_en", "text_fr", "--graph", graph, "--json")
    assert positional == option
    answer = json.loads(positional.stdout)
    assert answer["schema_version"] == 1
    assert answer["graph"] == str(graph)
    (plan,) = answer["plans"]
    assert [path["spaces"] for path in plan["paths"]] == [["text_en", "text_fr"]]
    assert plan["paths"][0]["hops"][0]["pairs"] == 120
    assert plan["mermaid"].startswith("flowchart LR")


def test_mermaid_alone_can_be_piped(graph, anybind):
    drawn = anybind("plan", graph, "--mermaid").stdout
    assert drawn.startswith("flowchart LR\n")
    assert "```" not in drawn


def test_no_route_is_told_with_its_reason_and_exit_code_1(write_graph, tmp_path, anybind):
    graph = write_graph(tmp_path, lambda text: text.replace("second.jsonl", "oracle.jsonl").replace(
        "[[text_en, text_ja]]", "[[text_en, text_fr]]").replace("first.jsonl", "test.jsonl"))  # fmt: skip
    result = anybind("plan", graph)
    assert result.code == 1
    assert "text_en → text_fr: no path. " in result.stdout
    assert "isolated" in result.stdout
    answer = json.loads(anybind("plan", graph, "--json").stdout)
    assert answer["plans"][0]["paths"] == []
    assert "isolated" in answer["plans"][0]["reason"]


def test_the_catalogue_names_the_strongest_data_sets_of_a_hop_and_counts_the_rest(anybind):
    result = anybind("plan", "audio", "touch", "--catalogue", "-k", "1")
    assert result.code == 0
    lines = [line.strip() for line in result.stdout.splitlines()]
    assert lines[0] == "audio → touch: 1 route, best first"
    assert any(line.startswith("audio – ") and "edges pooled" in line for line in lines)
    assert any(line.startswith("and ") and line.endswith(" more that keep less") for line in lines)
    answer = json.loads(anybind("plan", "audio", "touch", "--catalogue", "-k", "2", "--json").stdout)
    assert answer["graph"] is None
    assert len(answer["plans"][0]["paths"]) == 2
    assert len(answer["plans"][0]["paths"][0]["hops"][0]["edges"]) > 3


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "got:      neither"),
        (["a", "b"], "got:      neither"),
        (["a", "b", "--catalogue", "-g", "graph.yaml"], "got:      both"),
        (["--catalogue"], "two names"),
        (["a", "--catalogue"], "two names"),
        (["graph.yaml", "a"], "two names"),
        (["graph.yaml", "a", "b", "c"], "two names"),
    ],
)
def test_unclear_arguments_are_refused(arguments, expected, anybind):
    result = anybind("plan", *arguments)
    assert (result.code, result.stdout) == (2, "")
    assert expected in result.stderr


def test_an_unknown_end_is_met_with_a_suggestion(graph, anybind):
    result = anybind("plan", graph, "text_en", "text_jp")
    assert result.code == 3
    assert "did you mean 'text_ja'?" in result.stderr


def test_what_would_help_is_calculated(finished_run, anybind):
    graph, out, _ = finished_run
    result = anybind("plan", graph, "--what-if", "--more", "50", "--gallery", "100", "--store", out.parent / "store")
    assert result.code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "text_en → text_ja: what would help, R@10 among 100 items"
    told = {line.split("  ")[-1] for line in lines if line.startswith("  +")}
    assert told >= {
        "300 true pairs of text_en and text_ja", "50 more pairs of text_en and text_fr",
        "50 more pairs of text_fr and text_ja",
    }  # fmt: skip
    assert all(each.startswith("the data set ") for each in told if "pairs of" not in each)


def test_what_would_help_needs_a_graph(anybind):
    result = anybind("plan", "audio", "touch", "--catalogue", "--what-if")
    assert result.code == 2
    assert "needs vectors" in result.stderr
