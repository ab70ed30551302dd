"""Keeping a library quiet while an encoder uses it: standard output and error belong to the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Without the notices and progress bars of transformers, which are as they were afterwards.

    For encoders that need transformers themselves. What matters in its notices, such as weights that are missing,
    must be raised as an error instead.
    """
    logging: Any = import_module("transformers.utils.logging")
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
