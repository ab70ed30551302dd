"""``anybind validate`` and ``anybind schema``."""

import json


def test_a_valid_graph(graph, anybind):
    assert anybind("validate", graph) == (0, f"{graph}: valid: 3 spaces, 2 data sets, 1 target\n", "")
    answer = json.loads(anybind("validate", graph, "--json").stdout)
    assert (answer["schema_version"], answer["valid"], answer["name"]) == (1, True, "tiny")
    assert answer["spaces"]["text_ja"]["dim"] == 64
    assert answer["targets"] == [["text_en", "text_ja"]]


def test_every_problem_with_its_place_and_exit_code_3(write_graph, tmp_path, anybind):
    def broken(text):
        return text.replace("use: toy-text}\n  text_fr", "use: toy-txt}\n  text_fr").replace("bind:", "bin:")

    graph = write_graph(tmp_path, broken)
    result = anybind("validate", graph, "--json")
    assert result.code == 3
    assert f"{graph}:6:" in result.stderr
    assert "did you mean 'toy-text'?" in result.stderr
    error = json.loads(result.stdout)["error"]
    assert error["type"] == "DeclarationError"
    assert len(error["problems"]) >= 2
    assert all(str(problem).startswith(f"{graph}:") for problem in error["problems"])


def test_a_missing_file(tmp_path, anybind):
    result = anybind("validate", tmp_path / "none.yaml")
    assert (result.code, result.stdout) == (3, "")
    assert "none.yaml" in result.stderr


def test_the_schema_is_json_schema_as_it_stands(anybind):
    schema = json.loads(anybind("schema").stdout)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert "bind" in schema["properties"]
    assert json.loads(anybind("schema", "--json").stdout) == {"schema_version": 1, "schema": schema}
