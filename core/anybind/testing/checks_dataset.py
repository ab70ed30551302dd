"""Checks of a data set. The rules that begin with D."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anybind.testing.contents import contents
from anybind.testing.errors import ConformanceError
from anybind.testing.parts import DatasetSubject

_LOADED_ROWS = 50  # loading pictures takes time
_SUBSET_ROWS = 20


def check_dataset_example(subject: DatasetSubject) -> None:
    """D1: Every data set has an example: options by which it can be opened without a network."""
    if subject.made_example() is None:
        raise ConformanceError(
            "dataset_example", subject, got="no example", expected="a DatasetExample of a few rows in the true layout",
            hint="add the hook anybind_examples; see 'The conformance kit' in docs/plugins.md",
        )  # fmt: skip


def check_dataset_builds(subject: DatasetSubject) -> None:
    """D2: It opens with the options of its example, and names its modalities."""
    subject.needed_example()
    subject.built()


def check_dataset_length(subject: DatasetSubject) -> None:
    """D3: It has a row or more, and as many ids as rows."""
    subject.counted()


def check_dataset_ids(subject: DatasetSubject) -> None:
    """D4: Ids are texts, not empty, and no two are the same."""
    ids = list(subject.dataset.ids)
    wrong = [identifier for identifier in ids if not isinstance(identifier, str) or not identifier]
    if wrong:
        got = f"the id {wrong[0]!r} ({type(wrong[0]).__name__})"
        raise ConformanceError("dataset_ids", subject, got=got, expected="texts (str) with something in them")
    if len(set(ids)) != len(ids):
        twice = next(identifier for identifier in ids if ids.count(identifier) > 1)
        raise ConformanceError("dataset_ids", subject, got=f"{twice!r} twice", expected="unique ids")


def check_dataset_rows(subject: DatasetSubject) -> None:
    """D5: Every row is a mapping whose keys are modalities of the data set; what is missing has no key."""
    subject.read_rows()


def check_dataset_modalities(subject: DatasetSubject) -> None:
    """D6: Each of its modalities is in some row, and is one that the spec names, where the spec names them."""
    present = {name for row in subject.rows for name in row}
    absent = [name for name in subject.dataset.modalities if name not in present]
    offered = subject.spec.modalities
    foreign = [name for name in subject.dataset.modalities if offered is not None and name not in offered]
    if absent or foreign:
        got = f"in no row: {', '.join(absent)}" if absent else f"not in the spec: {', '.join(foreign)}"
        raise ConformanceError("dataset_modalities", subject, got=got, expected="modalities that its rows hold")


def check_dataset_is_stable(subject: DatasetSubject) -> None:
    """D7: A row is the same each time it is read."""
    for index, row in enumerate(subject.rows):
        if contents(dict(subject.dataset[index])) != contents(dict(row)):
            raise ConformanceError(
                "dataset_is_stable", subject, got=f"row {index} is another when it is read again", expected="one row"
            )


def check_dataset_ends(subject: DatasetSubject) -> None:
    """D8: A row behind the last is an IndexError, so that going through it ends."""
    _ = subject.rows
    try:
        row = subject.dataset[len(subject.dataset)]
    except IndexError:
        return
    except Exception as error:
        row = error
    raise ConformanceError("dataset_ends", subject, got=type(row).__name__, expected="IndexError")


def check_dataset_sources(subject: DatasetSubject) -> None:
    """D9: Each source loads through its modality as a sample that the modality accepts."""
    kinds = subject.needed_example().kinds
    registry = subject.plugin.registry
    modalities = {name: registry.build_modality(name, kinds) for name in {name for row in subject.rows for name in row}}
    for index, row in enumerate(subject.rows[:_LOADED_ROWS]):
        for name, source in row.items():
            try:
                modalities[name].check(modalities[name].load(source))
            except Exception as error:
                raise ConformanceError(
                    "dataset_sources", subject, got=f"row {index}, {name}: {type(error).__name__}: {error}",
                    expected=f"a source that the modality {name} can load",
                ) from error  # fmt: skip


def check_dataset_subset(subject: DatasetSubject) -> None:
    """D10: Asked for one of its modalities it holds that alone, with the same sources under the same ids."""
    full = dict(zip(subject.dataset.ids, subject.rows, strict=False))
    for name in subject.dataset.modalities:
        part = subject.build([name])
        if tuple(part.modalities) != (name,):
            got = f"modalities {tuple(part.modalities)} when asked for {name}"
            raise ConformanceError("dataset_subset", subject, got=got, expected=f"({name!r},)")
        for identifier, row in _first_rows(part, _SUBSET_ROWS):
            whole = full.get(identifier, {})
            expected = {name: whole[name]} if name in whole else {}
            if contents(dict(row)) != contents(expected):
                raise ConformanceError(
                    "dataset_subset", subject, got=f"row {identifier!r} holds {', '.join(row) or 'nothing'}",
                    expected=f"what it holds of {name} when all modalities are asked for",
                )  # fmt: skip


def check_dataset_collection(subject: DatasetSubject) -> None:
    """D11: Its collection is a text, not empty; opened twice, it has the same collection and ids."""
    first, second = subject.dataset, subject.build()
    if not isinstance(first.collection, str) or not first.collection:
        raise ConformanceError(
            "dataset_collection", subject, got=repr(first.collection), expected="a name of the items themselves"
        )
    if (first.collection, list(first.ids)) != (second.collection, list(second.ids)):
        got = f"{first.collection!r}, then {second.collection!r}" if first.collection != second.collection else "others"
        raise ConformanceError(
            "dataset_collection", subject, got=got, expected="one collection, one order of ids",
            hint="make it from what the items are: no time, no random number, no order of a folder or set",
        )  # fmt: skip


def check_dataset_groups(subject: DatasetSubject) -> None:
    """D12: Where it has groups, they are one text for each row."""
    groups = getattr(subject.dataset, "groups", None)
    if groups is None:
        return
    rows = subject.needed("dataset_length", subject.counted)
    wrong = [group for group in groups if not isinstance(group, str)]
    if wrong or len(groups) != rows:
        got = f"the group {wrong[0]!r}" if wrong else f"{len(groups)} groups for {rows} rows"
        raise ConformanceError("dataset_groups", subject, got=got, expected="one text (str) a row")


def check_dataset_is_light(subject: DatasetSubject) -> None:
    """D13: Opening it brings in no torch."""
    if subject.probe_report["torch"]:
        raise ConformanceError(
            "dataset_is_light", subject, got="torch is imported", expected="a data set that opens without torch",
            hint="import torch where a row is read",
        )  # fmt: skip


def check_dataset_writes_nothing(subject: DatasetSubject) -> None:
    """D14: Opening it and reading rows writes to no file but in its own folder, caches and what is temporary."""
    written: list[Any] = subject.probe_report["written"]
    if written:
        raise ConformanceError(
            "dataset_writes_nothing", subject, got=", ".join(written[:3]), expected="files in its own folder alone"
        )


def _first_rows(dataset: Any, most: int) -> list[tuple[str, Mapping[str, Any]]]:
    return [(dataset.ids[index], dataset[index]) for index in range(min(most, len(dataset)))]
