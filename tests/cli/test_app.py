"""The command itself: help, exit codes, and every way to fail."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import anybind.cli.app as app
from anybind.errors import DataError, DeclarationError

CORE = Path(__file__).parents[2] / "core"


@pytest.fixture
def broken_command(monkeypatch):
    """Make ``anybind schema`` raise an error."""

    def install(error):
        @click.command("schema")
        @click.option("--json", is_flag=True)
        def schema(**_):
            raise error

        monkeypatch.setattr("anybind.cli.schema.schema", schema)

    return install


def python(*arguments, **environment):
    """Run a fresh interpreter; bytes come back."""
    environment = {**os.environ, "PYTHONPATH": str(CORE), **environment}
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, timeout=120, check=False)


def test_help_lists_every_command_and_imports_none_of_them():
    code = (
        "import sys\nfrom anybind.cli.app import cli\n"
        "try: cli.main(['--help'])\nexcept SystemExit as end: assert end.code == 0\n"
        "print(sorted(m for m in sys.modules if m.startswith('anybind.cli.')), 'torch' in sys.modules)"
    )
    *shown, modules = python("-c", code).stdout.decode().splitlines()
    listed = [line.split()[0] for line in shown[shown.index("Commands:") + 1 :] if line[2:3].strip()]
    assert listed == list(app.COMMANDS)
    shared = [f"anybind.cli.{name}" for name in ("app", "common", "failures", "output")]
    assert modules == f"{shared} False"


@pytest.mark.parametrize("name", app.COMMANDS)
def test_every_command_explains_itself_and_has_its_options(name, anybind):
    path = [name, "list"] if name == "plugins" else [name]
    shown = anybind(*path, "--help")
    assert shown.code == 0
    assert shown.stdout.startswith(f"Usage: anybind {' '.join(path)} ")
    assert "--json" in shown.stdout
    assert "-q, --quiet" in shown.stdout


@pytest.mark.parametrize("group", [[], ["plugins"]])
def test_without_a_command_help_goes_to_stderr(group, anybind):
    result = anybind(*group)
    assert (result.code, result.stdout) == (2, "")
    assert result.stderr.startswith(" ".join(["Usage: anybind", *group, ""]))


def test_version(anybind):
    assert anybind("--version").stdout.startswith("anybind ")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["plam", "x"], "there is no command 'plam'; did you mean 'plan'?"),
        (["--nonsense"], "No such option"),
        (["plan", "--nonsense"], "No such option"),
        (["fit"], "Missing argument"),
        (["plan", "-k", "0", "graph.yaml"], "Invalid value for '-k'"),
    ],
)
def test_wrong_usage_has_exit_code_2(arguments, expected, anybind):
    result = anybind(*arguments)
    assert (result.code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ")
    assert expected in result.stderr
    assert "--help" in result.stderr


def test_usage_errors_are_json_too(anybind):
    result = anybind("fit", "--json")
    answer = json.loads(result.stdout)
    assert answer["schema_version"] == 1
    assert answer["error"]["type"] == "UsageError"
    assert answer["error"]["where"] == "anybind fit"
    assert answer["error"]["exit_code"] == result.code == 2


def test_an_error_shows_all_its_fields_and_no_traceback(broken_command, anybind):
    broken_command(DataError("bad row", where="row 7", got="NaN", expected="numbers", hint="remove it"))
    result = anybind("schema", "--json")
    assert result.code == 1
    assert result.stderr == (
        "error: bad row\n  where:    row 7\n  got:      NaN\n  expected: numbers\n  hint:     remove it\n"
    )
    assert json.loads(result.stdout) == {
        "schema_version": 1,
        "error": {
            "type": "DataError", "what": "bad row", "where": "row 7", "got": "NaN", "expected": "numbers",
            "hint": "remove it", "exit_code": 1,
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    ("error", "code", "expected"),
    [
        (DeclarationError("wrong"), 3, "error: wrong"),
        (ZeroDivisionError("by zero"), 1, "error: unexpected ZeroDivisionError: by zero\n  hint:     run"),
        (KeyError("x"), 1, "error: unexpected KeyError: 'x'"),
        (OSError(28, "No space left", "out.npy"), 1, "error: No space left\n  where:    out.npy"),
        (KeyboardInterrupt(), 130, "error: interrupted"),
        (click.Abort(), 130, "error: interrupted"),
    ],
)  # fmt: skip
def test_whatever_is_raised_becomes_one_message_and_one_code(error, code, expected, broken_command, anybind):
    broken_command(error)
    result = anybind("schema")
    assert (result.code, result.stdout) == (code, "")
    assert expected in result.stderr
    assert "Traceback" not in result.stderr


def test_debug_shows_the_traceback_before_the_message(broken_command, anybind):
    broken_command(ZeroDivisionError("by zero"))
    result = anybind("--debug", "schema")
    assert result.code == 1
    assert result.stderr.index("Traceback") < result.stderr.index("error: unexpected ZeroDivisionError")


def test_no_standalone_mode_lets_errors_through(broken_command):
    broken_command(DataError("bad row"))
    with pytest.raises(DataError, match="bad row"):
        app.cli.main(["schema"], standalone_mode=False)


def test_no_plugins_leaves_only_what_is_built_in(fake_plugin, only_fake_plugins, anybind):
    fake_plugin("anybind-broken", "raise RuntimeError('boom')")
    assert "boom" in anybind("plugins", "list").stdout
    without = anybind("--no-plugins", "plugins", "list", "--json")
    assert without.code == 0
    assert [(p["name"], p["status"]) for p in json.loads(without.stdout)["plugins"]] == [
        ("builtin", "ok"),
        ("broken", "disabled"),
    ]


def test_what_plugins_print_does_not_reach_stdout(fake_plugin, only_fake_plugins, monkeypatch):
    monkeypatch.setattr("anybind.plugins.discover", lambda **_: print("I am loud!"))
    result = CliRunner().invoke(app.cli, ["plugins", "list", "--json"])
    assert "I am loud!" not in result.stdout
    assert "I am loud!" in result.stderr


def test_a_reader_that_goes_away_is_no_crash():
    environment = {**os.environ, "PYTHONPATH": str(CORE)}
    command = [sys.executable, "-m", "anybind", "plugins", "list"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert (process.wait(60), errors) == (1, b"")


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_text_that_the_terminal_cannot_show_is_escaped(arguments, write_graph, tmp_path):
    graph = write_graph(tmp_path, lambda text: text.replace("text_ja", "日本語"))
    result = python("-m", "anybind", "validate", str(graph), *arguments, PYTHONIOENCODING="ascii")
    assert result.returncode == 3  # names are ASCII: the message quotes what is not
    assert b"\\u65e5" in result.stdout + result.stderr
    assert b"Traceback" not in result.stderr
