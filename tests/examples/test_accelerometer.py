"""examples/accelerometer and the tutorial about it: one program, short, and with the numbers that are printed."""

from __future__ import annotations

import ast
import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import tokenize
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anybind.catalogue import load_catalogue

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "accelerometer"
TUTORIAL = ROOT / "docs" / "tutorial-sensor.md"
DATA = ("wrist", "words", "test")


@pytest.fixture(scope="module")
def simulate() -> Any:
    spec = importlib.util.spec_from_file_location("simulate", EXAMPLE / "simulate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows(name: str, folder: Path = EXAMPLE) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text("utf-8").splitlines()]


def shown_in_tutorial(file: str) -> str:
    (text,) = re.findall(rf"^```(?:python|yml)\n# {re.escape(file)}\n(.*?)^```$", TUTORIAL.read_text("utf-8"),
                         re.MULTILINE | re.DOTALL)  # fmt: skip
    return str(text)


def lines_of_code(source: str) -> int:
    """Lines with code on them: none that are empty, comments or docstrings."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Module | ast.FunctionDef)]
    docstrings = {
        line for node in nodes if ast.get_docstring(node)
        for line in range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)
    }  # fmt: skip
    silent = {tokenize.NL, tokenize.NEWLINE, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    code = {line for token in tokens if token.type not in silent for line in range(token.start[0], token.end[0] + 1)}
    return len(code - docstrings)


def test_the_user_writes_less_than_twenty_lines() -> None:
    count = lines_of_code((EXAMPLE / "bind.py").read_text("utf-8"))
    assert count < 20
    assert f"{count} lines of\nPython" in TUTORIAL.read_text("utf-8")
    assert lines_of_code('"""Doc."""\n\n# no\nx = """a\nb"""\n\n\ndef f():\n    """Doc."""\n    return 1  # yes\n') == 4


@pytest.mark.parametrize("file", ["bind.py", "graph.yaml"])
def test_the_tutorial_shows_the_files_of_the_example(file: str) -> None:
    assert shown_in_tutorial(file) == (EXAMPLE / file).read_text("utf-8")


def test_it_runs_as_it_stands_and_prints_what_the_tutorial_says(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "core"), "PYTHONIOENCODING": "utf-8"}
    result = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLE / "bind.py")], cwd=tmp_path, env=environment,
        capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    right, right_by_chance, mrr, mrr_by_chance = numbers(result.stdout)
    assert right > 30 * right_by_chance
    assert mrr > 8 * mrr_by_chance
    shown = TUTORIAL.read_text("utf-8").partition("bind.py\nright")[2]
    np.testing.assert_allclose(numbers(f"right{shown}"), [right, right_by_chance, mrr, mrr_by_chance], atol=0.05)
    page = (tmp_path / "runs" / "accelerometer" / "report.html").read_text("utf-8")
    assert "<polyline" in page
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def numbers(text: str) -> list[float]:
    match = re.match(r"right at once: (\d+)%, chance (\d+)%\nMRR: ([\d.]+), chance ([\d.]+)\n", text)
    assert match is not None, text
    return [int(match[1]) / 100, int(match[2]) / 100, float(match[3]), float(match[4])]


def test_the_data_sets_share_no_motion_and_the_sensor_never_meets_german() -> None:
    held = {name: rows(name) for name in DATA}
    keys = {name: set.union(*(set(row) for row in found)) for name, found in held.items()}
    assert keys["wrist"] == {"id", "accelerometer", "text_en"}
    assert keys["words"] == {"id", "text_en", "text_de"}
    assert keys["test"] == {"id", "accelerometer", "text_de"}
    assert [len(held[name]) for name in DATA] == [200, 200, 80]
    for language, one, other in [("text_en", "wrist", "words"), ("text_de", "words", "test")]:
        assert not {row[language] for row in held[one]} & {row[language] for row in held[other]}


def test_the_shipped_data_is_what_the_script_makes(simulate: Any, tmp_path: Path) -> None:
    simulate.main(tmp_path)
    for name in DATA:
        for made, shipped in zip(rows(name, tmp_path), rows(name), strict=True):
            counts = made.pop("accelerometer", [[]]), shipped.pop("accelerometer", [[]])
            assert made == shipped
            np.testing.assert_allclose(*counts, atol=1)  # a sine may differ in its last digit elsewhere


def test_the_physics_is_right(simulate: Any) -> None:
    """A circle of 10 cm in 0.8 s: v²/r = 4 π² r / T² = 6.2 m/s² all round; and a hand at rest feels nothing."""
    circle = simulate.path_of(simulate.CIRCLE[0], 0.1, 0.8, 2)
    felt = [np.hypot(*simulate.second_derivative(circle, time)) for time in np.linspace(0.3, 1.4, 50)]
    np.testing.assert_allclose(felt, 4 * np.pi**2 * 0.1 / 0.8**2, rtol=0.01)
    assert simulate.second_derivative(circle, -1.0) == simulate.second_derivative(circle, 3.0) == (0, 0)
    stroke = [simulate.along([(0, 0), (1, 0)], share / 2)[0] for share in np.linspace(0, 1, 1001)[:-1]]
    speed, pull = np.gradient(stroke, 0.001), np.gradient(np.gradient(stroke, 0.001), 0.001)
    np.testing.assert_allclose(speed.max(), 1.875, rtol=1e-3)  # of the mean speed; Flash and Hogan 1985
    np.testing.assert_allclose(pull[5:-5].max(), 10 / np.sqrt(3), rtol=1e-2)


def test_motions_that_differ_in_one_word_are_told_apart_by_eye(simulate: Any) -> None:
    def turning(way: str) -> float:
        x, y = np.array(simulate.recorded(f"{{}} circle {way}", "large", "fast", "twice")["accelerometer"])[:, 10:-10]
        return float(np.sign((x[:-1] * y[1:] - y[:-1] * x[1:]).sum()))

    assert (turning("anticlockwise"), turning("clockwise")) == (1, -1)
    small, large = (np.std(simulate.recorded("{} square", size, "fast", "once")["accelerometer"])
                    for size in ("small", "large"))  # fmt: skip
    assert large > 3 * small


def test_the_registry_file_of_the_tutorial_is_valid_and_adds_a_route(tmp_path: Path) -> None:
    (tmp_path / "lab.yaml").write_text(shown_in_tutorial("lab.yaml"), encoding="utf-8")
    assert load_catalogue([tmp_path / "lab.yaml"]).datasets["wrist-words"].modalities == ("accelerometer", "text")
