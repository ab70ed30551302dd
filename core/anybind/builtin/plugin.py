"""The built-in plugin: what a plain install can read, embed and fit, through the same hooks as any plugin."""

from __future__ import annotations

from anybind.builtin.binders import built_in_binders
from anybind.encoder_kit.options import collection, on_error
from anybind.hookspecs import hookimpl
from anybind.specs import BinderSpec, DatasetSpec, EncoderSpec, ExampleSpec, ModalitySpec, OptionSpec

_CODE_LICENCE = "Apache-2.0"
_EXAMPLES = "anybind.builtin.examples"


@hookimpl
def anybind_modalities() -> list[ModalitySpec]:
    """Modalities whose samples the core can load."""
    return [
        ModalitySpec(name="text", factory="anybind.builtin.text:Text", description="Written language."),
        ModalitySpec(name="image", factory="anybind.builtin.image:Image", description="Still pictures."),
        ModalitySpec(name="audio", factory="anybind.builtin.audio:Audio", description="Sound of any kind."),
        ModalitySpec(
            name="video", factory="anybind.builtin.video:Video", description="Moving pictures, without their sound."
        ),
        ModalitySpec(
            name="depth", factory="anybind.builtin.depth:Depth", description="Distance from the camera for each pixel."
        ),
        ModalitySpec(
            name="thermal", kind="image", factory="anybind.builtin.image:Image",
            description="Pictures of heat radiation, 8 bits a pixel.",
        ),
        ModalitySpec(
            name="touch", kind="image", factory="anybind.builtin.image:Image",
            description="Pictures that a camera-based tactile sensor takes of its own skin.",
        ),
        ModalitySpec(
            name="imu", factory="anybind.builtin.imu:Imu",
            description="Acceleration and rotation from an inertial sensor.",
        ),
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
            description="One row a line in a CSV, TSV, JSON Lines or Parquet file; its columns are the modalities.",
            options={
                "path": OptionSpec(type="path", required=True, description="The file."),
                "id_column": OptionSpec(type="str", default="id", description="The column of the ids."),
                "text_columns": OptionSpec(
                    type="list[str]",
                    description="Columns that hold text itself; if none: text and what begins with text_.",
                ),
                "split_column": OptionSpec(type="str", description="The column that names each row's split."),
                "split": OptionSpec(type="str", description="Keep the rows of this split only."),
                "group_column": OptionSpec(
                    type="str", description="The column that names each row's group of near-duplicates."
                ),
                "on_error": on_error(),
                "collection": collection(),
            },
        ),
        DatasetSpec(
            name="folder", modalities=None, factory="anybind.builtin.folder:Folder", licence="unknown",
            description="Files of a folder that share stems: image/1.png and text/1.txt are one row.",
            options={
                "path": OptionSpec(type="path", required=True, description="The folder."),
                "files": OptionSpec(
                    type="list[str]",
                    description="Files of each modality, * for the stem, e.g. image=*.png; if none: its subfolder.",
                ),
                "on_error": on_error(),
                "collection": collection(),
            },
        ),
        DatasetSpec(
            name="arrays", modalities=None, factory="anybind.builtin.arrays:Arrays", licence="unknown",
            description="Vectors made elsewhere: .npy or .safetensors files (or shards) in a folder, or one .npz.",
            options={
                "path": OptionSpec(type="path", required=True, description="The folder, or the .npz file."),
                "files": OptionSpec(
                    type="list[str]",
                    description="File or folder of shards of each modality, e.g. image=img_emb; if none: by name.",
                ),
                "ids": OptionSpec(type="path", description="Where the ids are; if none: ids.txt, or row numbers."),
                "id_column": OptionSpec(type="str", default="id", description="Column of the ids, in a table."),
                "missing_from_nan": OptionSpec(
                    type="bool", default=False, description="Whether a row of nothing but NaN is missing."
                ),
                "collection": collection(),
            },
        ),
    ]


@hookimpl
def anybind_binders() -> list[BinderSpec]:
    """Every binder method of the core."""
    return built_in_binders()


@hookimpl
def anybind_examples() -> list[ExampleSpec]:
    """One of each part, made of nothing but numbers."""
    modalities = ("text", "image", "audio", "video", "depth", "imu", "vector")
    encoders = {"toy-text": "toy_text", "toy-image": "toy_image", "vectors": "vectors"}
    datasets = {"manifest": "manifest", "folder": "files", "arrays": "arrays"}
    return [
        *(ExampleSpec(kind="modality", name=name, factory=f"{_EXAMPLES}:{name}") for name in modalities),
        *(ExampleSpec(kind="encoder", name=name, factory=f"{_EXAMPLES}:{made}") for name, made in encoders.items()),
        *(ExampleSpec(kind="dataset", name=name, factory=f"{_EXAMPLES}:{made}") for name, made in datasets.items()),
    ]
