"""``anybind plugins new``: what it says, and its exit codes. What it writes is tested in test_plugin_template."""

import json

import pytest


@pytest.fixture(autouse=True)
def only_fakes(only_fake_plugins):
    """What is really installed does not matter here."""


def test_it_says_what_it_wrote_and_what_to_do_next(anybind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = anybind("plugins", "new", "wrist", "--modality", "gait")
    assert (result.code, result.stderr) == (0, "")
    first, *lines = result.stdout.splitlines()
    assert first == (
        "anybind-wrist: the modality, the encoder 'wrist-features' and the data set 'wrist-labelled' for 'gait'"
    )
    assert "  src/anybind_wrist/encoder.py" in lines
    assert lines[-4:] == [
        "next:", "  pip install -e anybind-wrist", "  anybind plugins check wrist",
        "then see anybind-wrist/README.md for what to replace",
    ]  # fmt: skip
    assert (tmp_path / "anybind-wrist" / "pyproject.toml").is_file()


def test_json_has_names_and_files(anybind, tmp_path):
    result = anybind("plugins", "new", "pic", "--modality", "image", "--output", tmp_path, "--json")
    answer = json.loads(result.stdout)
    assert answer["folder"] == str(tmp_path / "anybind-pic")
    assert (answer["modality"], answer["new_modality"], answer["entry_point"]) == ("image", False, "pic")
    assert all((tmp_path / "anybind-pic" / file).is_file() for file in answer["files"])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["Wrist", "--modality", "gait"], "did you mean 'wrist'?"),
        (["wrist", "--modality", "Gait"], "small letters"),
        (["wrist"], "Missing option '--modality'"),
        (["again", "--modality", "gait"], "exists already"),
    ],
)
def test_wrong_usage_has_exit_code_2_and_writes_nothing(arguments, expected, anybind, tmp_path):
    (tmp_path / "anybind-again").mkdir()
    result = anybind("plugins", "new", *arguments, "--output", tmp_path)
    assert (result.code, result.stdout) == (2, "")
    assert expected in result.stderr
    assert [path.name for path in tmp_path.rglob("*")] == ["anybind-again"]


def test_a_folder_that_cannot_be_written_is_an_error_of_ours(anybind, tmp_path):
    (tmp_path / "file").write_text("")
    result = anybind("plugins", "new", "wrist", "--modality", "gait", "--output", tmp_path / "file")
    assert result.code == 1
    assert "Traceback" not in result.stderr
