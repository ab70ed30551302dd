"""Asking the probe: what happens in a fresh Python that has the same path and environment as this one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

_TIMEOUT = 300  # seconds


class ProbeError(Exception):
    """The fresh Python ended without an answer; the text is the end of what it said."""


def ask_probe(task: str, **arguments: Any) -> dict[str, Any]:
    """The answer of ``anybind.testing.probe``.

    Args:
        task: A name of its ``TASKS``.
        **arguments: Its arguments, plain JSON values.

    Raises:
        ProbeError: it failed, or took longer than 5 minutes.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or os.curdir for path in sys.path)}
    command = [sys.executable, "-m", "anybind.testing.probe", task, json.dumps(arguments)]
    try:
        done = subprocess.run(  # noqa: S603 this very interpreter, and a module of ours
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_TIMEOUT,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise ProbeError(f"no answer within {_TIMEOUT} seconds") from error
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        said = done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}"
        raise ProbeError(said[-500:]) from error
    return answer
