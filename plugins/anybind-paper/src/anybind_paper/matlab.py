"""Reading MATLAB files: those up to version 7 with scipy, those of 7.3, which are HDF5, with h5py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anybind


def variables(path: Path, names: Sequence[str]) -> dict[str, Any]:
    """Variables of a MATLAB file up to version 7.

    Raises:
        DataError: it cannot be read, or lacks one.
    """
    from scipy.io import loadmat  # type: ignore[import-untyped,unused-ignore]

    try:
        content = loadmat(str(path), variable_names=list(names), squeeze_me=True, struct_as_record=False)
    except Exception as error:  # scipy raises many things on a broken file
        got = f"{type(error).__name__}: {error}"
        raise anybind.DataError("a MATLAB file cannot be read", where=path, got=got) from error
    absent = [name for name in names if name not in content]
    if absent:
        raise anybind.DataError("a MATLAB file lacks a variable", where=path, expected=", ".join(absent))
    return {name: content[name] for name in names}


@contextmanager
def opened_hdf5(path: Path) -> Iterator[Any]:
    """A MATLAB file of version 7.3, open for reading.

    Raises:
        DataError: it cannot be read, also while it is open.
        PluginError: h5py is not installed.
    """
    try:
        import h5py  # type: ignore[import-untyped,import-not-found,unused-ignore]
    except ImportError as error:
        hint = "pip install h5py"
        raise anybind.PluginError("MATLAB files of version 7.3 need h5py", where=path, got=error, hint=hint) from error
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, KeyError, ValueError, RuntimeError, TypeError, IndexError, AttributeError) as error:
        raise anybind.DataError("a MATLAB file cannot be read", where=path, got=error) from error


def stored(file: Any, name: str) -> Any:
    """A variable that lies in the file itself.

    Raises:
        DataError: it is missing, or a link or reference to another file.
    """
    import h5py

    link = file.get(name, getlink=True)
    found = file[name] if isinstance(link, h5py.HardLink) else None
    if not isinstance(found, h5py.Dataset) or found.external:
        raise anybind.DataError("a MATLAB file lacks a variable", where=file.filename, expected=name)
    return found


def texts(file: Any, name: str) -> list[str]:
    """A cell array of texts."""
    cells = stored(file, name)[()].ravel()
    return ["".join(map(chr, file[cell][()].ravel())) for cell in cells]
