"""Checks of an encoder. The rules that begin with E."""

from __future__ import annotations

import re
from itertools import combinations
from typing import TYPE_CHECKING, Any

import anybind
from anybind.testing.contents import contents
from anybind.testing.errors import ConformanceError
from anybind.testing.parts import EncoderSubject
from anybind.testing.surroundings import Surroundings

if TYPE_CHECKING:
    import torch


def check_encoder_example(subject: EncoderSubject) -> None:
    """E1: Every encoder has an example: 3 samples or more, all different, that its modality loads and accepts."""
    if subject.made_example() is None:
        raise ConformanceError(
            "encoder_example", subject, got="no example", expected="an EncoderExample of a tiny checkpoint",
            hint="add the hook anybind_examples; see 'The conformance kit' in docs/plugins.md",
        )  # fmt: skip
    subject.loaded_samples()


def check_encoder_builds(subject: EncoderSubject) -> None:
    """E2: It is built with the options of its example, and its spec states its name and the length of its vectors."""
    subject.needed_example()
    spec = subject.built().spec
    if (spec.name, spec.dim) != (subject.name, subject.dim):
        raise ConformanceError(
            "encoder_builds", subject, got=f"spec {spec.name!r}, dim {spec.dim}", expected=f"dim {subject.dim}"
        )


def check_encoder_shape(subject: EncoderSubject) -> None:
    """E3: n samples give a tensor (n, dim) of float32 on the CPU."""
    import torch

    samples = subject.samples
    vectors = subject.encoder.encode(list(samples))
    expected = f"float32 tensor {(len(samples), subject.dim)} on the CPU"
    if not isinstance(vectors, torch.Tensor):
        raise ConformanceError("encoder_shape", subject, got=type(vectors).__name__, expected=expected)
    right = vectors.shape == (len(samples), subject.dim) and vectors.dtype == torch.float32
    if not right or vectors.device.type != "cpu":
        raise ConformanceError("encoder_shape", subject, got=_described(vectors), expected=expected)


def check_encoder_finite(subject: EncoderSubject) -> None:
    """E4: Every number of every vector is finite."""
    wrong = (~subject.vectors.isfinite()).sum(dim=1)
    if wrong.any():
        row = int(wrong.argmax())
        raise ConformanceError(
            "encoder_finite", subject, got=f"{int(wrong[row])} of {subject.dim} numbers of sample {row} are not",
            expected="no NaN, no infinity",
        )  # fmt: skip


def check_encoder_batch_of_one(subject: EncoderSubject) -> None:
    """E5: One sample gives a tensor (1, dim)."""
    _has_shape("encoder_batch_of_one", subject, subject.samples[:1])


def check_encoder_empty_batch(subject: EncoderSubject) -> None:
    """E6: No samples give a tensor (0, dim) of float32."""
    _has_shape("encoder_empty_batch", subject, [])


def check_encoder_batch_invariance(subject: EncoderSubject) -> None:
    """E7: The vector of a sample does not depend on the others in its batch."""
    together = subject.vectors
    for row, sample in enumerate(subject.samples):
        alone = subject.encode([sample]).float()
        if len(alone) == 1:  # else encoder_batch_of_one tells
            _are_close("encoder_batch_invariance", subject, alone, together[row : row + 1], f"sample {row} alone")


def check_encoder_order(subject: EncoderSubject) -> None:
    """E8: Vectors come in the order of the samples."""
    forwards = subject.vectors
    backwards = subject.encode(subject.samples[::-1]).float()
    hint = "if batches are sorted by length, put the rows back"
    _are_close("encoder_order", subject, backwards.flip(0), forwards, "samples backwards", hint)


def check_encoder_repeats(subject: EncoderSubject) -> None:
    """E9: The same samples give the same vectors again."""
    first = subject.vectors
    again = subject.encode(subject.samples).float()
    hint = "is the network in eval mode? does something draw random numbers?"
    _are_close("encoder_repeats", subject, again, first, "the same samples again", hint)


def check_encoder_leaves_samples(subject: EncoderSubject) -> None:
    """E10: It leaves the samples, and the list of them, as they are."""
    samples = list(subject.samples)
    before = [contents(sample) for sample in samples]
    subject.needed("encoder_shape", lambda: subject.encoder.encode(samples))
    changed = [row for row, sample in enumerate(samples[: len(before)]) if contents(sample) != before[row]]
    if changed or len(samples) != len(before):
        got = f"sample {changed[0]} is changed" if changed else f"{len(samples)} samples are left of {len(before)}"
        raise ConformanceError(
            "encoder_leaves_samples", subject, got=got, expected="samples as they were", hint="work on a copy"
        )


