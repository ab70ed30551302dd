"""Opening a data set with the library datasets: from the Hub, a saved folder, a folder of files, or one file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import datasets  # type: ignore[import-untyped]

import anybind

# Ending of a file -> the library's reader for it.
READERS = {
    ".arrow": "arrow", ".csv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet", ".tsv": "csv",
    ".txt": "text",
}  # fmt: skip


def open_dataset(
    *, repo: str | None, revision: str | None, path: str | None, name: str | None, split: str | None, streaming: bool
) -> tuple[Any, str]:
    """The data set and its split's name.

    Returns:
        A ``datasets.Dataset``, or a ``datasets.IterableDataset`` when streaming.

    Raises:
        UsageError: neither or both of ``repo`` and ``path``, or a repository without a revision.
        DataError: it cannot be opened, or has several splits and none is named.
    """
    _check_source(repo, revision, path)
    where = f"{repo} at {revision}" if repo is not None else str(path)
    try:
        with _quiet():
            found = _open(repo, revision, path, name, split, streaming)
    except Exception as error:  # the library raises whatever its parts raise
        raise anybind.DataError(
            "a Hugging Face data set cannot be opened", where=where, got=f"{type(error).__name__}: {error}",
            hint="check the name, the split, and for the Hub the revision, the connection and the access rights",
        ) from error  # fmt: skip
    return _one_split(found, split, where)


def _check_source(repo: str | None, revision: str | None, path: str | None) -> None:
    if (repo is None) == (path is None):
        got = "neither" if repo is None else "both"
        raise anybind.UsageError("a data set comes from the Hub or from disk", got=got, expected="repo or path")
    if repo is not None and not revision:
        raise anybind.UsageError(
            "a data set of the Hub needs its revision", got=repo, expected="the option revision",
            hint="the commit hash that the repository's page shows: a branch may hold other data tomorrow",
        )  # fmt: skip


def _open(
    repo: str | None, revision: str | None, path: str | None, name: str | None, split: str | None, streaming: bool
) -> Any:
    if repo is not None:
        return datasets.load_dataset(repo, name=name, revision=revision, split=split, streaming=streaming)
    source = Path(str(path))
    if not source.exists():
        raise FileNotFoundError("no such file or folder")
    if _is_saved(source):
        saved = datasets.load_from_disk(str(source))
        return _streamed(saved) if streaming else saved
    if source.is_dir():
        return datasets.load_dataset(str(source), name=name, split=split, streaming=streaming)
    if source.suffix.lower() not in READERS:
        raise ValueError(f"{source.suffix}: expected one of {', '.join(READERS)}")
    extra = {"sep": "\t"} if source.suffix.lower() == ".tsv" else {}
    reader = READERS[source.suffix.lower()]
    return datasets.load_dataset(reader, data_files=str(source), split=split, streaming=streaming, **extra)


def _is_saved(folder: Path) -> bool:
    """Whether ``save_to_disk`` wrote it."""
    return any((folder / name).is_file() for name in ("state.json", "dataset_dict.json"))


def _streamed(saved: Any) -> Any:
    if isinstance(saved, dict):
        return {name: part.to_iterable_dataset() for name, part in saved.items()}
    return saved.to_iterable_dataset()


def _one_split(found: Any, split: str | None, where: str) -> tuple[Any, str]:
    if not isinstance(found, dict):
        return found, split or str(found.split or "rows")
    names = [str(name) for name in found]
    chosen = split if split is not None else names[0] if len(names) == 1 else None
    if chosen not in names:
        raise anybind.DataError(
            "a split must be named", where=where, got=split, expected=f"one of {', '.join(names)}"
        )
    return found[chosen], chosen


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's progress bars: it draws them also where nobody looks."""
    shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()
