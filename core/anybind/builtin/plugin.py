"""The built-in plugin: what a plain install can read, embed and fit, through the same hooks as any plugin."""

from __future__ import annotations

from anybind.builtin.binders import built_in_binders
from anybind.hookspecs import hookimpl
from anybind.specs import BinderSpec, DatasetSpec, EncoderSpec, ModalitySpec, OptionSpec

_CODE_LICENCE = "Apache-2.0"
_COLLECTION = OptionSpec(
    type="str", description="A name for the items, shared by data sets that hold the same ones."
)


@hookimpl
def anybind_modalities() -> list[ModalitySpec]:
    """Modalities whose samples the core can load."""
    return [
        ModalitySpec(name="text", factory="anybind.builtin.text:Text", description="Written language."),
        ModalitySpec(name="image", factory="anybind.builtin.image:Image", description="Still pictures."),
        ModalitySpec(name="audio", factory="anybind.builtin.audio:Audio", description="Sound of any kind."),
        ModalitySpec(
            name="vector", factory="anybind.builtin.vector:Vector",
            description="Vectors that were made elsewhere, one array per sample.",
        ),
    ]


@hookimpl
def anybind_encoders() -> list[EncoderSpec]:
    """Small encoders that need no weights: for tests, tutorials and vectors made elsewhere."""
    return [
        EncoderSpec(
            name="toy-text", modality="text", dim=64, factory="anybind.builtin.toy:ToyText",
            weights="none", revision="1", licence=_CODE_LICENCE,
            description="Hashed character n-grams: for trying things out, good for nothing else.",
        ),
        EncoderSpec(
            name="toy-image", modality="image", dim=64, factory="anybind.builtin.toy:ToyImage",
            weights="none", revision="1", licence=_CODE_LICENCE,
            description="A thumbnail and colour histograms: for trying things out, good for nothing else.",
        ),
        EncoderSpec(
            name="vectors", modality="vector", dim=1, factory="anybind.builtin.toy:Vectors",
            weights="none", revision="1", licence=_CODE_LICENCE,
            description="Passes on vectors that were made elsewhere; the option dim says how long they are.",
            options={
                "dim": OptionSpec(
                    type="int", required=True, minimum=1, maximum=65536,
                    description="Length of the vectors; takes the place of the spec's dim.",
                ),
            },
        ),
    ]


@hookimpl
def anybind_datasets() -> list[DatasetSpec]:
    """Data sets that stand in files of the user's own."""
    return [
        DatasetSpec(
            name="manifest", modalities=None, factory="anybind.builtin.manifest:Manifest", licence="unknown",
            description="One row a line in a CSV, TSV or JSON Lines file; its columns are the modalities.",
            options={
                "path": OptionSpec(type="path", required=True, description="The file."),
                "id_column": OptionSpec(type="str", default="id", description="The column of the ids."),
                "text_columns": OptionSpec(
                    type="list[str]",
                    description="Columns that hold text itself; if none: text and what begins with text_.",
                ),
                "split_column": OptionSpec(type="str", description="The column that names each row's split."),
                "split": OptionSpec(type="str", description="Keep the rows of this split only."),
                "collection": _COLLECTION,
            },
        ),
        DatasetSpec(
            name="arrays", modalities=None, factory="anybind.builtin.arrays:Arrays", licence="unknown",
            description="Vectors made elsewhere: <modality>.npy or .safetensors files in one folder.",
            options={
                "path": OptionSpec(type="path", required=True, description="The folder."),
                "missing_from_nan": OptionSpec(
                    type="bool", default=False, description="Whether a row of nothing but NaN is missing."
                ),
                "collection": _COLLECTION,
            },
        ),
    ]


@hookimpl
def anybind_binders() -> list[BinderSpec]:
    """Every binder method of the core."""
    return built_in_binders()