def check_encoder_leaves_surroundings(subject: EncoderSubject) -> None:
    """E11: Building and encoding leave the global random generators, gradient mode, dtype and threads as they are."""
    moved = subject.moved_by_building
    with Surroundings.watched() as changed:
        subject.encode(subject.samples)
    if moved or changed:
        found = [*(f"{name}, by building" for name in moved), *(f"{name}, by encoding" for name in changed)]
        raise ConformanceError(
            "encoder_leaves_surroundings", subject, got="; ".join(found), expected="global state as it was",
            hint="torch.random.fork_rng() keeps what building a network draws to itself",
        )  # fmt: skip


def check_encoder_refuses_wrong_samples(subject: EncoderSubject) -> None:
    """E12: Something that is no sample is a DataError that says where: its place in the batch, from 0."""
    batch = [subject.samples[0], subject.example.wrong, subject.samples[1]]
    expected = "DataError with 'sample 1' in where"
    try:
        vectors = subject.encoder.encode(batch)
    except anybind.DataError as error:
        if not re.search(r"\b1\b", str(error.where)):
            raise ConformanceError(
                "encoder_refuses_wrong_samples", subject, got=f"where is {error.where}", expected=expected
            ) from error
        return
    got = f"{_described(vectors)} for a batch with {subject.example.wrong!r} in it"
    raise ConformanceError("encoder_refuses_wrong_samples", subject, got=got, expected=expected)


def check_encoder_has_no_gradient(subject: EncoderSubject) -> None:
    """E13: Vectors carry no gradient."""
    vectors = subject.needed("encoder_shape", lambda: subject.encoder.encode(list(subject.samples)))
    if getattr(vectors, "requires_grad", False):
        raise ConformanceError(
            "encoder_has_no_gradient", subject, got="requires_grad", expected="a frozen encoder",
            hint="encode under torch.inference_mode()",
        )  # fmt: skip


def check_encoder_tells_apart(subject: EncoderSubject) -> None:
    """E14: Different samples have different vectors."""
    vectors = subject.vectors
    for a, b in combinations(range(len(vectors)), 2):
        if float((vectors[a] - vectors[b]).abs().max()) <= subject.tolerance:
            raise ConformanceError(
                "encoder_tells_apart", subject, got=f"samples {a} and {b} have one vector",
                expected="a vector that depends on the sample",
            )  # fmt: skip


def check_encoder_batch_size(subject: EncoderSubject) -> None:
    """E15: The option batch_size, where there is one, changes nothing but the speed."""
    if "batch_size" not in subject.spec.options:
        return
    whole = subject.vectors
    in_parts = subject.encode(subject.samples, subject.build(batch_size=2)).float()
    _are_close("encoder_batch_size", subject, in_parts, whole, "batches of 2")


def _has_shape(check: str, subject: EncoderSubject, samples: list[Any]) -> None:
    import torch

    _ = subject.vectors  # an encoder that cannot do more than this is reported once
    expected = (len(samples), subject.dim)
    vectors = subject.encoder.encode(samples)
    if not isinstance(vectors, torch.Tensor) or vectors.shape != expected or vectors.dtype != torch.float32:
        raise ConformanceError(check, subject, got=_described(vectors), expected=f"float32 tensor {expected}")


def _are_close(
    check: str, subject: EncoderSubject, found: torch.Tensor, expected: torch.Tensor, what: str, hint: str | None = None
) -> None:
    import torch

    tolerance = subject.tolerance
    if found.shape != expected.shape:
        raise ConformanceError(check, subject, got=f"{what}: {_described(found)}", expected=tuple(expected.shape))
    if not torch.allclose(found, expected, rtol=0, atol=tolerance, equal_nan=True):
        apart = float((found - expected).abs().nan_to_num(torch.inf).max())
        raise ConformanceError(
            check, subject, got=f"{what}: vectors are {apart:.2g} apart",
            expected=f"equal to {tolerance:.2g}", hint=hint,
        )  # fmt: skip


def _described(vectors: Any) -> str:
    shape = getattr(vectors, "shape", None)
    if shape is None:
        return type(vectors).__name__
    return f"{type(vectors).__name__} {tuple(shape)} {vectors.dtype} on {getattr(vectors, 'device', 'the CPU')}"
