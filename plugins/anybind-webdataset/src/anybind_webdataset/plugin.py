"""What anybind-webdataset adds: the data set ``webdataset``."""

from __future__ import annotations

import anybind
from anybind.encoder_kit.options import collection, on_error

ANYBIND_HOOK_API = 1


@anybind.hookimpl
def anybind_datasets() -> list[anybind.DatasetSpec]:
    """``webdataset``: samples in tar shards, read in place."""
    return [
        anybind.DatasetSpec(
            name="webdataset",
            modalities=None,
            factory="anybind_webdataset.dataset:WebDataset",
            licence="unknown",
            description="Tar shards in the WebDataset layout, on disk; samples are read where they lie.",
            options=_options(),
        )
    ]


@anybind.hookimpl
def anybind_examples() -> list[anybind.ExampleSpec]:
    """Two small shards."""
    return [
        anybind.ExampleSpec(kind="dataset", name="webdataset", factory="anybind_webdataset.examples:two_shards")
    ]


def _options() -> dict[str, anybind.OptionSpec]:
    option = anybind.OptionSpec
    return {
        "path": option(
            type="path", required=True,
            description="The shards: one .tar, a folder of them, or a name with braces, e.g. train-{000..009}.tar.",
        ),
        "endings": option(
            type="list[str]",
            description="Which ending is which modality, e.g. image=jpg, text=json:caption; by the usual ones if none.",
        ),
        "shard_in_id": option(
            type="bool", default=False, description="Begin ids with the shard's name, where keys come again in others."
        ),
        "on_error": on_error(),
        "collection": collection(),
    }  # fmt: skip
