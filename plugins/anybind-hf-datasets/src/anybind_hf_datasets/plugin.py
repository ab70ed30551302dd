"""What anybind-hf-datasets adds: the data set ``hf-dataset``."""

from __future__ import annotations

import anybind
from anybind.encoder_kit.options import collection, on_error

ANYBIND_HOOK_API = 1


@anybind.hookimpl
def anybind_datasets() -> list[anybind.DatasetSpec]:
    """``hf-dataset``: any data set that the library datasets reads without running code of it."""
    return [
        anybind.DatasetSpec(
            name="hf-dataset",
            modalities=None,
            factory="anybind_hf_datasets.dataset:HFDataset",
            licence="unknown",
            description="A Hugging Face data set, from the Hub (repo and revision) or from disk (path).",
            options={**_source_options(), **_row_options(), "on_error": on_error(), "collection": collection()},
        )
    ]


@anybind.hookimpl
def anybind_examples() -> list[anybind.ExampleSpec]:
    """A small data set on disk."""
    return [
        anybind.ExampleSpec(kind="dataset", name="hf-dataset", factory="anybind_hf_datasets.examples:saved_to_disk")
    ]


def _source_options() -> dict[str, anybind.OptionSpec]:
    option = anybind.OptionSpec
    return {
        "columns": option(
            type="list[str]", required=True,
            description="Which column is which modality, e.g. image=photo, text=captions.0, text_fr=translation.fr.",
        ),
        "repo": option(type="str", description="Repository of the data set on the Hub, e.g. owner/name."),
        "revision": option(type="str", description="Commit of the repository; required with repo."),
        "path": option(type="path", description="A data set on disk: a folder, or a file, in place of repo."),
        "name": option(type="str", description="The configuration (subset), where there are several."),
        "split": option(type="str", description="The split; may be left out where there is one only."),
    }  # fmt: skip


def _row_options() -> dict[str, anybind.OptionSpec]:
    option = anybind.OptionSpec
    return {
        "id_column": option(type="str", description="The column of the ids; split and row number if none."),
        "group_column": option(type="str", description="The column that names groups of near-duplicates."),
        "streaming": option(
            type="bool", default=False, affects_output=False,
            description="Read the rows as they come instead of preparing the data set on disk first.",
        ),
        "limit": option(type="int", minimum=1, description="Use the first rows only."),
    }  # fmt: skip
