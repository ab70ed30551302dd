"""The options that encoders have in common, named and described once. Imports no torch."""

from __future__ import annotations

from anybind.specs import OptionSpec

DTYPES = ("float32", "bfloat16", "float16")


def batch_size(default: int = 32) -> OptionSpec:
    """How many samples go through the network at once."""
    return OptionSpec(type="int", default=default, minimum=1, affects_output=False, description="Samples per batch.")


def device() -> OptionSpec:
    """Where torch runs it."""
    return OptionSpec(
        type="str", default="cpu", affects_output=False, description="Where torch runs it: cpu, cuda, cuda:1."
    )


def dtype() -> OptionSpec:
    """The number format of the network; vectors come out as float32 whatever it is."""
    return OptionSpec(
        type="str", default="float32", choices=DTYPES,
        description="Number format of the network: half precision is faster on accelerators, and less exact.",
    )  # fmt: skip


def weights(default: str | None = None) -> OptionSpec:
    """Which repository of the Hugging Face Hub has the checkpoint."""
    return OptionSpec(
        type="str", default=default, required=False,
        description="Repository of the checkpoint on the Hugging Face Hub, e.g. owner/name.",
    )  # fmt: skip


def revision(default: str | None = None) -> OptionSpec:
    """Which commit of that repository."""
    return OptionSpec(
        type="str", default=default,
        description="Commit of the repository; a whole commit hash means the same weights tomorrow.",
    )  # fmt: skip


def folder() -> OptionSpec:
    """A checkpoint on disk, in place of a repository."""
    return OptionSpec(type="path", description="Folder of a checkpoint on disk, in place of weights and revision.")


def checkpoint_options(
    weights_default: str | None = None, revision_default: str | None = None
) -> dict[str, OptionSpec]:
    """``weights``, ``revision`` and ``folder``: what ``anybind.encoder_kit.checkpoints.checkpoint_folder`` takes."""
    return {"weights": weights(weights_default), "revision": revision(revision_default), "folder": folder()}


def running_options(batch: int = 32) -> dict[str, OptionSpec]:
    """``batch_size``, ``device`` and ``dtype``."""
    return {"batch_size": batch_size(batch), "device": device(), "dtype": dtype()}


def on_error() -> OptionSpec:
    """What a data set does about rows that are wrong and files that are not there."""
    return OptionSpec(
        type="str", default="fail", choices=("fail", "skip"),
        description="What to do about faulty rows: refuse the data set, or leave them out and list them.",
    )  # fmt: skip


def collection() -> OptionSpec:
    """The name under which a data set's items are stored."""
    return OptionSpec(type="str", description="A name for the items, shared by data sets that hold the same ones.")
