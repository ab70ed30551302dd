"""Checks of a modality. The rules that begin with M."""

from __future__ import annotations

import anybind
from anybind.testing.contents import contents
from anybind.testing.errors import ConformanceError
from anybind.testing.fragments import unsafe_parts
from anybind.testing.parts import ModalitySubject


def check_modality_example(subject: ModalitySubject) -> None:
    """M1: Every modality has an example with a source or more, unless it is its kind under another name."""
    example = subject.made_example()
    if example is None or not example.sources:
        raise ConformanceError(
            "modality_example", subject, got="no example" if example is None else "no sources",
            expected="a ModalityExample with sources",
            hint="add the hook anybind_examples; see 'The conformance kit' in docs/plugins.md",
        )  # fmt: skip


def check_modality_builds(subject: ModalitySubject) -> None:
    """M2: It is built from its spec alone, and has the spec's name."""
    name = subject.built().name
    if name != subject.name:
        raise ConformanceError("modality_builds", subject, got=f"name {name!r}", expected=f"name {subject.name!r}")


def check_modality_loads(subject: ModalitySubject) -> None:
    """M3: Loading a source gives a sample that its own check accepts."""
    for source in subject.example.sources:
        subject.modality.check(subject.modality.load(source))


def check_modality_loads_samples(subject: ModalitySubject) -> None:
    """M4: Loading a sample gives that sample."""
    for position, sample in enumerate(subject.samples):
        again = subject.modality.load(sample)
        if contents(again) != contents(sample):
            raise ConformanceError(
                "modality_loads_samples", subject, got=f"sample {position} becomes another when it is loaded again",
                expected="a sample that is loaded already stays as it is",
            )  # fmt: skip


def check_modality_refuses_broken_sources(subject: ModalitySubject) -> None:
    """M5: A source that cannot be loaded is a DataError."""
    modality = subject.modality
    for source in [*subject.example.broken, object()]:
        try:
            sample = modality.load(source)
            modality.check(sample)
        except anybind.DataError:
            continue
        except Exception as error:
            got = f"{type(error).__name__}: {error}"
        else:
            got = f"a {type(sample).__name__}"
        raise ConformanceError(
            "modality_refuses_broken_sources", subject, got=f"{got}, of {source!r}"[:300], expected="DataError"
        )


def check_modality_refuses_strangers(subject: ModalitySubject) -> None:
    """M6: Its check refuses what is no sample with a DataError."""
    modality = subject.modality
    try:
        modality.check(object())
    except anybind.DataError:
        return
    raise ConformanceError("modality_refuses_strangers", subject, got="an object() passes", expected="DataError")


def check_modality_previews_safely(subject: ModalitySubject) -> None:
    """M7: A preview is HTML of its own: escaped, no script, nothing fetched from elsewhere."""
    for sample in subject.samples:
        preview = subject.modality.preview(sample)
        if not isinstance(preview, str):
            raise ConformanceError(
                "modality_previews_safely", subject, got=type(preview).__name__, expected="text (str)"
            )
        unsafe = unsafe_parts(preview)
        if unsafe:
            raise ConformanceError(
                "modality_previews_safely", subject, got="; ".join(unsafe), expected="a self-contained fragment",
                hint="html.escape() what comes from the sample, and put pictures into data: URLs",
            )  # fmt: skip


def check_modality_leaves_samples(subject: ModalitySubject) -> None:
    """M8: Checking and showing a sample leave it as it is."""
    for position, sample in enumerate(subject.samples):
        before = contents(sample)
        subject.modality.check(sample)
        subject.modality.preview(sample)
        if contents(sample) != before:
            raise ConformanceError(
                "modality_leaves_samples", subject, got=f"sample {position} is changed", expected="a sample as it was"
            )
