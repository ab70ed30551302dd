"""The names of the workflow: all there, and those that need torch only loaded when asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from anybind import workflow


def test_every_public_name_is_there() -> None:
    assert sorted(workflow.__all__) == workflow.__all__
    for name in workflow.__all__:
        assert getattr(workflow, name).__name__ == name


def test_another_name_is_not() -> None:
    with pytest.raises(AttributeError, match="no attribute 'train'"):
        workflow.train  # noqa: B018


def test_torch_waits_until_something_needs_it() -> None:
    code = "import sys; from anybind.workflow import Graph, load_graph, plan_catalogue; print('torch' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["False"]
