"""Results go to stdout in one piece, and notes only to people."""

import io
import json
import sys

from anybind.cli.output import Output, coloured, json_text, plain
from anybind.progress import Progress


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


class Latin(io.StringIO):
    encoding = "iso-8859-1"


def test_text_or_json_but_never_both(capsys):
    Output().result({"a": 1}, ["one", "two"])
    assert capsys.readouterr().out == "one\ntwo\n"
    Output(as_json=True).result({"a": 1}, ["one", "two"])
    assert json.loads(capsys.readouterr().out) == {"schema_version": 1, "a": 1}


def test_json_holds_no_nan_and_keeps_its_shape(tmp_path):
    found = plain({"a": float("nan"), 5: (1, 2.5, None), "p": tmp_path, "b": True, "i": float("inf")})
    assert found == {"a": None, "5": [1, 2.5, None], "p": str(tmp_path), "b": True, "i": None}


def test_json_is_readable_where_the_stream_can_carry_it():
    assert "犬" in json_text({"query": "犬"}, Terminal())
    escaped = json_text({"query": "犬"}, Latin())
    assert escaped.isascii()
    assert json.loads(escaped)["query"] == "犬"


def test_notes_go_to_a_terminal_only(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    Output().note("working")
    Output(quiet=True).note("hush")
    assert terminal.getvalue() == "working\n"
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    Output().note("working")
    assert log.getvalue() == ""


def test_quiet_silences_the_progress_bar():
    assert Output().progress is None  # extraction then draws its own, on a terminal
    Output(quiet=True).progress(Progress("space", 1, 2, 0.5))


def test_no_color_is_respected(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert coloured("error:", "red", Terminal()) != "error:"
    assert coloured("error:", "red", io.StringIO()) == "error:"
    monkeypatch.setenv("NO_COLOR", "1")
    assert coloured("error:", "red", Terminal()) == "error:"
