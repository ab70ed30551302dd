"""What the integrations share: importing a library that may not be there, and writing whole files."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from anybind.errors import ArtifactError, PluginError
from anybind.factories import how_to_install
from anybind.store.files import write_whole


def imported(module: str) -> Any:
    """A library that only an extra of anybind brings.

    Raises:
        PluginError: it is not installed, or cannot be imported.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise PluginError(
            f"this needs the Python module {module!r}", got=f"{type(error).__name__}: {error}",
            hint=how_to_install(module.partition(".")[0]),
        ) from error  # fmt: skip


def write_files(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write files of one folder, which is made if missing: all of them, or none.

    Raises:
        ArtifactError: they cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder, contents, uuid.uuid4().hex)
    except OSError as error:
        raise ArtifactError(
            "the files cannot be written", where=folder / next(iter(contents)), got=error.strerror or error,
            hint="free some space, or choose another folder",
        ) from error  # fmt: skip
